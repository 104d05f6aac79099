// Single instructions of the processor, for the files of the kernel proper.
#pragma once

#include "ki.h"

constexpr ULONG MSR_STAR = 0xC0000081;
constexpr ULONG MSR_LSTAR = 0xC0000082;
constexpr ULONG MSR_CSTAR = 0xC0000083;
constexpr ULONG MSR_SYSCALL_MASK = 0xC0000084;
constexpr ULONG MSR_FS_BASE = 0xC0000100;
constexpr ULONG MSR_GS_BASE = 0xC0000101;
constexpr ULONG MSR_GS_SWAP = 0xC0000102;
constexpr ULONG64 EFLAGS_IF = 0x200;
constexpr USHORT KGDT64_R0_CODE = 0x10;

#define KI_BUILD_FLAVOUR "amd64fre"
#define CONTEXT_TO_PROGRAM_COUNTER(Context) ((Context)->Rip)
#define TRAP_TO_PROGRAM_COUNTER(TrapFrame) ((TrapFrame)->Rip)

inline ULONG64 KiReadMsr(ULONG Register) {
    ULONG low, high;
    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(Register));
    return static_cast<ULONG64>(high) << 32 | low;
}

inline VOID KiWriteMsr(ULONG Register, ULONG64 Value) {
    __asm__ volatile("wrmsr" : : "c"(Register), "a"(static_cast<ULONG>(Value)), "d"(static_cast<ULONG>(Value >> 32)));
}

#define KI_SYSTEM_REGISTER(Name, Spelling)                                                                             \
    inline ULONG64 KiRead##Name(VOID) {                                                                                \
        ULONG64 value;                                                                                                 \
        __asm__ volatile("movq %%" Spelling ", %0" : "=r"(value) : : "memory");                                        \
        return value;                                                                                                  \
    }                                                                                                                  \
    inline VOID KiWrite##Name(ULONG64 Value) {                                                                         \
        __asm__ volatile("movq %0, %%" Spelling : : "r"(Value) : "memory");                                            \
    }

KI_SYSTEM_REGISTER(Cr0, "cr0")
KI_SYSTEM_REGISTER(Cr2, "cr2")
KI_SYSTEM_REGISTER(Cr3, "cr3")
KI_SYSTEM_REGISTER(Cr4, "cr4")
KI_SYSTEM_REGISTER(Cr8, "cr8")
KI_SYSTEM_REGISTER(Dr0, "dr0")
KI_SYSTEM_REGISTER(Dr1, "dr1")
KI_SYSTEM_REGISTER(Dr2, "dr2")
KI_SYSTEM_REGISTER(Dr3, "dr3")
KI_SYSTEM_REGISTER(Dr6, "dr6")
KI_SYSTEM_REGISTER(Dr7, "dr7")

inline KIRQL KiReadIrql(VOID) {
    return static_cast<KIRQL>(KiReadCr8());
}

inline VOID KiWriteIrql(KIRQL Irql) {
    KiWriteCr8(Irql);
}

// The vector by which the interrupt controller delivers at Irql: its upper half is the level that CR8 compares.
constexpr ULONG KiSoftwareVector(KIRQL Irql) {
    return static_cast<ULONG>(Irql) << 4 | 0x0F;
}

inline ULONG64 KiReadFlags(VOID) {
    ULONG64 flags;
    __asm__ volatile("pushfq; popq %0" : "=r"(flags));
    return flags;
}

inline VOID KiEnableInterrupts(VOID) {
    __asm__ volatile("sti" : : : "memory");
}

inline UCHAR KiReadPort(USHORT Port) {
    UCHAR value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(Port));
    return value;
}

inline VOID KiWritePort(USHORT Port, UCHAR Value) {
    __asm__ volatile("outb %0, %1" : : "a"(Value), "Nd"(Port));
}

inline ULONG64 KiReadTimeStamp(VOID) {
    ULONG low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return static_cast<ULONG64>(high) << 32 | low;
}

inline VOID KiFlushPage(const VOID* Address) {
    __asm__ volatile("invlpg (%0)" : : "r"(Address) : "memory");
}

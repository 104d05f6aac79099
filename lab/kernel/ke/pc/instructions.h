// Single instructions that the processors of a PC have in common, for the files of the kernel proper.
#pragma once

#include "ki.h"

constexpr ULONG_PTR EFLAGS_IF = 0x200;

inline ULONG64 KiReadMsr(ULONG Register) {
    ULONG low, high;
    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(Register));
    return static_cast<ULONG64>(high) << 32 | low;
}

inline VOID KiWriteMsr(ULONG Register, ULONG64 Value) {
    __asm__ volatile("wrmsr" : : "c"(Register), "a"(static_cast<ULONG>(Value)), "d"(static_cast<ULONG>(Value >> 32)));
}

#define KI_SYSTEM_REGISTER(Name, Spelling)                                                                             \
    inline ULONG_PTR KiRead##Name(VOID) {                                                                              \
        ULONG_PTR value;                                                                                               \
        __asm__ volatile("mov %%" Spelling ", %0" : "=r"(value) : : "memory");                                         \
        return value;                                                                                                  \
    }                                                                                                                  \
    inline VOID KiWrite##Name(ULONG_PTR Value) {                                                                       \
        __asm__ volatile("mov %0, %%" Spelling : : "r"(Value) : "memory");                                             \
    }

KI_SYSTEM_REGISTER(Cr0, "cr0")
KI_SYSTEM_REGISTER(Cr2, "cr2")
KI_SYSTEM_REGISTER(Cr3, "cr3")
KI_SYSTEM_REGISTER(Cr4, "cr4")
KI_SYSTEM_REGISTER(Dr0, "dr0")
KI_SYSTEM_REGISTER(Dr1, "dr1")
KI_SYSTEM_REGISTER(Dr2, "dr2")
KI_SYSTEM_REGISTER(Dr3, "dr3")
KI_SYSTEM_REGISTER(Dr6, "dr6")
KI_SYSTEM_REGISTER(Dr7, "dr7")

inline ULONG_PTR KiReadFlags(VOID) {
    ULONG_PTR flags;
    __asm__ volatile("pushf; pop %0" : "=r"(flags));
    return flags;
}

inline VOID KiEnableInterrupts(VOID) {
    __asm__ volatile("sti" : : : "memory");
}

inline VOID KiPause(VOID) {
    __asm__ volatile("pause" : : : "memory");
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

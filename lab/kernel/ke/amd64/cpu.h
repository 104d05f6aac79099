// What the kernel proper asks of an x64 processor.
#pragma once

#include "../pc/instructions.h"

constexpr ULONG MSR_STAR = 0xC0000081;
constexpr ULONG MSR_LSTAR = 0xC0000082;
constexpr ULONG MSR_CSTAR = 0xC0000083;
constexpr ULONG MSR_SYSCALL_MASK = 0xC0000084;
constexpr ULONG MSR_FS_BASE = 0xC0000100;
constexpr ULONG MSR_GS_BASE = 0xC0000101;
constexpr ULONG MSR_GS_SWAP = 0xC0000102;
constexpr USHORT KGDT64_R0_CODE = 0x10;

#define KI_BUILD_FLAVOUR "amd64fre"
#define CONTEXT_TO_PROGRAM_COUNTER(Context) ((Context)->Rip)
#define TRAP_TO_PROGRAM_COUNTER(TrapFrame) ((TrapFrame)->Rip)

KI_SYSTEM_REGISTER(Cr8, "cr8")

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

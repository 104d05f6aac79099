// What the kernel proper asks of a 32-bit x86 processor.
#pragma once

#include "../pc/instructions.h"

constexpr USHORT KGDT_R0_CODE = 0x08;
constexpr USHORT KGDT_R0_DATA = 0x10;
constexpr USHORT KGDT_R3_CODE = 0x18;
constexpr USHORT KGDT_R3_DATA = 0x20;
constexpr USHORT KGDT_TSS = 0x28;
constexpr USHORT KGDT_R0_PCR = 0x30;
constexpr USHORT KGDT_R3_TEB = 0x38;
constexpr USHORT KGDT_LDT = 0x48;
constexpr USHORT KGDT_DF_TSS = 0x50;
constexpr USHORT RPL_USER = 3;

#define KI_BUILD_FLAVOUR "x86fre"
#define CONTEXT_TO_PROGRAM_COUNTER(Context) ((Context)->Eip)
#define TRAP_TO_PROGRAM_COUNTER(TrapFrame) ((TrapFrame)->Eip)

extern "C" {
// The level is kept in the control region, and the task priority of the interrupt controller follows it (irql.cpp).
KIRQL KiReadIrql(VOID);
VOID KiWriteIrql(KIRQL Irql);
}

// The vector by which the interrupt controller delivers at Irql, as NT's HAL for APICs has them.
constexpr ULONG KiSoftwareVector(KIRQL Irql) {
    return Irql == APC_LEVEL ? 0x3D : 0x41;
}

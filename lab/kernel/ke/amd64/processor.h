// What a processor has of its own: control region, descriptor tables, stacks for traps that cannot trust the current
// one.
#pragma once

#include "../ke.h"

typedef struct _KIDTENTRY64 KIDTENTRY64;
typedef struct _KTSS64 KTSS64;

constexpr ULONG KiIdtEntries = 256;
constexpr ULONG KiGdtEntries = 12;
constexpr SIZE_T KiExceptionStackSize = 0x3000;

// Numbers of the stacks that the processor switches to whatever the interrupted one is like.
enum { NoStack, PanicStack, MachineCheckStack, KiExceptionStacks = MachineCheckStack };

struct alignas(PAGE_SIZE) KI_PROCESSOR {
    KPCR Pcr;
    ULONG64 Gdt[KiGdtEntries];
    alignas(16) KTSS64 Tss;
    alignas(16) KIDTENTRY64 Idt[KiIdtEntries];
    alignas(16) UCHAR Stacks[KiExceptionStacks][KiExceptionStackSize];
};

extern "C" {
VOID KiInitializeProcessor(KI_PROCESSOR* Processor, ULONG Number); // fills it; nothing is loaded
VOID KiLoadProcessor(KI_PROCESSOR* Processor);                     // makes it the current processor's
}

// The processor's control region is at fs:[0], and the interrupt request level in it.
#include "../ke.h"

extern "C" PKPCR KeGetPcr(VOID) {
    PKPCR pcr;
    __asm__ volatile("movl %%fs:0x1C, %0" : "=r"(pcr));
    return pcr;
}

extern "C" PKPRCB KeGetCurrentPrcb(VOID) {
    return &KeGetPcr()->PrcbData;
}

extern "C" PKTHREAD KeGetCurrentThread(VOID) {
    PKTHREAD thread;
    __asm__ volatile("movl %%fs:0x124, %0" : "=r"(thread));
    return thread;
}

// The priority that holds back what a level holds back: vectors up to the software interrupt's, the clock's D1h, an
// interprocessor E1h, and everything. What lies between are the levels of devices.
static UCHAR KiTaskPriority(KIRQL Irql) {
    constexpr UCHAR first_device = 0x51, clock = 0xD1, interprocessor = 0xE1;
    if (Irql <= DISPATCH_LEVEL) {
        return Irql == PASSIVE_LEVEL ? 0 : static_cast<UCHAR>(KiSoftwareVector(Irql));
    }
    if (Irql < CLOCK_LEVEL) {
        return static_cast<UCHAR>(first_device + (Irql - DISPATCH_LEVEL - 1) * 4);
    }
    return Irql == CLOCK_LEVEL ? clock : Irql == IPI_LEVEL ? interprocessor : 0xFF;
}

extern "C" KIRQL KiReadIrql(VOID) {
    UCHAR irql;
    __asm__ volatile("movb %%fs:0x24, %0" : "=q"(irql));
    return irql;
}

// The level first: what comes in between the two writes then leaves the priority as the new level wants it.
extern "C" VOID KiWriteIrql(KIRQL Irql) {
    __asm__ volatile("movb %0, %%fs:0x24" : : "q"(Irql) : "memory");
    HalSetTaskPriority(KiTaskPriority(Irql));
}

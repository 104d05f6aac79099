// The processor's control region is at gs:[0].
#include "../ke.h"

extern "C" PKPCR KeGetPcr(VOID) {
    PKPCR pcr;
    __asm__ volatile("movq %%gs:0x18, %0" : "=r"(pcr));
    return pcr;
}

extern "C" PKPRCB KeGetCurrentPrcb(VOID) {
    return &KeGetPcr()->Prcb;
}

extern "C" NTKERNELAPI PKTHREAD KeGetCurrentThread(VOID) {
    PKTHREAD thread;
    __asm__ volatile("movq %%gs:0x188, %0" : "=r"(thread));
    return thread;
}

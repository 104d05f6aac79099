// The end: what went wrong is kept in KiBugcheckData, printed to the debugger, and the debugger is called, for as long
// as it likes.
#include "ke.h"

extern "C" {
ULONG_PTR KiBugcheckData[5];
CONTEXT KiBugcheckContext;
volatile LONG KiHardwareTrigger;
}

extern "C" NOINLINE VOID KiBugCheckDebugBreak(ULONG Status) {
    DbgBreakPointWithStatus(Status);
}

extern "C" NTKERNELAPI DECLSPEC_NORETURN NOINLINE VOID KeBugCheckEx(ULONG BugCheckCode, ULONG_PTR BugCheckParameter1,
                                                                    ULONG_PTR BugCheckParameter2,
                                                                    ULONG_PTR BugCheckParameter3,
                                                                    ULONG_PTR BugCheckParameter4) {
    KeDisableInterrupts();
    RtlCaptureContext(&KiBugcheckContext);
    if (KeGetCurrentIrql() < HIGH_LEVEL) {
        KfRaiseIrql(HIGH_LEVEL);
    }
    KiBugcheckData[0] = BugCheckCode;
    KiBugcheckData[1] = BugCheckParameter1;
    KiBugcheckData[2] = BugCheckParameter2;
    KiBugcheckData[3] = BugCheckParameter3;
    KiBugcheckData[4] = BugCheckParameter4;
    if (KdDebuggerEnabled) {
        DbgPrint("\n*** Fatal System Error: 0x%08lx\n                       (0x%p,0x%p,0x%p,0x%p)\n\n", BugCheckCode,
                 reinterpret_cast<PVOID>(BugCheckParameter1), reinterpret_cast<PVOID>(BugCheckParameter2),
                 reinterpret_cast<PVOID>(BugCheckParameter3), reinterpret_cast<PVOID>(BugCheckParameter4));
        KiBugCheckDebugBreak(DBG_STATUS_BUGCHECK_FIRST);
    } else {
        HalpDebugPuts("*** Fatal System Error, and no debugger\n");
    }
    for (;;) {
        if (KdDebuggerEnabled) {
            KiBugCheckDebugBreak(DBG_STATUS_BUGCHECK_SECOND);
        } else {
            __asm__ volatile("hlt");
        }
    }
}

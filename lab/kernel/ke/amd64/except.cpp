// Exceptions of the kernel's own code. There are no handlers by frame in the lab: what the debugger does not handle
// ends in a bug check.
#include "../ke.h"

extern "C" NOINLINE VOID KiDispatchException(PEXCEPTION_RECORD64 ExceptionRecord, PKEXCEPTION_FRAME ExceptionFrame,
                                             PKTRAP_FRAME TrapFrame) {
    CONTEXT context;
    KeContextFromKframes(TrapFrame, ExceptionFrame, &context);
    if (!KdTrap(TrapFrame, ExceptionFrame, ExceptionRecord, &context, TRUE) &&
        !KdTrap(TrapFrame, ExceptionFrame, ExceptionRecord, &context, FALSE)) {
        KeBugCheckEx(KMODE_EXCEPTION_NOT_HANDLED,
                     static_cast<ULONG_PTR>(static_cast<LONG_PTR>(ExceptionRecord->ExceptionCode)),
                     ExceptionRecord->ExceptionAddress, ExceptionRecord->ExceptionInformation[0],
                     ExceptionRecord->ExceptionInformation[1]);
    }
    KeContextToKframes(TrapFrame, ExceptionFrame, &context);
}

extern "C" NOINLINE VOID KiHandleNmi(PKTRAP_FRAME TrapFrame, PKEXCEPTION_FRAME ExceptionFrame) {
    if (!KiFreezeTargetExecution(TrapFrame, ExceptionFrame)) {
        KeBugCheckEx(UNEXPECTED_KERNEL_MODE_TRAP, 2, TrapFrame->Rip, TrapFrame->Rsp, 0);
    }
}

extern "C" DECLSPEC_NORETURN VOID KiUnexpectedTrap(ULONG Vector, PKTRAP_FRAME TrapFrame) {
    KeBugCheckEx(UNEXPECTED_KERNEL_MODE_TRAP, Vector, TrapFrame->Rip, TrapFrame->Rsp, TrapFrame->ErrorCode);
}

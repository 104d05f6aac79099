// Exceptions of the kernel's own code, and interrupts. There are no handlers by frame in the lab: what the debugger
// does not handle ends in a bug check.
#include "../ke.h"

typedef struct _EXCEPTION_RECORD EXCEPTION_RECORD, *PEXCEPTION_RECORD;

extern "C" {
extern _KTSS KiTss;
VOID KiCallInterruptServiceRoutine(PKTRAP_FRAME TrapFrame);
VOID KiDpcInterruptService(PKTRAP_FRAME TrapFrame);
VOID KiAcknowledgeInterrupt(PKTRAP_FRAME TrapFrame);
}

// The record as the debugger's protocol has it.
static EXCEPTION_RECORD64 KiExtendRecord(const EXCEPTION_RECORD* Record) {
    EXCEPTION_RECORD64 wide = {};
    wide.ExceptionCode = Record->ExceptionCode;
    wide.ExceptionFlags = Record->ExceptionFlags;
    wide.ExceptionRecord = KdExtendAddress(Record->ExceptionRecord);
    wide.ExceptionAddress = KdExtendAddress(Record->ExceptionAddress);
    wide.NumberParameters = Record->NumberParameters;
    for (ULONG i = 0; i < Record->NumberParameters; i++) {
        wide.ExceptionInformation[i] = KdExtendAddress(Record->ExceptionInformation[i]);
    }
    return wide;
}

extern "C" NOINLINE VOID KiDispatchException(PEXCEPTION_RECORD ExceptionRecord, PKEXCEPTION_FRAME ExceptionFrame,
                                             PKTRAP_FRAME TrapFrame, CHAR, BOOLEAN) {
    CONTEXT context;
    EXCEPTION_RECORD64 record = KiExtendRecord(ExceptionRecord);
    KeContextFromKframes(TrapFrame, ExceptionFrame, &context);
    if (!KdTrap(TrapFrame, ExceptionFrame, &record, &context, TRUE) &&
        !KdTrap(TrapFrame, ExceptionFrame, &record, &context, FALSE)) {
        KeBugCheckEx(KMODE_EXCEPTION_NOT_HANDLED, static_cast<ULONG_PTR>(ExceptionRecord->ExceptionCode),
                     reinterpret_cast<ULONG_PTR>(ExceptionRecord->ExceptionAddress),
                     ExceptionRecord->ExceptionInformation[0], ExceptionRecord->ExceptionInformation[1]);
    }
    KeContextToKframes(TrapFrame, ExceptionFrame, &context);
}

extern "C" DECLSPEC_NORETURN VOID KiUnexpectedTrap(ULONG Vector, PKTRAP_FRAME TrapFrame) {
    KeBugCheckEx(UNEXPECTED_KERNEL_MODE_TRAP, Vector, TrapFrame->Eip, reinterpret_cast<ULONG_PTR>(TrapFrame),
                 TrapFrame->ErrCode);
}

extern "C" DECLSPEC_NORETURN VOID KiDoubleFault(VOID) {
    KeBugCheckEx(UNEXPECTED_KERNEL_MODE_TRAP, 0x08, reinterpret_cast<ULONG_PTR>(&KiTss), KiTss.Eip, KiTss.Esp);
}

// Interrupts raise the level while they are served. What is asked for meanwhile comes when the old level is back.
extern "C" NOINLINE VOID KiServeApc(PKTRAP_FRAME TrapFrame) {
    KIRQL irql = KiReadIrql();
    KiWriteIrql(APC_LEVEL);
    KiAcknowledgeInterrupt(TrapFrame);
    KiWriteIrql(irql);
}

extern "C" NOINLINE VOID KiServeDispatch(PKTRAP_FRAME TrapFrame) {
    KIRQL irql = KiReadIrql();
    KiWriteIrql(DISPATCH_LEVEL);
    KiDpcInterruptService(TrapFrame);
    KiWriteIrql(irql);
}

extern "C" NOINLINE VOID KiServeClock(PKTRAP_FRAME TrapFrame) {
    KIRQL irql = KiReadIrql();
    KiWriteIrql(CLOCK_LEVEL);
    KiCallInterruptServiceRoutine(TrapFrame);
    KiWriteIrql(irql);
}

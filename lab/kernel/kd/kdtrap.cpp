// What the rest of the kernel calls to reach the debugger.
#include "kdp.h"
#include "ki.h"

static KD_STOP KdpDescribeStop(PCONTEXT Context) {
    PKPRCB prcb = KeGetCurrentPrcb();
    KD_STOP stop;
    stop.ProcessorLevel = static_cast<uint16_t>(prcb->CpuType);
    stop.Processor = static_cast<uint16_t>(prcb->Number);
    stop.NumberProcessors = KeNumberProcessors;
    stop.Thread = KdExtendAddress(prcb->CurrentThread);
    stop.Context = reinterpret_cast<uint8_t*>(Context);
    stop.Special = reinterpret_cast<uint8_t*>(&prcb->ProcessorState.SpecialRegisters);
    return stop;
}

BOOLEAN KdpReport(PEXCEPTION_RECORD64 ExceptionRecord, PCONTEXT Context, BOOLEAN FirstChance) {
    if (!KdDebuggerEnabled) {
        return FALSE;
    }
    static_assert(sizeof(KD_EXCEPTION) == sizeof(EXCEPTION_RECORD64));
    KD_EXCEPTION exception;
    __builtin_memcpy(&exception, ExceptionRecord, sizeof exception);
    KD_STOP stop = KdpDescribeStop(Context);
    KD_CONTINUE end;
    while ((end = KdpReportException(&stop, &exception, FirstChance != 0)) == KdContinueSwitch) {
        KeSwitchFrozenProcessor(KdpSelectedProcessor);
    }
    return end == KdContinueHandled;
}

ULONG KdpReportFrozen(PCONTEXT Context) {
    KD_STOP stop = KdpDescribeStop(Context);
    KD_EXCEPTION exception = {};
    exception.Code = static_cast<uint32_t>(STATUS_WAKE_SYSTEM_DEBUGGER);
    exception.Address = KdpProgramCounter(&stop);
    bool other = KdpReportException(&stop, &exception, true) == KdContinueSwitch;
    return other ? KdpSelectedProcessor : MAXIMUM_PROCESSORS;
}

static void KdpReportImageChange(PCSTR Path, const KD_SYMBOLS_INFO* Info, PCONTEXT Context, bool Unload) {
    if (!KdDebuggerEnabled) {
        return;
    }
    BOOLEAN enable = KeDisableInterrupts();
    KD_STOP stop = KdpDescribeStop(Context);
    KD_IMAGE image = {Info->BaseOfDll, Info->ProcessId, static_cast<uint32_t>(Info->CheckSum),
                      static_cast<uint32_t>(Info->SizeOfImage)};
    while (KdpReportImage(&stop, Path, &image, Unload) == KdContinueSwitch) {
        KeSwitchFrozenProcessor(KdpSelectedProcessor);
    }
    KeRestoreInterrupts(enable);
}

VOID KdpReportLoad(PCSTR Path, const KD_SYMBOLS_INFO* Info, PCONTEXT Context) {
    KdpReportImageChange(Path, Info, Context, false);
}

VOID KdpReportUnload(PCSTR Path, const KD_SYMBOLS_INFO* Info, PCONTEXT Context) {
    KdpReportImageChange(Path, Info, Context, true);
}

VOID KdpPrint(PCSTR Text, ULONG Length) {
    if (!KdDebuggerEnabled) {
        return;
    }
    BOOLEAN enable = KeDisableInterrupts();
    KD_STOP stop = KdpDescribeStop(nullptr);
    KdpSendPrint(&stop, Text, static_cast<uint32_t>(Length));
    if (KdpPollForBreakIn()) {
        KdpControlCPending = true; // the next tick breaks
    }
    KeRestoreInterrupts(enable);
}

ULONG KdpPrompt(PCSTR Text, ULONG Length, PCHAR Response, ULONG ResponseSize) {
    if (!KdDebuggerEnabled) {
        return 0;
    }
    BOOLEAN enable = KeDisableInterrupts();
    KD_STOP stop = KdpDescribeStop(nullptr);
    uint32_t length =
        KdpSendPrompt(&stop, Text, static_cast<uint32_t>(Length), Response, static_cast<uint32_t>(ResponseSize));
    KeRestoreInterrupts(enable);
    return length;
}

BOOLEAN KdPollBreakIn(VOID) {
    if (!KdDebuggerEnabled) {
        return FALSE;
    }
    BOOLEAN enable = KeDisableInterrupts();
    bool wanted = false;
    if (KxTryToAcquireSpinLock(&KdpDebuggerLock)) { // else another processor is at the pipe
        wanted = KdpControlCPending || KdpPollForBreakIn();
        KdpControlCPending = false;
        KxReleaseSpinLock(&KdpDebuggerLock);
    }
    KeRestoreInterrupts(enable);
    return wanted ? TRUE : FALSE;
}

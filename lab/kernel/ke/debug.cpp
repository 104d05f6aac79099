// The way to the debugger: exceptions are reported with the processor's state saved, and int 2Dh carries prints and
// image reports. The other end, with the protocol, is in kd/.
#include "ke.h"

extern "C" {
KSPIN_LOCK KdpDebuggerLock;
}

constexpr ULONG FLG_STOP_ON_EXCEPTION = 1;

// What a debugger must hear of at once; anything else only when nobody handled it.
static BOOLEAN KdpIsDebuggerEvent(LONG Code) {
    return Code == STATUS_BREAKPOINT || Code == STATUS_SINGLE_STEP || Code == STATUS_ASSERTION_FAILURE;
}

// int 2Dh: the service and its two arguments are the exception's parameters. Goes on behind the int3 that follows,
// unless the debugger moved the program counter.
static BOOLEAN KdpServeDebugService(PEXCEPTION_RECORD64 Record, PCONTEXT Context) {
    ULONG_PTR first = static_cast<ULONG_PTR>(Record->ExceptionInformation[1]);
    ULONG_PTR second = static_cast<ULONG_PTR>(Record->ExceptionInformation[2]);
    ULONG_PTR pc = CONTEXT_TO_PROGRAM_COUNTER(Context);
    switch (Record->ExceptionInformation[0]) {
    case BREAKPOINT_PRINT: KdpPrint(reinterpret_cast<PCSTR>(first), static_cast<ULONG>(second)); break;
    case BREAKPOINT_LOAD_SYMBOLS:
        KdpReportLoad(reinterpret_cast<PCSTR>(first), reinterpret_cast<const KD_SYMBOLS_INFO*>(second), Context);
        break;
    case BREAKPOINT_UNLOAD_SYMBOLS:
        KdpReportUnload(reinterpret_cast<PCSTR>(first), reinterpret_cast<const KD_SYMBOLS_INFO*>(second), Context);
        break;
    default: return FALSE;
    }
    if (CONTEXT_TO_PROGRAM_COUNTER(Context) == pc) {
        CONTEXT_TO_PROGRAM_COUNTER(Context)++;
    }
    return TRUE;
}

// Asks the debugger about an exception. TRUE when it is dealt with; Context then holds what to resume with.
extern "C" NOINLINE BOOLEAN KdTrap(PKTRAP_FRAME TrapFrame, PKEXCEPTION_FRAME ExceptionFrame, PEXCEPTION_RECORD64 Record,
                                   PCONTEXT Context, BOOLEAN FirstChance) {
    UNREFERENCED_PARAMETER(TrapFrame);
    UNREFERENCED_PARAMETER(ExceptionFrame);
    if (FirstChance && !KdpIsDebuggerEvent(Record->ExceptionCode) && (NtGlobalFlag & FLG_STOP_ON_EXCEPTION) == 0) {
        return FALSE;
    }
    BOOLEAN enabled = KeDisableInterrupts();
    PKPRCB prcb = KeGetCurrentPrcb();
    KSPECIAL_REGISTERS* special = &prcb->ProcessorState.SpecialRegisters;
    CONTEXT* context = &prcb->ProcessorState.ContextFrame;
    BOOLEAN frozen = KeFreezeExecution();
    prcb->DebuggerSavedIRQL = KeGetCurrentIrql();
    KiSaveSpecial(special);
    *context = *Context;

    BOOLEAN service = Record->ExceptionCode == STATUS_BREAKPOINT && Record->NumberParameters > 0 &&
                      Record->ExceptionInformation[0] != BREAKPOINT_BREAK;
    BOOLEAN handled = service ? KdpServeDebugService(Record, context) : KdpReport(Record, context, FirstChance);

    *Context = *context;
    KiRestoreSpecial(special);
    if (frozen) {
        KeThawExecution();
    }
    KeRestoreInterrupts(enabled);
    return handled;
}

// From the clock interrupt.
extern "C" NOINLINE VOID KdCheckForDebugBreak(VOID) {
    if (KdPollBreakIn()) {
        DbgBreakPointWithStatus(DBG_STATUS_CONTROL_C);
    }
}

static KD_SYMBOLS_INFO KdpDescribeImage(PKLDR_DATA_TABLE_ENTRY Entry) {
    constexpr ULONG64 system_process_id = 4;
    return {KdExtendAddress(Entry->DllBase), system_process_id, Entry->CheckSum, Entry->SizeOfImage};
}

extern "C" NOINLINE VOID DbgLoadImageSymbols(PCSTR Path, PKLDR_DATA_TABLE_ENTRY Entry) {
    KD_SYMBOLS_INFO info = KdpDescribeImage(Entry);
    DebugService2(const_cast<PCHAR>(Path), reinterpret_cast<ULONG_PTR>(&info), BREAKPOINT_LOAD_SYMBOLS);
}

extern "C" NOINLINE VOID DbgUnLoadImageSymbols(PCSTR Path, PKLDR_DATA_TABLE_ENTRY Entry) {
    KD_SYMBOLS_INFO info = KdpDescribeImage(Entry);
    DebugService2(const_cast<PCHAR>(Path), reinterpret_cast<ULONG_PTR>(&info), BREAKPOINT_UNLOAD_SYMBOLS);
}

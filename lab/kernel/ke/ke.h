// Private declarations of the kernel proper (ke/):
//   init.cpp        order of start
//   freeze.cpp      the other processors while one is in the debugger
//   thread.cpp      ready queues, switching, waiting
//   clock.cpp       tick, timers, system time          dpc.cpp    deferred procedure calls
//   debug.cpp       the way of an exception to the debugger and of prints and image reports
//   kdblock.cpp     the blocks through which a debugger finds its way
//   amd64/, i386/   what knows the processor: entries, contexts, tables
//   pc/             what knows the machine around it: interrupt controllers, timers, reset
#pragma once

#ifdef _M_IX86
#include "i386/cpu.h"
#else
#include "amd64/cpu.h"
#endif

constexpr ULONG KiClockFrequency = 100;                             // ticks a second
constexpr ULONG64 KiClockIncrement = 10'000'000 / KiClockFrequency; // in units of 100 ns
constexpr SCHAR KiThreadQuantum = 3;                                // ticks
constexpr KPRIORITY KiLowestPriority = 0;
constexpr KPRIORITY KiNormalPriority = 8;
constexpr KPRIORITY KiHighestPriority = 31;

inline VOID InitializeListHead(PLIST_ENTRY Head) {
    Head->Flink = Head->Blink = Head;
}

inline BOOLEAN IsListEmpty(const LIST_ENTRY* Head) {
    return Head->Flink == Head;
}

inline VOID InsertTailList(PLIST_ENTRY Head, PLIST_ENTRY Entry) {
    Entry->Flink = Head;
    Entry->Blink = Head->Blink;
    Head->Blink->Flink = Entry;
    Head->Blink = Entry;
}

inline VOID InsertHeadList(PLIST_ENTRY Head, PLIST_ENTRY Entry) {
    InsertTailList(Head->Flink, Entry);
}

inline VOID RemoveEntryList(PLIST_ENTRY Entry) {
    Entry->Blink->Flink = Entry->Flink;
    Entry->Flink->Blink = Entry->Blink;
}

inline PLIST_ENTRY RemoveHeadList(PLIST_ENTRY Head) {
    PLIST_ENTRY entry = Head->Flink;
    RemoveEntryList(entry);
    return entry;
}

extern "C" {
// amd64, i386, pc
VOID KiInitializeBootProcessor(VOID); // processor block, descriptor tables
VOID HalInitializeProcessor(VOID);    // interrupt controllers and the clock, still masked by IRQL
VOID HalInitializeLocalApic(VOID);    // of the current processor
ULONG HalReadLocalApic(ULONG Register);
VOID HalWriteLocalApic(ULONG Register, ULONG Value);
VOID HalRequestSoftwareInterrupt(KIRQL Irql);
ULONG HalQueryProcessorCount(VOID);
VOID HalStartProcessor(ULONG Processor, ULONG_PTR StartPage);
VOID HalRequestIpi(ULONG Processor, ULONG Vector);
VOID HalRequestNmi(ULONG Processor);
VOID KeStartAllProcessors(VOID); // the others; one that does not come is told in a print
VOID HalEndSystemInterrupt(VOID);
VOID HalSetTaskPriority(UCHAR Priority); // of the interrupt controller; vectors of its class and below wait
LONGLONG HalQueryRealTimeClock(VOID);    // 100 ns since 1601
VOID KiSwapContext(PKTHREAD OldThread, PKTHREAD NewThread);
VOID KiStartSystemThread(VOID);
VOID KiInitializeContextThread(PKTHREAD Thread, PVOID StackTop, PVOID SystemRoutine, PVOID StartRoutine,
                               PVOID StartContext);
VOID RtlCaptureContext(PCONTEXT ContextRecord);
ULONG_PTR DebugService2(PVOID Argument1, ULONG_PTR Argument2, ULONG Service);
extern UCHAR KiBootStack[];
extern UCHAR KiBootStackTop[];

// Contexts from and to the frames of a trap.
VOID KeContextFromKframes(const KTRAP_FRAME* TrapFrame, const KEXCEPTION_FRAME* ExceptionFrame, PCONTEXT Context);
VOID KeContextToKframes(PKTRAP_FRAME TrapFrame, PKEXCEPTION_FRAME ExceptionFrame, const CONTEXT* Context);

// thread.cpp, clock.cpp, dpc.cpp
VOID KiInitializeScheduler(PKPRCB Prcb);
VOID KiStartScheduling(VOID); // until then only the first processor runs threads
VOID KeInitializeThread(PKTHREAD Thread, PKPROCESS Process, PVOID StackTop, PVOID StackLimit, PVOID SystemRoutine,
                        PVOID StartRoutine, PVOID StartContext, KPRIORITY Priority);
VOID KiReadyThread(PKTHREAD Thread);
DECLSPEC_NORETURN VOID KeTerminateThread(VOID);
VOID KeSetPriorityThread(PKTHREAD Thread, KPRIORITY Priority);
VOID KiQuantumEnd(VOID);
VOID KiDispatchInterrupt(VOID);
VOID KiRetireDpcList(PKPRCB Prcb);
VOID KiTimerExpiration(VOID);
VOID KiUnwaitThread(PKTHREAD Thread, LONG_PTR WaitStatus);
VOID KeClockInterruptNotify(PKTRAP_FRAME TrapFrame);
VOID KiInitializeSystemTime(VOID);
VOID KiPublishDumpHeader(VOID);   // to QEMU, for its dumps (amd64)
LONGLONG KeQuerySystemTime(VOID); // 100 ns since 1601
DECLSPEC_NORETURN VOID KiIdleLoop(VOID);
extern volatile ULONG64 KiInterruptTime;

// debug.cpp, kdblock.cpp
BOOLEAN KdTrap(PKTRAP_FRAME TrapFrame, PKEXCEPTION_FRAME ExceptionFrame, PEXCEPTION_RECORD64 Record, PCONTEXT Context,
               BOOLEAN FirstChance);
// Enters the debugger: when this returns the other processors stand. FALSE when this one was in it already.
BOOLEAN KeFreezeExecution(VOID);
VOID KeThawExecution(VOID);
BOOLEAN KiFreezeTargetExecution(PKTRAP_FRAME TrapFrame, PKEXCEPTION_FRAME ExceptionFrame);
extern KSPIN_LOCK KiDispatcherLock; // lists of threads
VOID KdInitializeBlocks(VOID);
VOID KdCheckForDebugBreak(VOID);
VOID DbgLoadImageSymbols(PCSTR Path, PKLDR_DATA_TABLE_ENTRY Entry);
VOID DbgUnLoadImageSymbols(PCSTR Path, PKLDR_DATA_TABLE_ENTRY Entry);

// mm, ps: called once by start
VOID MmInitSystem(VOID);
VOID MmFreeLoaderMemory(VOID); // the INIT section of the kernel, and the low mapping of the loader
VOID MmInitializeSharedData(VOID);
VOID MmSetActiveProcessors(ULONG Count); // shown to everybody
NTSTATUS MmAccessFault(ULONG_PTR FaultCode, ULONG_PTR Address, PKTRAP_FRAME TrapFrame);
VOID PsInitSystem(VOID);
VOID MmInitializeLoadedModuleList(VOID);
VOID Phase1Initialization(PVOID Context);
VOID PspStartBackground(VOID);
PKLDR_DATA_TABLE_ENTRY MiFindModule(PCSTR FileName);
}

// The tick and what follows from it: system time, quantum, timers. KUSER_SHARED_DATA shows the times to everybody.
#include "ke.h"

extern "C" {
volatile ULONG64 KeTickCount;
volatile ULONG64 KiInterruptTime; // 100 ns since start
ULONG KeTimeIncrement = static_cast<ULONG>(KiClockIncrement);
LIST_ENTRY KiTimerListHead = {&KiTimerListHead, &KiTimerListHead};
KDPC KiTimerExpireDpc;
KSPIN_LOCK KiTimerLock; // the list of timers; with interrupts off
LONGLONG KeBootTime;    // 100 ns since 1601
}

typedef struct _KUSER_SHARED_DATA KUSER_SHARED_DATA;
typedef struct _KSYSTEM_TIME KSYSTEM_TIME;

static KUSER_SHARED_DATA* const SharedUserData = reinterpret_cast<KUSER_SHARED_DATA*>(LAB_SHARED_DATA);

// Readers take the time when both upper halves agree, so these are written around the lower one.
static VOID KiWriteTime(KSYSTEM_TIME* Time, LONGLONG Value) {
    volatile KSYSTEM_TIME* time = Time;
    time->High2Time = static_cast<LONG>(Value >> 32);
    time->LowPart = static_cast<ULONG>(Value);
    time->High1Time = static_cast<LONG>(Value >> 32);
}

static VOID KiTimerExpireRoutine(PKDPC, PVOID, PVOID, PVOID) {
    KiTimerExpiration();
}

extern "C" VOID KiInitializeSystemTime(VOID) {
    KeInitializeDpc(&KiTimerExpireDpc, KiTimerExpireRoutine, nullptr);
    KeBootTime = HalQueryRealTimeClock();
    KiWriteTime(&SharedUserData->SystemTime, KeBootTime);
}

extern "C" LONGLONG KeQuerySystemTime(VOID) {
    return KeBootTime + static_cast<LONGLONG>(KiInterruptTime);
}

static BOOLEAN KiIsTimerDue(LONGLONG Now) {
    KxAcquireSpinLock(&KiTimerLock);
    BOOLEAN due = !IsListEmpty(&KiTimerListHead) &&
                  CONTAINING_RECORD(KiTimerListHead.Flink, KTIMER, TimerListEntry)->DueTime.QuadPart <= Now;
    KxReleaseSpinLock(&KiTimerLock);
    return due;
}

// What the clock's interrupt means for the processor's own thread.
static VOID KiUpdateRunTime(PKPRCB Prcb) {
    PKTHREAD thread = Prcb->CurrentThread;
    thread->KernelTime++;
    if (thread != Prcb->IdleThread && --thread->Quantum <= 0) {
        Prcb->QuantumEnd = TRUE;
        HalRequestSoftwareInterrupt(DISPATCH_LEVEL);
    }
    (Prcb->DpcRoutineActive ? Prcb->DpcTime : Prcb->KernelTime)++;
}

// The clock interrupts the first processor, which keeps the time and passes the interrupt on to the others.
extern "C" NOINLINE VOID KeClockInterruptNotify(PKTRAP_FRAME) {
    PKPRCB prcb = KeGetCurrentPrcb();
    if (prcb->Number != 0) {
        KiUpdateRunTime(prcb);
        return;
    }
    KeTickCount = KeTickCount + 1;
    KiInterruptTime = KiInterruptTime + KiClockIncrement;
    LONGLONG now = static_cast<LONGLONG>(KiInterruptTime);
    KiWriteTime(&SharedUserData->InterruptTime, now);
    KiWriteTime(&SharedUserData->SystemTime, KeBootTime + now);
    KiWriteTime(&SharedUserData->TickCount, static_cast<LONGLONG>(KeTickCount));
    SharedUserData->TickCountLowDeprecated = static_cast<ULONG>(KeTickCount);

    if (KiIsTimerDue(now)) {
        KeInsertQueueDpc(&KiTimerExpireDpc, nullptr, nullptr);
    }
    KiUpdateRunTime(prcb);
    KdCheckForDebugBreak();
}

static BOOLEAN KiLockTimers(VOID) {
    BOOLEAN enabled = KeDisableInterrupts();
    KxAcquireSpinLock(&KiTimerLock);
    return enabled;
}

static VOID KiUnlockTimers(BOOLEAN Enable) {
    KxReleaseSpinLock(&KiTimerLock);
    KeRestoreInterrupts(Enable);
}

// Sorted by due time. The lock is held.
static VOID KiInsertTimer(PKTIMER Timer) {
    PLIST_ENTRY entry = KiTimerListHead.Blink;
    while (entry != &KiTimerListHead &&
           CONTAINING_RECORD(entry, KTIMER, TimerListEntry)->DueTime.QuadPart > Timer->DueTime.QuadPart) {
        entry = entry->Blink;
    }
    InsertHeadList(entry, &Timer->TimerListEntry);
    Timer->Inserted = TRUE;
}

static BOOLEAN KiRemoveTimer(PKTIMER Timer) {
    if (!Timer->Inserted) {
        return FALSE;
    }
    RemoveEntryList(&Timer->TimerListEntry);
    Timer->Inserted = FALSE;
    return TRUE;
}

extern "C" NTKERNELAPI VOID KeInitializeTimer(PKTIMER Timer) {
    constexpr UCHAR timer_notification_object = 8;
    memset(Timer, 0, sizeof(*Timer));
    Timer->Header.Type = timer_notification_object;
    InitializeListHead(&Timer->Header.WaitListHead);
}

extern "C" NTKERNELAPI BOOLEAN KeSetTimerEx(PKTIMER Timer, LARGE_INTEGER DueTime, LONG Period, PKDPC Dpc) {
    BOOLEAN enabled = KiLockTimers();
    BOOLEAN was_set = KiRemoveTimer(Timer);
    LONGLONG now = static_cast<LONGLONG>(KiInterruptTime);
    Timer->Header.SignalState = 0;
    Timer->DueTime.QuadPart = DueTime.QuadPart < 0 ? now - DueTime.QuadPart : DueTime.QuadPart - KeBootTime;
    Timer->Period = static_cast<ULONG>(Period);
    Timer->Dpc = Dpc;
    KiInsertTimer(Timer);
    KiUnlockTimers(enabled);
    return was_set;
}

extern "C" NTKERNELAPI BOOLEAN KeCancelTimer(PKTIMER Timer) {
    BOOLEAN enabled = KiLockTimers();
    BOOLEAN was_set = KiRemoveTimer(Timer);
    KiUnlockTimers(enabled);
    return was_set;
}

// Takes the timers off the list that are due: their deferred calls are queued and the threads that wait for them become
// ready. At DISPATCH_LEVEL.
extern "C" NOINLINE VOID KiTimerExpiration(VOID) {
    constexpr LONGLONG Millisecond = 10'000;
    for (;;) {
        BOOLEAN enabled = KiLockTimers();
        PKTIMER timer =
            IsListEmpty(&KiTimerListHead) ? nullptr : CONTAINING_RECORD(KiTimerListHead.Flink, KTIMER, TimerListEntry);
        if (timer == nullptr || timer->DueTime.QuadPart > static_cast<LONGLONG>(KiInterruptTime)) {
            KiUnlockTimers(enabled);
            return;
        }
        KiRemoveTimer(timer);
        timer->Header.SignalState = 1;
        if (timer->Period != 0) {
            timer->DueTime.QuadPart += timer->Period * Millisecond;
            KiInsertTimer(timer);
        }
        PKDPC dpc = timer->Dpc;
        KiUnlockTimers(enabled);
        if (dpc != nullptr) {
            KeInsertQueueDpc(dpc, nullptr, nullptr);
        }
        while (!IsListEmpty(&timer->Header.WaitListHead)) {
            PLIST_ENTRY waiter = RemoveHeadList(&timer->Header.WaitListHead);
            KiUnwaitThread(CONTAINING_RECORD(waiter, KTHREAD, WaitListEntry), STATUS_SUCCESS);
        }
    }
}

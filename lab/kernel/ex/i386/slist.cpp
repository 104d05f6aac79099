// Sequenced singly linked lists, for use up to DISPATCH_LEVEL. That is also the highest level at which an entry of a
// paged list may be touched: its page may be absent.
#include "ki.h"
#include "lookaside.h"

static KSPIN_LOCK ExpSListLock;

extern "C" PSLIST_ENTRY FASTCALL ExpInterlockedPopEntrySList(PSLIST_HEADER ListHead) {
    KIRQL irql = KfRaiseIrql(DISPATCH_LEVEL);
    KxAcquireSpinLock(&ExpSListLock);
    PSLIST_ENTRY first = ListHead->Next;
    if (first != nullptr) {
        ListHead->Next = first->Next;
        ListHead->Depth--;
        ListHead->Sequence++;
    }
    KxReleaseSpinLock(&ExpSListLock);
    KeLowerIrql(irql);
    return first;
}

extern "C" PSLIST_ENTRY FASTCALL ExpInterlockedPushEntrySList(PSLIST_HEADER ListHead, PSLIST_ENTRY ListEntry) {
    KIRQL irql = KfRaiseIrql(DISPATCH_LEVEL);
    KxAcquireSpinLock(&ExpSListLock);
    PSLIST_ENTRY first = ListHead->Next;
    ListEntry->Next = first;
    ListHead->Next = ListEntry;
    ListHead->Depth++;
    ListHead->Sequence++;
    KxReleaseSpinLock(&ExpSListLock);
    KeLowerIrql(irql);
    return first;
}

extern "C" USHORT ExQueryDepthSList(PSLIST_HEADER ListHead) {
    return ListHead->Depth;
}

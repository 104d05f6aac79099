// Sequenced singly linked lists. Above every interrupt nothing comes between.
#include "ki.h"
#include "lookaside.h"

extern "C" PSLIST_ENTRY FASTCALL ExpInterlockedPopEntrySList(PSLIST_HEADER ListHead) {
    KIRQL irql = KfRaiseIrql(HIGH_LEVEL);
    PSLIST_ENTRY first = ListHead->Next;
    if (first != nullptr) {
        ListHead->Next = first->Next;
        ListHead->Depth--;
        ListHead->Sequence++;
    }
    KeLowerIrql(irql);
    return first;
}

extern "C" PSLIST_ENTRY FASTCALL ExpInterlockedPushEntrySList(PSLIST_HEADER ListHead, PSLIST_ENTRY ListEntry) {
    KIRQL irql = KfRaiseIrql(HIGH_LEVEL);
    PSLIST_ENTRY first = ListHead->Next;
    ListEntry->Next = first;
    ListHead->Next = ListEntry;
    ListHead->Depth++;
    ListHead->Sequence++;
    KeLowerIrql(irql);
    return first;
}

extern "C" USHORT ExQueryDepthSList(PSLIST_HEADER ListHead) {
    return ListHead->Depth;
}

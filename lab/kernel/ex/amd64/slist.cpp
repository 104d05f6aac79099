// Sequenced singly linked lists, for use up to DISPATCH_LEVEL. That is also the highest level at which an entry of a
// paged list may be touched: its page may be absent.
#include "ki.h"
#include "lookaside.h"

// _SLIST_HEADER: Alignment holds the depth (16 bits) and a sequence number (48 bits), Region the first entry's address.
constexpr ULONGLONG ExpSListDepthMask = 0xFFFF;
constexpr ULONGLONG ExpSListSequenceUnit = 0x10000;

static KSPIN_LOCK ExpSListLock;

extern "C" PSLIST_ENTRY FASTCALL ExpInterlockedPopEntrySList(PSLIST_HEADER ListHead) {
    KIRQL irql = KfRaiseIrql(DISPATCH_LEVEL);
    KxAcquireSpinLock(&ExpSListLock);
    PSLIST_ENTRY first = reinterpret_cast<PSLIST_ENTRY>(ListHead->Region);
    if (first != nullptr) {
        ListHead->Region = reinterpret_cast<ULONG_PTR>(first->Next);
        ListHead->Alignment = ListHead->Alignment - 1 + ExpSListSequenceUnit;
    }
    KxReleaseSpinLock(&ExpSListLock);
    KeLowerIrql(irql);
    return first;
}

extern "C" PSLIST_ENTRY FASTCALL ExpInterlockedPushEntrySList(PSLIST_HEADER ListHead, PSLIST_ENTRY ListEntry) {
    KIRQL irql = KfRaiseIrql(DISPATCH_LEVEL);
    KxAcquireSpinLock(&ExpSListLock);
    PSLIST_ENTRY first = reinterpret_cast<PSLIST_ENTRY>(ListHead->Region);
    ListEntry->Next = first;
    ListHead->Region = reinterpret_cast<ULONG_PTR>(ListEntry);
    ListHead->Alignment = ListHead->Alignment + 1 + ExpSListSequenceUnit;
    KxReleaseSpinLock(&ExpSListLock);
    KeLowerIrql(irql);
    return first;
}

extern "C" USHORT ExQueryDepthSList(PSLIST_HEADER ListHead) {
    return static_cast<USHORT>(ListHead->Alignment & ExpSListDepthMask);
}

// Blocks below a page. Every page starts with a block; BlockSize leads to the next, PreviousSize to the one before, and
// the last ends at the end of the page. Free blocks of two units and more hang on ListHeads[BlockSize] of their
// descriptor; a free block of one unit is a bare header and waits for a neighbour. Two free blocks are never adjacent.
#include "pool.h"

static PPOOL_HEADER ExpBlockAt(PPOOL_HEADER Header, LONG_PTR Units) {
    return reinterpret_cast<PPOOL_HEADER>(reinterpret_cast<PUCHAR>(Header) +
                                          Units * static_cast<LONG_PTR>(ExpPoolUnit));
}

static PLIST_ENTRY ExpLinks(PPOOL_HEADER Header) {
    return reinterpret_cast<PLIST_ENTRY>(ExpBlockAt(Header, 1));
}

static PPOOL_HEADER ExpHeaderOfLinks(PLIST_ENTRY Links) {
    return ExpBlockAt(reinterpret_cast<PPOOL_HEADER>(Links), -1);
}

static BOOLEAN ExpAtPageStart(const void* Address) {
    return (reinterpret_cast<ULONG_PTR>(Address) & (PAGE_SIZE - 1)) == 0;
}

// The block after Header, or null when Header ends its page.
static PPOOL_HEADER ExpNextBlock(PPOOL_HEADER Header) {
    PPOOL_HEADER next = ExpBlockAt(Header, Header->BlockSize);
    return ExpAtPageStart(next) ? nullptr : next;
}

static VOID ExpCheckLinks(PLIST_ENTRY Entry) {
    if (Entry->Flink->Blink != Entry || Entry->Blink->Flink != Entry) {
        KeBugCheckEx(BAD_POOL_HEADER, 3, reinterpret_cast<ULONG_PTR>(Entry),
                     reinterpret_cast<ULONG_PTR>(Entry->Flink->Blink),
                     reinterpret_cast<ULONG_PTR>(Entry->Blink->Flink));
    }
}

static VOID ExpUnlinkFree(PPOOL_HEADER Header) {
    if (Header->BlockSize < 2) {
        return;
    }
    PLIST_ENTRY links = ExpLinks(Header);
    ExpCheckLinks(links);
    links->Flink->Blink = links->Blink;
    links->Blink->Flink = links->Flink;
}

static VOID ExpLinkFree(PPOOL_DESCRIPTOR Descriptor, PPOOL_HEADER Header) {
    if (Header->BlockSize < 2) {
        return;
    }
    PLIST_ENTRY head = &Descriptor->ListHeads[Header->BlockSize];
    PLIST_ENTRY links = ExpLinks(Header);
    ExpCheckLinks(head);
    links->Flink = head->Flink;
    links->Blink = head;
    head->Flink->Blink = links;
    head->Flink = links;
}

static VOID ExpSetPlace(PPOOL_HEADER Header, PPOOL_DESCRIPTOR Descriptor, ULONG PreviousSize, ULONG BlockSize) {
    Header->PreviousSize = PreviousSize & ExpUnitMask;
    Header->BlockSize = BlockSize & ExpUnitMask;
    Header->PoolIndex = Descriptor->PoolIndex & 0x7F;
    Header->PoolType = 0;
    PPOOL_HEADER next = ExpNextBlock(Header);
    if (next != nullptr) {
        next->PreviousSize = BlockSize & ExpUnitMask;
    }
}

VOID ExpInitializeDescriptor(PPOOL_DESCRIPTOR Descriptor, ULONG PoolType, ULONG PoolIndex) {
    memset(Descriptor, 0, sizeof(*Descriptor));
    Descriptor->PoolType = static_cast<POOL_TYPE>(PoolType);
    Descriptor->PoolIndex = PoolIndex;
    for (ULONG i = 0; i < ExpUnitsPerPage; i++) {
        Descriptor->ListHeads[i].Flink = &Descriptor->ListHeads[i];
        Descriptor->ListHeads[i].Blink = &Descriptor->ListHeads[i];
    }
}

PPOOL_DESCRIPTOR ExpChooseDescriptor(BOOLEAN Paged) {
    static ULONG next;
    if (!Paged) {
        return PoolVector[0];
    }
    next = next % ExpNumberOfPagedPools + 1;
    return ExpPagedPoolDescriptor[next];
}

static PPOOL_DESCRIPTOR ExpDescriptorOf(PPOOL_HEADER Header) {
    if ((Header->PoolType & ExpPoolPaged) == 0) {
        return PoolVector[0];
    }
    if (Header->PoolIndex > ExpNumberOfPagedPools) {
        KeBugCheckEx(BAD_POOL_HEADER, 0x20, reinterpret_cast<ULONG_PTR>(Header),
                     reinterpret_cast<ULONG_PTR>(ExpBlockAt(Header, Header->BlockSize)), Header->Ulong1);
    }
    return ExpPagedPoolDescriptor[Header->PoolIndex];
}

// The smallest listed free block that holds Units, unlinked; null when there is none. The lock is held.
static PPOOL_HEADER ExpTakeListed(PPOOL_DESCRIPTOR Descriptor, ULONG Units) {
    for (ULONG size = Units; size < ExpUnitsPerPage; size++) {
        PLIST_ENTRY head = &Descriptor->ListHeads[size];
        if (head->Flink != head) {
            PPOOL_HEADER header = ExpHeaderOfLinks(head->Flink);
            ExpUnlinkFree(header);
            return header;
        }
    }
    return nullptr;
}

// Cuts Units out of a free, unlinked block: from its front when it starts the page, else from its end.
static PPOOL_HEADER ExpSplit(PPOOL_DESCRIPTOR Descriptor, PPOOL_HEADER Header, ULONG Available, ULONG Units) {
    ULONG previous = Header->PreviousSize;
    ULONG rest = Available - Units;
    if (rest == 0) {
        return Header;
    }
    if (ExpAtPageStart(Header)) {
        ExpSetPlace(ExpBlockAt(Header, static_cast<LONG_PTR>(Units)), Descriptor, Units, rest);
        ExpSetPlace(Header, Descriptor, 0, Units);
        ExpLinkFree(Descriptor, ExpBlockAt(Header, static_cast<LONG_PTR>(Units)));
        return Header;
    }
    PPOOL_HEADER taken = ExpBlockAt(Header, static_cast<LONG_PTR>(rest));
    ExpSetPlace(taken, Descriptor, rest, Units);
    ExpSetPlace(Header, Descriptor, previous, rest);
    ExpLinkFree(Descriptor, Header);
    return taken;
}

PPOOL_HEADER ExpAllocateBlock(PPOOL_DESCRIPTOR Descriptor, ULONG Units, ULONG PoolType, ULONG Tag) {
    KIRQL irql = KeAcquireSpinLockRaiseToDpc(&Descriptor->NonPagedLock);
    PPOOL_HEADER header = ExpTakeListed(Descriptor, Units);
    if (header != nullptr) {
        header = ExpSplit(Descriptor, header, header->BlockSize, Units);
    } else {
        PVOID page = MiAllocatePoolPages((PoolType & ExpPoolPaged) != 0, 1);
        if (page == nullptr) {
            KeReleaseSpinLock(&Descriptor->NonPagedLock, irql);
            return nullptr;
        }
        ExpCountPages(Descriptor, 1, FALSE);
        header = static_cast<PPOOL_HEADER>(page);
        header->Ulong1 = 0;
        header = ExpSplit(Descriptor, header, ExpUnitsPerPage, Units);
    }
    header->PoolType = ((PoolType & ExpPoolKeptBits) | ExpPoolInUse) & 0x7F;
    header->PoolTag = Tag;
#ifndef _M_IX86
    header->ProcessBilled = nullptr; // there it would be the tag
#endif
    ExpCountBlock(Descriptor, Units * ExpPoolUnit, 0, FALSE);
    KeReleaseSpinLock(&Descriptor->NonPagedLock, irql);
    return header;
}

VOID ExpCheckLiveBlock(PPOOL_HEADER Header) {
    ULONG_PTR block = reinterpret_cast<ULONG_PTR>(Header);
    if ((Header->PoolType & ExpPoolInUse) == 0) {
        KeBugCheckEx(BAD_POOL_CALLER, 7, 0, Header->Ulong1, block + ExpPoolUnit);
    }
    ULONG offset = static_cast<ULONG>(block & (PAGE_SIZE - 1)) / static_cast<ULONG>(ExpPoolUnit);
    PPOOL_HEADER next = ExpBlockAt(Header, Header->BlockSize);
    if (Header->BlockSize == 0 || offset + Header->BlockSize > ExpUnitsPerPage) {
        KeBugCheckEx(BAD_POOL_HEADER, 0x20, block, reinterpret_cast<ULONG_PTR>(next), Header->Ulong1);
    }
    if (!ExpAtPageStart(next) && next->PreviousSize != Header->BlockSize) {
        KeBugCheckEx(BAD_POOL_HEADER, 0x20, block, reinterpret_cast<ULONG_PTR>(next), Header->Ulong1);
    }
    if (Header->PreviousSize > offset || (Header->PreviousSize == 0) != (offset == 0)) {
        KeBugCheckEx(BAD_POOL_HEADER, 6, block, Header->PreviousSize, Header->Ulong1);
    }
    PPOOL_HEADER previous = ExpBlockAt(Header, -static_cast<LONG_PTR>(Header->PreviousSize));
    if (previous != Header && previous->BlockSize != Header->PreviousSize) {
        KeBugCheckEx(BAD_POOL_HEADER, 5, reinterpret_cast<ULONG_PTR>(previous), block, Header->Ulong1);
    }
}

VOID ExpFreeBlock(PPOOL_HEADER Header) {
    PPOOL_DESCRIPTOR descriptor = ExpDescriptorOf(Header);
    KIRQL irql = KeAcquireSpinLockRaiseToDpc(&descriptor->NonPagedLock);
    ExpCountBlock(descriptor, Header->BlockSize * ExpPoolUnit, 0, TRUE);
    Header->PoolType = 0;

    PPOOL_HEADER start = Header;
    ULONG units = Header->BlockSize;
    PPOOL_HEADER next = ExpNextBlock(Header);
    if (next != nullptr && next->PoolType == 0) {
        ExpUnlinkFree(next);
        units += next->BlockSize;
    }
    if (Header->PreviousSize != 0) {
        PPOOL_HEADER previous = ExpBlockAt(Header, -static_cast<LONG_PTR>(Header->PreviousSize));
        if (previous->PoolType == 0) {
            ExpUnlinkFree(previous);
            units += previous->BlockSize;
            start = previous;
        }
    }
    if (units == ExpUnitsPerPage) {
        ExpCountPages(descriptor, 1, TRUE);
        MiFreePoolPages(start);
    } else {
        ExpSetPlace(start, descriptor, start->PreviousSize, units);
        ExpLinkFree(descriptor, start);
    }
    KeReleaseSpinLock(&descriptor->NonPagedLock, irql);
}

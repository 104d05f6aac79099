// Address space in pages, first fit from a moving start. Bits beyond the region are never looked at.
#include "mm.h"

constexpr ULONG BitsPerUlong = 32;

static BOOLEAN MiTestBit(const RTL_BITMAP* Map, SIZE_T Bit) {
    return (Map->Buffer[Bit / BitsPerUlong] >> (Bit % BitsPerUlong) & 1) != 0;
}

static VOID MiSetBit(RTL_BITMAP* Map, SIZE_T Bit) {
    Map->Buffer[Bit / BitsPerUlong] |= 1u << (Bit % BitsPerUlong);
}

static VOID MiClearBit(RTL_BITMAP* Map, SIZE_T Bit) {
    Map->Buffer[Bit / BitsPerUlong] &= ~(1u << (Bit % BitsPerUlong));
}

VOID MiInitializeRegion(MI_REGION* Region, ULONG_PTR Base, ULONG Pages, RTL_BITMAP* Allocation, RTL_BITMAP* End,
                        PULONG Bits) {
    Region->Base = Base;
    Region->Pages = Pages;
    Region->Hint = 0;
    Region->Allocation = Allocation;
    Region->EndOfAllocation = End;
    Allocation->SizeOfBitMap = End->SizeOfBitMap = Pages;
    Allocation->Buffer = Bits;
    End->Buffer = Bits + Pages / BitsPerUlong;
    if (!MiShareTables(Base, Pages)) {
        KeBugCheckEx(PHASE1_INITIALIZATION_FAILED, 0, 0, 0, 3);
    }
}

// The first of Pages free pages in a row between First and Last; Last when there are none.
static SIZE_T MiFindFreeRun(const MI_REGION* Region, SIZE_T First, SIZE_T Last, SIZE_T Pages) {
    SIZE_T run = 0;
    for (SIZE_T page = First; page < Last;) {
        if (page % BitsPerUlong == 0 && Region->Allocation->Buffer[page / BitsPerUlong] == ~0u) {
            run = 0;
            page += BitsPerUlong;
            continue;
        }
        run = MiTestBit(Region->Allocation, page) ? 0 : run + 1;
        page++;
        if (run == Pages) {
            return page - Pages;
        }
    }
    return Last;
}

PVOID MiAllocateRegion(MI_REGION* Region, SIZE_T Pages) {
    if (Pages == 0 || Pages > Region->Pages) {
        return nullptr;
    }
    KIRQL irql = MiLock();
    SIZE_T first = MiFindFreeRun(Region, Region->Hint, Region->Pages, Pages);
    if (first == Region->Pages) {
        first = MiFindFreeRun(Region, 0, Region->Pages, Pages);
    }
    PVOID address = nullptr;
    if (first != Region->Pages) {
        for (SIZE_T i = 0; i < Pages; i++) {
            MiSetBit(Region->Allocation, first + i);
        }
        MiSetBit(Region->EndOfAllocation, first + Pages - 1);
        Region->Hint = static_cast<ULONG>(first + Pages);
        address = reinterpret_cast<PVOID>(Region->Base + first * PAGE_SIZE);
    }
    MiUnlock(irql);
    return address;
}

SIZE_T MiFreeRegion(MI_REGION* Region, PVOID Base) {
    SIZE_T first = (reinterpret_cast<ULONG_PTR>(Base) - Region->Base) / PAGE_SIZE;
    KIRQL irql = MiLock();
    SIZE_T count = 0;
    BOOLEAN starts =
        first < Region->Pages && MiTestBit(Region->Allocation, first) &&
        (first == 0 || !MiTestBit(Region->Allocation, first - 1) || MiTestBit(Region->EndOfAllocation, first - 1));
    while (starts && first + count < Region->Pages) {
        SIZE_T page = first + count++;
        MiClearBit(Region->Allocation, page);
        if (MiTestBit(Region->EndOfAllocation, page)) {
            MiClearBit(Region->EndOfAllocation, page);
            break;
        }
    }
    if (count != 0 && first < Region->Hint) {
        Region->Hint = static_cast<ULONG>(first);
    }
    MiUnlock(irql);
    return count;
}

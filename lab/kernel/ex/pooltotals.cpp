// What a descriptor tells of its pool as a whole: until Windows 8.1 what is there now, from 10 on what was ever given
// out and what came back. The caller holds the descriptor's lock.
#include "pool.h"

#if LAB_ERA == 7

VOID ExpCountPages(PPOOL_DESCRIPTOR Descriptor, SIZE_T Pages, BOOLEAN Free) {
    LONG change = static_cast<LONG>(Pages);
    Descriptor->TotalPages += Free ? -change : change;
}

VOID ExpCountBlock(PPOOL_DESCRIPTOR Descriptor, SIZE_T Bytes, SIZE_T BigPages, BOOLEAN Free) {
    LONG pages = static_cast<LONG>(BigPages);
    (Free ? Descriptor->RunningDeAllocs : Descriptor->RunningAllocs)++;
    Descriptor->TotalBigPages += Free ? -pages : pages;
    Descriptor->TotalBytes += Free ? SIZE_T(0) - Bytes : Bytes;
}

#else

VOID ExpCountPages(PPOOL_DESCRIPTOR Descriptor, SIZE_T Pages, BOOLEAN Free) {
    (Free ? Descriptor->PagesDeallocated : Descriptor->PagesAllocated) += Pages;
}

VOID ExpCountBlock(PPOOL_DESCRIPTOR Descriptor, SIZE_T Bytes, SIZE_T BigPages, BOOLEAN Free) {
    (Free ? Descriptor->RunningDeAllocs : Descriptor->RunningAllocs)++;
    (Free ? Descriptor->BigPagesDeallocated : Descriptor->BigPagesAllocated) += BigPages;
    (Free ? Descriptor->BytesDeallocated : Descriptor->BytesAllocated) += Bytes;
}

#endif

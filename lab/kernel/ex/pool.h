// Private declarations of the pool allocator (see the files beside this one):
//   pool.cpp          initialization, ExAllocatePool*, ExFreePool*
//   poolblock.cpp     blocks below a page: headers, page-internal free lists, split and merge
//   pooltrack.cpp     tag counters: global table, per-processor tables, expansion table
//   pooltotals.cpp    sums in the descriptors
//   poolbig.cpp       table of allocations of a page and more
//   lookaside.cpp     lookaside lists of drivers
#pragma once

#include "ki.h"
#include "nt.h"

typedef struct _LIST_ENTRY LIST_ENTRY, *PLIST_ENTRY;
typedef struct _POOL_HEADER POOL_HEADER, *PPOOL_HEADER;
typedef struct _POOL_DESCRIPTOR POOL_DESCRIPTOR, *PPOOL_DESCRIPTOR;
typedef struct _POOL_TRACKER_TABLE POOL_TRACKER_TABLE, *PPOOL_TRACKER_TABLE;
typedef struct _POOL_TRACKER_BIG_PAGES POOL_TRACKER_BIG_PAGES, *PPOOL_TRACKER_BIG_PAGES;

// BlockSize and PreviousSize count units of 16 bytes, on x86 of 8, and include the header of one unit.
constexpr SIZE_T ExpPoolUnit = sizeof(POOL_HEADER);
constexpr ULONG ExpUnitsPerPage = PAGE_SIZE / ExpPoolUnit;
constexpr ULONG ExpUnitMask = ExpUnitsPerPage - 1; // what BlockSize can name
// The largest block leaves a unit of its page: requests above go to the page allocator.
constexpr SIZE_T ExpLargestSmallRequest = PAGE_SIZE - 2 * ExpPoolUnit;

// _POOL_HEADER.PoolType: 0 in a free block, else the kept bits of the caller's pool type with the in-use bit.
constexpr ULONG ExpPoolInUse = 0x02;
constexpr ULONG ExpPoolKeptBits = 0x6D;
constexpr ULONG ExpPoolPaged = 0x01;

constexpr ULONG PROTECTED_POOL_BIT = 0x80000000;
constexpr ULONG ExpPagedPools = 2; // numbered from 1; number 0 is kept for the memory manager, as in NT
constexpr ULONG ExpProcessors = 64;

constexpr ULONG ExpTag(char a, char b, char c, char d) {
    return static_cast<ULONG>(a) | static_cast<ULONG>(b) << 8 | static_cast<ULONG>(c) << 16 |
           static_cast<ULONG>(d) << 24;
}

constexpr ULONG ExpTagPool = ExpTag('P', 'o', 'o', 'l'); // the tables themselves
constexpr ULONG ExpTagOverflow = ExpTag('O', 'v', 'f', 'l');
constexpr ULONG ExpTagNone = ExpTag('N', 'o', 'n', 'e');

// Bug check codes and the first parameters used here.
constexpr ULONG BAD_POOL_HEADER = 0x19;
constexpr ULONG BAD_POOL_CALLER = 0xC2;

extern "C" {
extern PPOOL_TRACKER_TABLE PoolTrackTable;
extern SIZE_T PoolTrackTableSize; // elements; a power of two and one more
extern SIZE_T PoolTrackTableMask;
extern PPOOL_TRACKER_TABLE PoolTrackTableExpansion;
extern SIZE_T PoolTrackTableExpansionSize;
extern PPOOL_TRACKER_TABLE ExPoolTagTables[ExpProcessors];
extern PPOOL_TRACKER_BIG_PAGES PoolBigPageTable;
extern SIZE_T PoolBigPageTableSize; // elements; a power of two
extern SIZE_T ExpPoolBigEntriesInUse;
extern ULONG PoolHitTag;
extern ULONG ExpPoolFlags;
extern POOL_DESCRIPTOR NonPagedPoolDescriptor;
extern PPOOL_DESCRIPTOR PoolVector[2];
extern PPOOL_DESCRIPTOR ExpNonPagedPoolDescriptor[1];
extern ULONG ExpNumberOfNonPagedPools;
extern PPOOL_DESCRIPTOR ExpPagedPoolDescriptor[ExpPagedPools + 1];
extern ULONG ExpNumberOfPagedPools;
extern ULONG_PTR ExpTaggedPoolLock;
extern ULONG_PTR ExpLargePoolTableLock;
}

// The tables at start; boot options change each of these: `tracker`, `expansion`, `bigpages`, `tagtables`,
// `bigtypes`.
struct EXP_POOL_GEOMETRY {
    SIZE_T TrackerEntries;      // a power of two; the table gets one more
    SIZE_T ExpansionLimitPages; // the expansion table never grows beyond
    SIZE_T BigPageEntries;      // a power of two
    BOOLEAN ProcessorTables;    // else all count in the global table, as on ReactOS
    BOOLEAN BigPoolFlags;       // big pages are described by POOL_FLAGS, not by POOL_TYPE
};

// Sets up everything; tagging decides whether tag counters are kept until the next start.
VOID ExpInitializePool(const EXP_POOL_GEOMETRY& Geometry, BOOLEAN Tagging);

// pooltotals.cpp -----------------------------------------------------------------------------------------------------
VOID ExpCountPages(PPOOL_DESCRIPTOR Descriptor, SIZE_T Pages, BOOLEAN Free);
VOID ExpCountBlock(PPOOL_DESCRIPTOR Descriptor, SIZE_T Bytes, SIZE_T BigPages, BOOLEAN Free);

// poolblock.cpp ------------------------------------------------------------------------------------------------------
VOID ExpInitializeDescriptor(PPOOL_DESCRIPTOR Descriptor, ULONG PoolType, ULONG PoolIndex);
PPOOL_DESCRIPTOR ExpChooseDescriptor(BOOLEAN Paged);

// Takes a block of Units units (header included) with its header written; null when no page is left.
PPOOL_HEADER ExpAllocateBlock(PPOOL_DESCRIPTOR Descriptor, ULONG Units, ULONG PoolType, ULONG Tag);

// Stops the machine when Header is no live block or contradicts its neighbours.
VOID ExpCheckLiveBlock(PPOOL_HEADER Header);

// Gives a checked block back, merged with free neighbours; a page that is free as a whole leaves the pool.
VOID ExpFreeBlock(PPOOL_HEADER Header);

// pooltrack.cpp ------------------------------------------------------------------------------------------------------
VOID ExpInitializeTracker(const EXP_POOL_GEOMETRY& Geometry);
VOID ExpInsertPoolTracker(ULONG Tag, SIZE_T Bytes, BOOLEAN Paged);
VOID ExpRemovePoolTracker(ULONG Tag, SIZE_T Bytes, BOOLEAN Paged);

// poolbig.cpp --------------------------------------------------------------------------------------------------------
VOID ExpInitializeBigPages(SIZE_T Entries, BOOLEAN PoolFlags);
BOOLEAN ExpAddTagForBigPages(PVOID Va, ULONG Tag, SIZE_T Bytes, SIZE_T Slush, ULONG PoolType);
// Copies the entry of Va; with Remove it becomes history (bit 0 of its address set). FALSE when Va is not in use.
BOOLEAN ExpFindTagForBigPages(PVOID Va, BOOLEAN Remove, PPOOL_TRACKER_BIG_PAGES Entry);

// Stops the machine when something was written behind what the caller of an allocation had asked for.
VOID ExpCheckSlush(PVOID P, PPOOL_TRACKER_BIG_PAGES Entry);

SIZE_T ExpRoundToPages(SIZE_T Bytes);

// What the practice drivers share: a fixed random sequence, plans of block sizes that sum to an exact number, and the
// list on which a driver keeps its blocks. Everything is deterministic: each boot allocates the same.
#pragma once

#include "nt.h"

typedef struct _UNICODE_STRING UNICODE_STRING, *PUNICODE_STRING;

constexpr SIZE_T DRIVER_UNIT = 2 * sizeof(PVOID); // pool hands out multiples of it, one for the header included
constexpr LONGLONG DRIVER_TICK = -100000;         // relative time of 10 ms

// One character a byte, in the order in which the tag lies in memory.
constexpr ULONG DriverTag(const char (&Text)[5]) {
    ULONG tag = 0;
    for (ULONG i = 4; i-- > 0;) {
        tag = tag << 8 | static_cast<UCHAR>(Text[i]);
    }
    return tag;
}

struct DRIVER_RANDOM {
    ULONG State;
};

// The next number of the sequence, below Limit.
inline ULONG DriverRandom(DRIVER_RANDOM* Random, ULONG Limit) {
    Random->State = Random->State * 1664525 + 1013904223;
    return static_cast<ULONG>(static_cast<ULONGLONG>(Random->State >> 8) * Limit >> 24);
}

// Blocks still to be allocated and the units (of the pool, or pages) that they must sum to.
struct SIZE_PLAN {
    ULONG Blocks;
    ULONG Units;
    ULONG Smallest; // units of a block, and how far one lies off the mean at most
    ULONG Spread;
    DRIVER_RANDOM Random;
};

// The units of the next block. The last one takes what is left, so that the sum is exact.
inline ULONG PlanNext(SIZE_PLAN* Plan) {
    ULONG units = Plan->Units;
    if (Plan->Blocks > 1) {
        ULONG mean = Plan->Units / Plan->Blocks;
        units = mean + DriverRandom(&Plan->Random, 2 * Plan->Spread + 1);
        units = units > Plan->Spread + Plan->Smallest ? units - Plan->Spread : Plan->Smallest;
        ULONG reserved = (Plan->Blocks - 1) * Plan->Smallest;
        if (units > Plan->Units - reserved) {
            units = Plan->Units - reserved;
        }
    }
    Plan->Blocks--;
    Plan->Units -= units;
    return units;
}

// A request that the pool serves with Units units, header included; not always the largest such.
inline SIZE_T RequestForUnits(ULONG Units, DRIVER_RANDOM* Random) {
    return (Units - 1) * DRIVER_UNIT - DriverRandom(Random, DRIVER_UNIT);
}

// A request that the pool serves with Pages whole pages (two or more).
inline SIZE_T RequestForPages(ULONG Pages, DRIVER_RANDOM* Random) {
    return Pages * SIZE_T(PAGE_SIZE) - DriverRandom(Random, PAGE_SIZE / 2);
}

// The request that the pool serves with so many bytes, header included.
constexpr SIZE_T RequestForBytes(SIZE_T Bytes) {
    return Bytes - DRIVER_UNIT;
}

// What the pool's tag counters count for a request.
inline SIZE_T TrackedBytes(SIZE_T Request) {
    if (Request > PAGE_SIZE - 2 * DRIVER_UNIT) {
        return (Request + PAGE_SIZE - 1) & ~SIZE_T(PAGE_SIZE - 1);
    }
    return (Request + 2 * DRIVER_UNIT - 1) & ~(DRIVER_UNIT - 1);
}

// A driver's blocks, last in first out. The link lies in the first bytes of the block.
struct BLOCK_LIST {
    PVOID First;
};

inline VOID PushBlock(BLOCK_LIST* List, PVOID Block) {
    *static_cast<PVOID*>(Block) = List->First;
    List->First = Block;
}

inline PVOID PopBlock(BLOCK_LIST* List) {
    PVOID block = List->First;
    if (block != nullptr) {
        List->First = *static_cast<PVOID*>(block);
    }
    return block;
}

// Outstanding blocks of a site that balances: a new one comes in, the oldest goes out.
constexpr ULONG BLOCK_RING_SIZE = 32;

struct BLOCK_RING {
    PVOID Blocks[BLOCK_RING_SIZE];
    ULONG Next;
};

// Stores Block and returns the oldest, which the caller frees; null while the ring fills.
inline PVOID RingExchange(BLOCK_RING* Ring, PVOID Block) {
    PVOID oldest = Ring->Blocks[Ring->Next];
    Ring->Blocks[Ring->Next] = Block;
    Ring->Next = (Ring->Next + 1) % BLOCK_RING_SIZE;
    return oldest;
}

// The executive's part of start: the pool, with the sizes that the boot options name.
#include "pool.h"

constexpr SIZE_T ExDefaultTrackerEntries = 1024;
constexpr SIZE_T ExDefaultExpansionPages = 4;
constexpr SIZE_T ExDefaultBigPageEntries = 256;
constexpr SIZE_T ExLargestTable = 1 << 16;
constexpr ULONG FLG_POOL_ENABLE_TAGGING = 0x400;

// A decimal boot option, or Default when it is absent, no number, or too large.
static SIZE_T ExReadSizeOption(PCSTR Name, SIZE_T Default) {
    CHAR text[16];
    if (!KeGetBootOption(Name, text, sizeof(text)) || text[0] == '\0') {
        return Default;
    }
    SIZE_T value = 0;
    for (PCSTR digit = text; *digit != '\0'; digit++) {
        if (*digit < '0' || *digit > '9') {
            return Default;
        }
        value = value * 10 + static_cast<SIZE_T>(*digit - '0');
    }
    return value <= ExLargestTable ? value : Default;
}

// Tables are indexed by masking a hash, so their sizes must be powers of two.
static SIZE_T ExPowerOfTwo(SIZE_T Value, SIZE_T Default) {
    return Value != 0 && (Value & (Value - 1)) == 0 ? Value : Default;
}

extern "C" VOID ExInitSystem(VOID) {
    EXP_POOL_GEOMETRY geometry;
    geometry.TrackerEntries =
        ExPowerOfTwo(ExReadSizeOption("tracker", ExDefaultTrackerEntries), ExDefaultTrackerEntries);
    geometry.ExpansionLimitPages = ExReadSizeOption("expansion", ExDefaultExpansionPages);
    geometry.BigPageEntries =
        ExPowerOfTwo(ExReadSizeOption("bigpages", ExDefaultBigPageEntries), ExDefaultBigPageEntries);
    geometry.ProcessorTables = KeBootOptionIs("tagtables", "on", TRUE);
    geometry.BigPoolFlags = KeBootOptionIs("bigtypes", "flags", FALSE);
    ExpInitializePool(geometry, (NtGlobalFlag & FLG_POOL_ENABLE_TAGGING) != 0);
}

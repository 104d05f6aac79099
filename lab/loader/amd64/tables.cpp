// 64-bit images and four levels of page tables.
#include "../loader.h"

namespace {

constexpr u64 EntryValid = 1;
constexpr u64 EntryWrite = 2;
constexpr u64 EntryAccessedDirty = 0x60;
constexpr u64 EntryLarge = 0x80;
constexpr u64 EntrySoftWrite = 0x800; // _MMPTE_HARDWARE.Write
constexpr u64 EntryNoExecute = 1ull << 63;
constexpr u64 EntryTable = EntryValid | EntryWrite | EntryAccessedDirty | EntrySoftWrite;

// The table that the entry `table[index]` leads to, made if need be.
u64* NextTable(u64* table, u32 index) {
    if ((table[index] & EntryValid) == 0) {
        table[index] = TakePages(1) | EntryTable;
    }
    return At<u64>(table[index] & 0xFFFFF000u);
}

} // namespace

const u16 ImageMachine = 0x8664;
const u16 ImageRelocation = 10; // DIR64
const u32 ImageDirectories = 112;

u64 ImageBase(u32 optional) {
    return *At<u64>(optional + 24);
}

void SetImageBase(u32 optional, u64 base) {
    *At<u64>(optional + 24) = base;
}

void MoveAddress(u32 at, u64 delta) {
    *At<u64>(at) += delta;
}

void BuildTables() {
    Block.DirectoryTable = TakePages(1);
    u64* root = At<u64>(Block.DirectoryTable);
    root[LAB_SELFMAP_INDEX] = Block.DirectoryTable | EntryTable | EntryNoExecute;
    u64* directory = NextTable(NextTable(root, 0), 0);
    for (u32 i = 0; i < 512; i++) {
        directory[i] = (static_cast<u64>(i) << 21) | EntryTable | EntryLarge;
    }
}

void MapPage(u64 address, u32 physical, bool write, bool execute) {
    u64* table = At<u64>(Block.DirectoryTable);
    for (int shift = 39; shift > 12; shift -= 9) {
        table = NextTable(table, static_cast<u32>(address >> shift) & 511);
    }
    table[static_cast<u32>(address >> 12) & 511] = physical | EntryValid | EntryAccessedDirty |
                                                   (write ? EntryWrite | EntrySoftWrite : 0) |
                                                   (execute ? 0 : EntryNoExecute);
}

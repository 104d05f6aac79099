// 32-bit images; page tables of two levels, or with PAE of three, whose top has only four entries.
#include "../loader.h"

namespace {

#ifdef LAB_PAE
typedef u64 Entry;
constexpr u32 DirectoryShift = 21;
constexpr Entry EntryNoExecute = 1ull << 63;
constexpr u32 Directories = 4;
#else
typedef u32 Entry;
constexpr u32 DirectoryShift = 22;
constexpr Entry EntryNoExecute = 0; // the processor has no such bit
constexpr u32 Directories = 1;
#endif

constexpr Entry EntryValid = 1;
constexpr Entry EntryWrite = 2;
constexpr Entry EntryAccessedDirty = 0x60;
constexpr Entry EntryLarge = 0x80;
constexpr Entry EntrySoftWrite = 0x800; // _MMPTE_HARDWARE.Write
constexpr Entry EntryTable = EntryValid | EntryWrite | EntryAccessedDirty | EntrySoftWrite;
constexpr u32 EntriesPerTable = PageSize / sizeof(Entry);
constexpr u32 SelfMap = 0xC0000000; // of every 32-bit NT
constexpr u32 LowMemory = 0x40000000;

u32 FirstDirectory; // the others follow it

// The directory entry of an address. Directories lie one behind the other, so their entries are one array.
Entry* DirectoryEntry(u32 address) {
    return At<Entry>(FirstDirectory) + (address >> DirectoryShift);
}

} // namespace

const u16 ImageMachine = 0x014C;
const u16 ImageRelocation = 3; // HIGHLOW
const u32 ImageDirectories = 96;

u64 ImageBase(u32 optional) {
    return *At<u32>(optional + 28);
}

void SetImageBase(u32 optional, u64 base) {
    *At<u32>(optional + 28) = static_cast<u32>(base);
}

void MoveAddress(u32 at, u64 delta) {
    *At<u32>(at) += static_cast<u32>(delta);
}

void BuildTables() {
    FirstDirectory = TakePages(Directories);
    Block.DirectoryTable = FirstDirectory;
#ifdef LAB_PAE
    Block.DirectoryTable = TakePages(1);
    for (u32 i = 0; i < Directories; i++) {
        At<u64>(Block.DirectoryTable)[i] = (FirstDirectory + i * PageSize) | EntryValid; // more bits are reserved here
    }
#endif
    for (u32 i = 0; i < Directories; i++) {
        DirectoryEntry(SelfMap)[i] = (FirstDirectory + i * PageSize) | EntryTable | EntryNoExecute;
    }
    for (u32 address = 0; address < LowMemory; address += 1u << DirectoryShift) {
        *DirectoryEntry(address) = address | EntryTable | EntryLarge;
    }
}

void MapPage(u64 address, u32 physical, bool write, bool execute) {
    u32 where = static_cast<u32>(address);
    Entry* directory = DirectoryEntry(where);
    if ((*directory & EntryValid) == 0) {
        *directory = TakePages(1) | EntryTable;
    }
    At<Entry>(*directory & 0xFFFFF000u)[where / PageSize % EntriesPerTable] =
        physical | EntryValid | EntryAccessedDirty | (write ? EntryWrite | EntrySoftWrite : 0) |
        (execute ? 0 : EntryNoExecute);
}

#ifdef LAB_PAE
extern "C" [[noreturn]] void LoaderNoExecuteMissing() {
    Stop("loader: with PAE this kernel needs a processor that knows the NX bit (-cpu qemu32,+nx)");
}
#endif

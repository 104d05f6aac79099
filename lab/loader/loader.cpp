// Puts ntoskrnl.exe where it is to run and enters it. QEMU hands over the boot files as multiboot modules; drivers stay
// as files for the kernel to load.
#include "loader.h"

LOADER_PARAMETER_BLOCK Block;

namespace {

constexpr u32 MultibootMagic = 0x2BADB002;
constexpr u32 MultibootHasModules = 1 << 3;
constexpr u32 MultibootHasMemoryMap = 1 << 6;
constexpr u32 MemoryAvailable = 1;
constexpr u64 PhysicalLimit = 0xE0000000; // device memory lies above, and pointers here have 32 bits

struct MultibootInfo {
    u32 Flags, MemoryLower, MemoryUpper, BootDevice, CommandLine, ModuleCount, Modules, Symbols[4], MapLength, Map;
};

struct MultibootModule {
    u32 Start, End, String, Reserved;
};

struct __attribute__((packed)) MultibootRun {
    u32 Size; // of what follows
    u64 Base, Length;
    u32 Type;
};

// PE, as far as a loader needs it.
struct ImageSection {
    char Name[8];
    u32 VirtualSize, VirtualAddress, RawSize, RawOffset, Unused[3], Characteristics;
};

constexpr u32 SectionExecute = 0x20000000;
constexpr u32 SectionWrite = 0x80000000;
constexpr u32 RelocationDirectory = 5;

u32 NextPage; // memory from here on is free

void Put(char c) {
    __asm__ volatile("outb %0, $0xE9" : : "a"(c));
}

void Clear(u32 address, u32 bytes) {
    volatile u8* p = At<volatile u8>(address);
    for (u32 i = 0; i < bytes; i++) {
        p[i] = 0;
    }
}

void Copy(u32 to, u32 from, u32 bytes) {
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(bytes) : : "memory");
}

} // namespace

[[noreturn]] void Stop(const char* text) {
    for (; *text != 0; text++) {
        Put(*text);
    }
    Put('\n');
    for (;;) {
        __asm__ volatile("cli; hlt");
    }
}

u32 TakePages(u32 count) {
    u32 address = NextPage;
    NextPage += count * PageSize;
    Clear(address, count * PageSize);
    return address;
}

namespace {

// Copies a string, cut to fit.
void CopyString(char* to, u32 size, const char* from) {
    u32 i = 0;
    for (; i + 1 < size && from[i] != 0; i++) {
        to[i] = from[i];
    }
    to[i] = 0;
}

bool SameText(const char* a, const char* b) {
    while (*a != 0 && *a == *b) {
        a++, b++;
    }
    return *a == *b;
}

void ReadMemoryMap(const MultibootInfo* info) {
    if ((info->Flags & MultibootHasMemoryMap) == 0) {
        Stop("loader: no memory map");
    }
    u32 end = info->Map + info->MapLength;
    for (u32 at = info->Map; at < end && Block.RunCount < LOADER_MAX_RUNS;) {
        const MultibootRun* run = At<const MultibootRun>(at);
        if (run->Type == MemoryAvailable && run->Base < PhysicalLimit) {
            u64 size = run->Length;
            if (run->Base + size > PhysicalLimit) {
                size = PhysicalLimit - run->Base;
            }
            Block.Runs[Block.RunCount++] = {run->Base, size};
        }
        at += run->Size + sizeof(run->Size);
    }
}

// The module's string is the path as given to QEMU, then optional words.
void ReadFiles(const MultibootInfo* info) {
    if ((info->Flags & MultibootHasModules) == 0) {
        Stop("loader: no boot files");
    }
    const MultibootModule* modules = At<const MultibootModule>(info->Modules);
    for (u32 i = 0; i < info->ModuleCount && i < LOADER_MAX_FILES; i++) {
        char name[sizeof(Block.Files[0].Name)];
        const char* path = At<const char>(modules[i].String);
        const char* base = path;
        for (const char* p = path; *p != 0 && *p != ' '; p++) {
            if (*p == '/') {
                base = p + 1;
            }
        }
        CopyString(name, sizeof(name), base);
        for (char& c : name) {
            if (c == ' ') {
                c = 0;
            }
        }
        LOADER_FILE& file = Block.Files[Block.FileCount++];
        CopyString(file.Name, sizeof(file.Name), name);
        file.Address = modules[i].Start;
        file.Size = modules[i].End - modules[i].Start;
        if (modules[i].End > NextPage) {
            NextPage = modules[i].End;
        }
    }
    NextPage = (NextPage + PageSize - 1) & ~(PageSize - 1);
}

bool OptionGiven(const char* word) {
    const char* p = Block.CommandLine;
    while (*p != 0) {
        u32 i = 0;
        while (word[i] != 0 && p[i] == word[i]) {
            i++;
        }
        if (word[i] == 0 && (p[i] == 0 || p[i] == ' ') && (p == Block.CommandLine || p[-1] == ' ')) {
            return true;
        }
        p++;
    }
    return false;
}

// A number below limit, different at each start. The time stamp counter runs with the host's clock.
u32 RandomBelow(u32 limit) {
    u32 low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    low ^= high;
    low *= 0x9E3779B1u;
    low ^= low >> 15;
    low *= 0x85EBCA77u;
    return (low >> 8) % limit;
}

void Relocate(u32 image, u32 directory, u32 size, u64 delta) {
    for (u32 at = directory; at + 8 <= directory + size;) {
        u32 page = *At<u32>(image + at);
        u32 block = *At<u32>(image + at + 4);
        if (block < 8 || at + block > directory + size) {
            Stop("loader: bad relocation");
        }
        for (u32 i = 8; i + 2 <= block; i += 2) {
            u16 entry = *At<u16>(image + at + i);
            if (entry >> 12 == ImageRelocation) {
                MoveAddress(image + page + (entry & 0xFFF), delta);
            }
        }
        at += block;
    }
}

// Lays the kernel image out in memory at Block.KernelBase. Returns the address of its entry.
u64 LoadKernel(const LOADER_FILE& file) {
    u32 raw = static_cast<u32>(file.Address);
    u32 header = raw + *At<u32>(raw + 0x3C);
    if (*At<u16>(raw) != 0x5A4D || *At<u32>(header) != 0x4550 || *At<u16>(header + 4) != ImageMachine) {
        Stop("loader: ntoskrnl.exe is no image for this machine");
    }
    u32 optional = header + 24;
    u32 size = (*At<u32>(optional + 56) + PageSize - 1) & ~(PageSize - 1);
    u32 headers_size = *At<u32>(optional + 60);
    u64 preferred = ImageBase(optional);
    const ImageSection* sections = At<const ImageSection>(optional + *At<u16>(header + 20));
    u32 section_count = *At<u16>(header + 6);

    u32 image = TakePages(size / PageSize);
    Block.KernelSize = size;
    Block.KernelPhysical = image;
    Copy(image, raw, headers_size);
    for (u32 i = 0; i < section_count; i++) {
        const ImageSection& s = sections[i];
        Copy(image + s.VirtualAddress, raw + s.RawOffset, s.RawSize < s.VirtualSize ? s.RawSize : s.VirtualSize);
    }
    u32 relocations = optional + ImageDirectories + RelocationDirectory * 8;
    Relocate(image, *At<u32>(relocations), *At<u32>(relocations + 4), Block.KernelBase - preferred);
    SetImageBase(image + (optional - raw), Block.KernelBase); // as the loader of Windows does

    MapPage(Block.KernelBase, image, false, false);
    for (u32 i = 0; i < section_count; i++) {
        const ImageSection& s = sections[i];
        bool write = (s.Characteristics & SectionWrite) != 0;
        bool execute = (s.Characteristics & SectionExecute) != 0;
        for (u32 offset = 0; offset < s.VirtualSize; offset += PageSize) {
            MapPage(Block.KernelBase + s.VirtualAddress + offset, image + s.VirtualAddress + offset, write, execute);
        }
    }
    return Block.KernelBase + *At<u32>(optional + 16);
}

} // namespace

extern "C" char LoaderEnd[];

extern "C" void* memcpy(void* to, const void* from, u32 bytes) {
    Copy(reinterpret_cast<u32>(to), reinterpret_cast<u32>(from), bytes);
    return to;
}

extern "C" void* memset(void* to, int value, u32 bytes) {
    void* start = to;
    __asm__ volatile("rep stosb" : "+D"(to), "+c"(bytes) : "a"(value) : "memory");
    return start;
}

extern "C" [[noreturn]] void LoaderMain(u32 magic, const MultibootInfo* info) {
    if (magic != MultibootMagic) {
        Stop("loader: not started by a multiboot loader");
    }
    NextPage = reinterpret_cast<u32>(LoaderEnd);
    CopyString(Block.CommandLine, sizeof(Block.CommandLine), At<const char>(info->CommandLine));
    ReadMemoryMap(info);
    ReadFiles(info);

    bool random = OptionGiven("kaslr=on");
    Block.KernelBase = LAB_KERNEL_BASE + (random ? static_cast<u64>(RandomBelow(LAB_KERNEL_SLIDES)) << 21 : 0);
    Block.DriverSlide = random ? static_cast<u64>(RandomBelow(LAB_DRIVER_SLIDES)) << 21 : 0;
    BuildTables();
    for (u32 i = 0; i < Block.FileCount; i++) {
        if (SameText(Block.Files[i].Name, "ntoskrnl.exe")) {
            u64 entry = LoadKernel(Block.Files[i]);
            Block.UsedEnd = NextPage;
            LoaderEnterKernel(static_cast<u32>(Block.DirectoryTable), entry, reinterpret_cast<u32>(&Block));
        }
    }
    Stop("loader: no ntoskrnl.exe among the boot files");
}

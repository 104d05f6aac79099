// Loading of driver images from the boot files: lay out, relocate, bind imports, protect, enter in the module list.
// What is wrong with an image ends in a status, with nothing left behind.
#include "mm.h"
#include "pe.h"

extern "C" {
PKLDR_DATA_TABLE_ENTRY MiCreateModuleEntry(PCSTR FileName, PVOID Base, SIZE_T Size);
VOID MiRemoveModuleEntry(PKLDR_DATA_TABLE_ENTRY Entry);
PKLDR_DATA_TABLE_ENTRY MiFindModule(PCSTR FileName);
VOID MiReportModule(PKLDR_DATA_TABLE_ENTRY Entry, BOOLEAN Load);
}

constexpr ULONG MiMaximumImage = 16u << 20;

static const LOADER_FILE* MiFindBootFile(PCSTR FileName) {
    for (ULONG i = 0; i < KiLoaderBlock.FileCount; i++) {
        PCSTR name = KiLoaderBlock.Files[i].Name;
        SIZE_T at = 0;
        while (name[at] != 0 && name[at] == FileName[at]) {
            at++;
        }
        if (name[at] == FileName[at]) {
            return &KiLoaderBlock.Files[i];
        }
    }
    return nullptr;
}

// A view of a boot file. Release with MiCloseFile.
static MI_IMAGE MiOpenFile(const LOADER_FILE* File) {
    SIZE_T offset = File->Address & (PAGE_SIZE - 1);
    SIZE_T size = static_cast<SIZE_T>(File->Size);
    SIZE_T pages = MiPagesFor(offset + size);
    PUCHAR base = static_cast<PUCHAR>(MiReserveSystemPtes(pages));
    for (SIZE_T i = 0; base != nullptr && i < pages; i++) {
        if (!MiMapPage(base + i * PAGE_SIZE, static_cast<PFN_NUMBER>(File->Address >> PAGE_SHIFT) + i, MM_READONLY)) {
            MiUnmapPages(base, i, FALSE);
            MiReleaseSystemPtes(base);
            base = nullptr;
        }
    }
    return base == nullptr ? MI_IMAGE{nullptr, 0} : MI_IMAGE{base + offset, size};
}

static VOID MiCloseFile(const MI_IMAGE& View) {
    PUCHAR base = reinterpret_cast<PUCHAR>(reinterpret_cast<ULONG_PTR>(View.Base) & ~ULONG_PTR(PAGE_SIZE - 1));
    MiUnmapPages(base, MiPagesFor(static_cast<SIZE_T>(View.Base - base) + View.Size), FALSE);
    MiReleaseSystemPtes(base);
}

// Copies headers and sections; Image is mapped writable and cleared.
static BOOLEAN MiLayOut(const MI_IMAGE& File, const IMAGE_NT_HEADERS* Nt, const MI_IMAGE& Image) {
    const IMAGE_SECTION_HEADER* sections = File.Sections(Nt);
    if (sections == nullptr || File.At<UCHAR>(0, Nt->SizeOfHeaders) == nullptr || Nt->SizeOfHeaders > Image.Size) {
        return FALSE;
    }
    memcpy(Image.Base, File.Base, Nt->SizeOfHeaders);
    for (ULONG i = 0; i < Nt->NumberOfSections; i++) {
        const IMAGE_SECTION_HEADER& section = sections[i];
        SIZE_T size = section.SizeOfRawData < section.VirtualSize ? section.SizeOfRawData : section.VirtualSize;
        const UCHAR* from = File.At<UCHAR>(section.PointerToRawData, size);
        PUCHAR to = Image.At<UCHAR>(section.VirtualAddress, section.VirtualSize);
        if ((section.VirtualAddress & (PAGE_SIZE - 1)) != 0 || to == nullptr || from == nullptr) {
            return FALSE;
        }
        memcpy(to, from, size);
    }
    return TRUE;
}

static BOOLEAN MiRelocate(const MI_IMAGE& Image, IMAGE_NT_HEADERS* Nt) {
    ULONG_PTR delta = reinterpret_cast<ULONG_PTR>(Image.Base) - Nt->ImageBase;
    const IMAGE_DATA_DIRECTORY& directory = Nt->Directories[IMAGE_DIRECTORY_ENTRY_BASERELOC];
    SIZE_T at = directory.VirtualAddress;
    SIZE_T end = at + directory.Size;
    while (at < end) {
        const ULONG* block = Image.At<ULONG>(at, 2);
        if (block == nullptr || block[1] < 8 || block[1] > end - at) {
            return FALSE;
        }
        ULONG count = (block[1] - 8) / 2;
        const USHORT* entries = Image.At<USHORT>(at + 8, count);
        for (ULONG i = 0; entries != nullptr && i < count; i++) {
            ULONG_PTR* target = Image.At<ULONG_PTR>(block[0] + (entries[i] & 0xFFFu));
            if (entries[i] >> 12 == IMAGE_REL_BASED_NATIVE && target != nullptr) {
                *target += delta;
            }
        }
        at += block[1];
    }
    Nt->ImageBase = reinterpret_cast<ULONG_PTR>(Image.Base);
    return TRUE;
}

static BOOLEAN MiSameName(PCSTR First, PCSTR Second) {
    while (*First != 0 && *First == *Second) {
        First++, Second++;
    }
    return *First == *Second;
}

// The address that a module exports under Name, or null.
static PVOID MiFindExport(PKLDR_DATA_TABLE_ENTRY Module, PCSTR Name) {
    MI_IMAGE image = {static_cast<PUCHAR>(Module->DllBase), Module->SizeOfImage};
    const IMAGE_NT_HEADERS* nt = image.Headers();
    const IMAGE_EXPORT_DIRECTORY* exports =
        nt == nullptr ? nullptr
                      : image.At<IMAGE_EXPORT_DIRECTORY>(nt->Directories[IMAGE_DIRECTORY_ENTRY_EXPORT].VirtualAddress);
    if (exports == nullptr) {
        return nullptr;
    }
    const ULONG* names = image.At<ULONG>(exports->AddressOfNames, exports->NumberOfNames);
    const USHORT* ordinals = image.At<USHORT>(exports->AddressOfNameOrdinals, exports->NumberOfNames);
    const ULONG* functions = image.At<ULONG>(exports->AddressOfFunctions, exports->NumberOfFunctions);
    if (names == nullptr || ordinals == nullptr || functions == nullptr) {
        return nullptr;
    }
    for (ULONG i = 0; i < exports->NumberOfNames; i++) {
        PCSTR name = image.At<const CHAR>(names[i]);
        if (name != nullptr && MiSameName(name, Name) && ordinals[i] < exports->NumberOfFunctions) {
            return image.At<UCHAR>(functions[ordinals[i]]);
        }
    }
    return nullptr;
}

static NTSTATUS MiBindImports(const MI_IMAGE& Image, const IMAGE_NT_HEADERS* Nt) {
    SIZE_T at = Nt->Directories[IMAGE_DIRECTORY_ENTRY_IMPORT].VirtualAddress;
    for (; at != 0; at += sizeof(IMAGE_IMPORT_DESCRIPTOR)) {
        const IMAGE_IMPORT_DESCRIPTOR* descriptor = Image.At<IMAGE_IMPORT_DESCRIPTOR>(at);
        if (descriptor == nullptr) {
            return STATUS_INVALID_IMAGE_FORMAT;
        }
        if (descriptor->Name == 0) {
            break;
        }
        PCSTR file = Image.At<const CHAR>(descriptor->Name);
        PKLDR_DATA_TABLE_ENTRY module = file == nullptr ? nullptr : MiFindModule(file);
        if (module == nullptr) {
            DbgPrint("MM: an image needs %s, which is not loaded\n", file);
            return STATUS_OBJECT_NAME_NOT_FOUND;
        }
        for (SIZE_T i = 0;; i++) {
            ULONG_PTR* thunk = Image.At<ULONG_PTR>(descriptor->FirstThunk + i * sizeof(ULONG_PTR));
            if (thunk == nullptr || (*thunk & IMAGE_ORDINAL_FLAG) != 0) {
                return STATUS_INVALID_IMAGE_FORMAT;
            }
            if (*thunk == 0) {
                break;
            }
            PCSTR name = Image.At<const CHAR>(static_cast<SIZE_T>(*thunk) + 2);
            PVOID address = name == nullptr ? nullptr : MiFindExport(module, name);
            if (address == nullptr) {
                DbgPrint("MM: %s does not export %s\n", file, name);
                return STATUS_ENTRYPOINT_NOT_FOUND;
            }
            *thunk = reinterpret_cast<ULONG_PTR>(address);
        }
    }
    return STATUS_SUCCESS;
}

static VOID MiProtectSections(const MI_IMAGE& Image, const IMAGE_NT_HEADERS* Nt) {
    MiProtectPages(Image.Base, MiPagesFor(Nt->SizeOfHeaders), MM_READONLY);
    const IMAGE_SECTION_HEADER* sections = Image.Sections(Nt);
    for (ULONG i = 0; i < Nt->NumberOfSections; i++) {
        ULONG flags = sections[i].Characteristics;
        MMPTE_BITS protection = (flags & IMAGE_SCN_MEM_EXECUTE) != 0 ? MM_EXECUTE_READ : MM_READONLY;
        if ((flags & IMAGE_SCN_MEM_WRITE) != 0) {
            protection |= MM_PTE_WRITE | MM_PTE_SOFT_WRITE;
        }
        MiProtectPages(Image.Base + sections[i].VirtualAddress, MiPagesFor(sections[i].VirtualSize), protection);
    }
}

static NTSTATUS MiPrepareImage(const MI_IMAGE& File, const IMAGE_NT_HEADERS* FileHeaders, const MI_IMAGE& Image) {
    memset(Image.Base, 0, Image.Size);
    if (!MiLayOut(File, FileHeaders, Image)) {
        return STATUS_INVALID_IMAGE_FORMAT;
    }
    IMAGE_NT_HEADERS* nt = Image.Headers();
    if (nt == nullptr || !MiRelocate(Image, nt)) {
        return STATUS_INVALID_IMAGE_FORMAT;
    }
    NTSTATUS status = MiBindImports(Image, nt);
    if (NT_SUCCESS(status)) {
        MiProtectSections(Image, nt);
    }
    return status;
}

static NTSTATUS MiLoadFile(const MI_IMAGE& File, PCSTR FileName, PKLDR_DATA_TABLE_ENTRY* Entry) {
    const IMAGE_NT_HEADERS* nt = File.Headers();
    if (nt == nullptr || nt->SizeOfImage == 0 || nt->SizeOfImage > MiMaximumImage) {
        return STATUS_INVALID_IMAGE_FORMAT;
    }
    SIZE_T pages = MiPagesFor(nt->SizeOfImage);
    PVOID base = MiAllocateRegion(&MiDriverRegion, pages);
    if (base == nullptr) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    NTSTATUS status = STATUS_INSUFFICIENT_RESOURCES;
    if (MiMapNewPages(base, pages, MM_READWRITE)) {
        status = MiPrepareImage(File, nt, {static_cast<PUCHAR>(base), pages * PAGE_SIZE});
        *Entry = NT_SUCCESS(status) ? MiCreateModuleEntry(FileName, base, pages * PAGE_SIZE) : nullptr;
        if (*Entry != nullptr) {
            return STATUS_SUCCESS;
        }
        MiUnmapPages(base, pages, TRUE);
    }
    MiFreeRegion(&MiDriverRegion, base);
    return NT_SUCCESS(status) ? STATUS_INSUFFICIENT_RESOURCES : status;
}

extern "C" NTSTATUS MmLoadSystemImage(PCSTR FileName, PKLDR_DATA_TABLE_ENTRY* Entry) {
    const LOADER_FILE* boot_file = MiFindBootFile(FileName);
    if (boot_file == nullptr) {
        return STATUS_OBJECT_NAME_NOT_FOUND;
    }
    MI_IMAGE file = MiOpenFile(boot_file);
    if (file.Base == nullptr) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    NTSTATUS status = MiLoadFile(file, FileName, Entry);
    MiCloseFile(file);
    if (NT_SUCCESS(status)) {
        MiReportModule(*Entry, TRUE);
    }
    return status;
}

extern "C" NTSTATUS MmUnloadSystemImage(PKLDR_DATA_TABLE_ENTRY Entry) {
    MiReportModule(Entry, FALSE);
    PVOID base = Entry->DllBase;
    SIZE_T pages = MiPagesFor(Entry->SizeOfImage);
    MiRemoveModuleEntry(Entry);
    MiUnmapPages(base, pages, TRUE);
    MiFreeRegion(&MiDriverRegion, base);
    return STATUS_SUCCESS;
}

extern "C" VOID MiFreeDiscardableSections(PKLDR_DATA_TABLE_ENTRY Entry) {
    MI_IMAGE image = {static_cast<PUCHAR>(Entry->DllBase), Entry->SizeOfImage};
    const IMAGE_NT_HEADERS* nt = image.Headers();
    const IMAGE_SECTION_HEADER* sections = nt == nullptr ? nullptr : image.Sections(nt);
    for (ULONG i = 0; sections != nullptr && i < nt->NumberOfSections; i++) {
        if ((sections[i].Characteristics & IMAGE_SCN_MEM_DISCARDABLE) != 0) {
            MiUnmapPages(image.Base + sections[i].VirtualAddress, MiPagesFor(sections[i].VirtualSize), TRUE);
        }
    }
}

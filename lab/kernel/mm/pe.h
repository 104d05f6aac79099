// The parts of a PE image that loading needs, PE32+ or on x86 PE32. Layouts: the public PE format.
#pragma once

#include "ki.h"

constexpr USHORT IMAGE_DOS_SIGNATURE = 0x5A4D;
constexpr ULONG IMAGE_NT_SIGNATURE = 0x4550;
#ifdef _M_IX86
constexpr USHORT IMAGE_FILE_MACHINE_NATIVE = 0x014C;
constexpr USHORT PROCESSOR_ARCHITECTURE_NATIVE = 0;
constexpr USHORT IMAGE_REL_BASED_NATIVE = 3; // HIGHLOW
#else
constexpr USHORT IMAGE_FILE_MACHINE_NATIVE = 0x8664;
constexpr USHORT PROCESSOR_ARCHITECTURE_NATIVE = 9;
constexpr USHORT IMAGE_REL_BASED_NATIVE = 10; // DIR64
#endif
constexpr ULONG IMAGE_SCN_MEM_DISCARDABLE = 0x02000000;
constexpr ULONG IMAGE_SCN_MEM_EXECUTE = 0x20000000;
constexpr ULONG IMAGE_SCN_MEM_WRITE = 0x80000000;
constexpr ULONG_PTR IMAGE_ORDINAL_FLAG = ~(~ULONG_PTR(0) >> 1);
enum {
    IMAGE_DIRECTORY_ENTRY_EXPORT = 0,
    IMAGE_DIRECTORY_ENTRY_IMPORT = 1,
    IMAGE_DIRECTORY_ENTRY_EXCEPTION = 3,
    IMAGE_DIRECTORY_ENTRY_BASERELOC = 5,
    IMAGE_DIRECTORIES = 16
};

struct IMAGE_DATA_DIRECTORY {
    ULONG VirtualAddress;
    ULONG Size;
};

struct IMAGE_NT_HEADERS {
    ULONG Signature;
    // file header
    USHORT Machine;
    USHORT NumberOfSections;
    ULONG TimeDateStamp;
    ULONG PointerToSymbolTable;
    ULONG NumberOfSymbols;
    USHORT SizeOfOptionalHeader;
    USHORT Characteristics;
    // optional header
    USHORT Magic;
    UCHAR LinkerVersion[2];
    ULONG SizeOfCode, SizeOfInitializedData, SizeOfUninitializedData, AddressOfEntryPoint, BaseOfCode;
#ifdef _M_IX86
    ULONG BaseOfData;
#endif
    ULONG_PTR ImageBase;
    ULONG SectionAlignment, FileAlignment;
    USHORT Versions[6];
    ULONG Win32VersionValue, SizeOfImage, SizeOfHeaders, CheckSum;
    USHORT Subsystem, DllCharacteristics;
    ULONG_PTR StackAndHeap[4];
    ULONG LoaderFlags, NumberOfRvaAndSizes;
    IMAGE_DATA_DIRECTORY Directories[IMAGE_DIRECTORIES];
};
static_assert(__builtin_offsetof(IMAGE_NT_HEADERS, Directories) == (sizeof(PVOID) == 8 ? 136 : 120));

struct IMAGE_SECTION_HEADER {
    CHAR Name[8];
    ULONG VirtualSize, VirtualAddress, SizeOfRawData, PointerToRawData, PointerToRelocations, PointerToLinenumbers;
    USHORT NumberOfRelocations, NumberOfLinenumbers;
    ULONG Characteristics;
};

struct IMAGE_IMPORT_DESCRIPTOR {
    ULONG OriginalFirstThunk, TimeDateStamp, ForwarderChain, Name, FirstThunk;
};

struct IMAGE_EXPORT_DIRECTORY {
    ULONG Characteristics, TimeDateStamp, Version, Name, Base, NumberOfFunctions, NumberOfNames, AddressOfFunctions,
        AddressOfNames, AddressOfNameOrdinals;
};

// An image in memory, as it is laid out or as a file.
struct MI_IMAGE {
    PUCHAR Base;
    SIZE_T Size;

    template <typename T>
    T* At(SIZE_T Offset, SIZE_T Count = 1) const {
        return Offset <= Size && Count * sizeof(T) <= Size - Offset ? reinterpret_cast<T*>(Base + Offset) : nullptr;
    }

    IMAGE_NT_HEADERS* Headers() const {
        USHORT* signature = At<USHORT>(0);
        ULONG* offset = At<ULONG>(0x3C);
        if (signature == nullptr || offset == nullptr || *signature != IMAGE_DOS_SIGNATURE) {
            return nullptr;
        }
        IMAGE_NT_HEADERS* headers = At<IMAGE_NT_HEADERS>(*offset);
        if (headers == nullptr || headers->Signature != IMAGE_NT_SIGNATURE ||
            headers->Machine != IMAGE_FILE_MACHINE_NATIVE) {
            return nullptr;
        }
        return headers;
    }

    // The section headers; null when they do not fit.
    IMAGE_SECTION_HEADER* Sections(const IMAGE_NT_HEADERS* Nt) const {
        SIZE_T offset = reinterpret_cast<const UCHAR*>(Nt) - Base + 24u + Nt->SizeOfOptionalHeader;
        return At<IMAGE_SECTION_HEADER>(offset, Nt->NumberOfSections);
    }
};

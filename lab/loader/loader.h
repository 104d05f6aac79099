// What the parts of the loader share. Everything lies below 4 GB, so physical addresses fit 32 bits.
#pragma once

#include "../kernel/include/loader_block.h"
#include "nt_addresses.h"

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

constexpr u32 PageSize = 4096;

extern LOADER_PARAMETER_BLOCK Block;

template <typename T>
T* At(u64 address) {
    return reinterpret_cast<T*>(static_cast<u32>(address));
}

[[noreturn]] void Stop(const char* text);
u32 TakePages(u32 count); // cleared

// amd64/, i386/: the image format and page tables of the processor.
extern const u16 ImageMachine;
extern const u16 ImageRelocation;  // kind of the relocations of whole addresses
extern const u32 ImageDirectories; // where data directories begin in an optional header
u64 ImageBase(u32 optional);
void SetImageBase(u32 optional, u64 base);
void MoveAddress(u32 at, u64 delta); // of the address that lies in an image at `at`
// Tables with low memory where it lies, for the way into the kernel, and the self map; at Block.DirectoryTable.
void BuildTables();
void MapPage(u64 address, u32 physical, bool write, bool execute);
// Switches paging on and enters the kernel with the loader block as its argument.
extern "C" [[noreturn]] void LoaderEnterKernel(u32 directory, u64 entry, u32 block);

// The kernel's base types for a build on the host: the same names with the sizes that they have on Windows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#define VOID void
#define FASTCALL
#define TRUE 1
#define FALSE 0
#define PAGE_SIZE 4096
#define PAGE_SHIFT 12

using UCHAR = std::uint8_t;
using PUCHAR = UCHAR*;
using CHAR = char;
using PCHAR = CHAR*;
using PCSTR = const CHAR*;
using SCHAR = signed char;
using SHORT = std::int16_t;
using USHORT = std::uint16_t;
using WCHAR = char16_t;
using LONG = std::int32_t;
using ULONG = std::uint32_t;
using PULONG = ULONG*;
using ULONGLONG = std::uint64_t;
using ULONG64 = std::uint64_t;
using ULONG_PTR = std::uintptr_t;
using PULONG_PTR = ULONG_PTR*;
using LONG_PTR = std::intptr_t;
using SIZE_T = std::size_t;
using KSPIN_LOCK = ULONG_PTR;
using KAFFINITY = ULONG_PTR;
using PVOID = void*;
using BOOLEAN = UCHAR;
using KIRQL = UCHAR;
using POOL_FLAGS = std::uint64_t;

#define NTKERNELAPI
using HANDLE = void*;
using PHANDLE = HANDLE*;
using LONGLONG = std::int64_t;
using NTSTATUS = LONG;
constexpr NTSTATUS STATUS_SUCCESS = 0;
enum KPROCESSOR_MODE : signed char { KernelMode = 0 };

union LARGE_INTEGER {
    LONGLONG QuadPart;
};
using PLARGE_INTEGER = LARGE_INTEGER*;

using PKSTART_ROUTINE = void (*)(PVOID);

using PDRIVER_INITIALIZE = NTSTATUS (*)(struct _DRIVER_OBJECT*, struct _UNICODE_STRING*);
using PDRIVER_UNLOAD = void (*)(struct _DRIVER_OBJECT*);

enum _POOL_TYPE : int;
using POOL_TYPE = _POOL_TYPE;
using PALLOCATE_FUNCTION = PVOID (*)(POOL_TYPE, SIZE_T, ULONG);
using PFREE_FUNCTION = void (*)(PVOID);

#include "nt_layout.h"

using PUNICODE_STRING = _UNICODE_STRING*;
using DRIVER_OBJECT = _DRIVER_OBJECT;
using PDRIVER_OBJECT = DRIVER_OBJECT*;
using LIST_ENTRY = _LIST_ENTRY;
using PLIST_ENTRY = LIST_ENTRY*;

constexpr POOL_FLAGS POOL_FLAG_UNINITIALIZED = 0x2;
constexpr POOL_FLAGS POOL_FLAG_CACHE_ALIGNED = 0x8;
constexpr POOL_FLAGS POOL_FLAG_RAISE_ON_FAILURE = 0x20;
constexpr POOL_FLAGS POOL_FLAG_NON_PAGED = 0x40;
constexpr POOL_FLAGS POOL_FLAG_NON_PAGED_EXECUTE = 0x80;
constexpr POOL_FLAGS POOL_FLAG_PAGED = 0x100;
constexpr ULONG POOL_RAISE_IF_ALLOCATION_FAILURE = 16;

constexpr KIRQL PASSIVE_LEVEL = 0;
constexpr KIRQL APC_LEVEL = 1;
constexpr KIRQL DISPATCH_LEVEL = 2;
constexpr KIRQL HIGH_LEVEL = 15;
constexpr ULONG KMODE_EXCEPTION_NOT_HANDLED = 0x1E;
constexpr LONG STATUS_INSUFFICIENT_RESOURCES = static_cast<LONG>(0xC000009AU);

extern "C" {
PVOID ExAllocatePool(POOL_TYPE type, SIZE_T bytes);
PVOID ExAllocatePoolWithTag(POOL_TYPE type, SIZE_T bytes, ULONG tag);
PVOID ExAllocatePool2(POOL_FLAGS flags, SIZE_T bytes, ULONG tag);
void ExFreePool(PVOID block);
void ExFreePoolWithTag(PVOID block, ULONG tag);
NTSTATUS PsCreateSystemThread(PHANDLE thread, ULONG access, PVOID attributes, HANDLE process, PVOID client,
                              PKSTART_ROUTINE start, PVOID context);
BOOLEAN KeBootOptionIs(const char* name, const char* value, BOOLEAN otherwise);
NTSTATUS KeDelayExecutionThread(KPROCESSOR_MODE mode, BOOLEAN alertable, PLARGE_INTEGER interval);
}

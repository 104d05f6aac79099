// What a driver of the lab sees of the kernel: base types, and the routines that ntoskrnl.exe exports. Names, sizes and
// meanings are those of the public driver interface of Windows; only what the lab needs is here.
#pragma once

// The kernel exports what ntoskrnl.def names.
#ifdef _NTOSKRNL_
#define NTKERNELAPI
#else
#define NTKERNELAPI __declspec(dllimport)
#endif
// On x86 everything is compiled as stdcall (-mrtd), as Windows is, but for what says otherwise.
#ifdef _M_IX86
#define FASTCALL __fastcall
#define CDECL __cdecl
#else
#define FASTCALL
#define CDECL
#endif
#define DECLSPEC_NORETURN __attribute__((noreturn))
#define VOID void
#define FORCEINLINE inline __attribute__((always_inline))

typedef char CHAR, *PCHAR;
typedef const char* PCSTR;
typedef signed char SCHAR;
typedef unsigned char UCHAR, *PUCHAR, BOOLEAN, *PBOOLEAN, KIRQL, *PKIRQL;
typedef short SHORT, *PSHORT;
typedef unsigned short USHORT, *PUSHORT;
typedef wchar_t WCHAR, *PWSTR;
typedef const wchar_t* PCWSTR;
typedef int INT;
typedef unsigned int UINT;
typedef long LONG, *PLONG, NTSTATUS, KPRIORITY;
typedef unsigned long ULONG, *PULONG, ACCESS_MASK;
typedef long long LONGLONG, *PLONGLONG, LONG64;
typedef unsigned long long ULONGLONG, *PULONGLONG, ULONG64, *PULONG64;
#ifdef _M_IX86
typedef long LONG_PTR, *PLONG_PTR;
typedef unsigned long ULONG_PTR, *PULONG_PTR;
#else
typedef long long LONG_PTR, *PLONG_PTR;
typedef unsigned long long ULONG_PTR, *PULONG_PTR;
#endif
typedef ULONG_PTR SIZE_T, *PSIZE_T, KAFFINITY, KSPIN_LOCK, *PKSPIN_LOCK;
typedef void *PVOID, *HANDLE, **PHANDLE;
typedef CHAR KPROCESSOR_MODE;

#define TRUE 1
#define FALSE 0
#define PAGE_SIZE 0x1000
#define PAGE_SHIFT 12
#define UNREFERENCED_PARAMETER(Name) ((void)(Name))
#define FIELD_OFFSET(Type, Field) (static_cast<LONG>(__builtin_offsetof(Type, Field)))
#define CONTAINING_RECORD(Address, Type, Field)                                                                        \
    (reinterpret_cast<Type*>(reinterpret_cast<ULONG_PTR>(Address) - __builtin_offsetof(Type, Field)))

#define NT_SUCCESS(Status) (static_cast<NTSTATUS>(Status) >= 0)
#define STATUS_SUCCESS static_cast<NTSTATUS>(0x00000000L)
#define STATUS_BREAKPOINT static_cast<NTSTATUS>(0x80000003L)
#define STATUS_SINGLE_STEP static_cast<NTSTATUS>(0x80000004L)
#define STATUS_WAKE_SYSTEM_DEBUGGER static_cast<NTSTATUS>(0x80000007L)
#define STATUS_WAKE_SYSTEM_DEBUGGER static_cast<NTSTATUS>(0x80000007L)
#define STATUS_UNSUCCESSFUL static_cast<NTSTATUS>(0xC0000001L)
#define STATUS_ACCESS_VIOLATION static_cast<NTSTATUS>(0xC0000005L)
#define STATUS_INVALID_PARAMETER static_cast<NTSTATUS>(0xC000000DL)
#define STATUS_ILLEGAL_INSTRUCTION static_cast<NTSTATUS>(0xC000001DL)
#define STATUS_OBJECT_NAME_NOT_FOUND static_cast<NTSTATUS>(0xC0000034L)
#define STATUS_INVALID_IMAGE_FORMAT static_cast<NTSTATUS>(0xC000007BL)
#define STATUS_INTEGER_DIVIDE_BY_ZERO static_cast<NTSTATUS>(0xC0000094L)
#define STATUS_PRIVILEGED_INSTRUCTION static_cast<NTSTATUS>(0xC0000096L)
#define STATUS_INSUFFICIENT_RESOURCES static_cast<NTSTATUS>(0xC000009AL)
#define STATUS_ENTRYPOINT_NOT_FOUND static_cast<NTSTATUS>(0xC0000139L)
#define STATUS_ASSERTION_FAILURE static_cast<NTSTATUS>(0xC0000420L)

#define PASSIVE_LEVEL 0
#define APC_LEVEL 1
#define DISPATCH_LEVEL 2
#ifdef _M_IX86
#define CLOCK_LEVEL 28
#define IPI_LEVEL 29
#define HIGH_LEVEL 31
#else
#define CLOCK_LEVEL 13
#define IPI_LEVEL 14
#define HIGH_LEVEL 15
#endif

// Of pool types and of ExAllocatePool2.
#define POOL_RAISE_IF_ALLOCATION_FAILURE 16
typedef ULONG64 POOL_FLAGS;
#define POOL_FLAG_USE_QUOTA 0x1ull
#define POOL_FLAG_UNINITIALIZED 0x2ull
#define POOL_FLAG_SESSION 0x4ull
#define POOL_FLAG_CACHE_ALIGNED 0x8ull
#define POOL_FLAG_RAISE_ON_FAILURE 0x20ull
#define POOL_FLAG_NON_PAGED 0x40ull
#define POOL_FLAG_NON_PAGED_EXECUTE 0x80ull
#define POOL_FLAG_PAGED 0x100ull

enum MODE { KernelMode, UserMode, MaximumMode };

union LARGE_INTEGER {
    struct {
        ULONG LowPart;
        LONG HighPart;
    };
    LONGLONG QuadPart;
};
typedef LARGE_INTEGER* PLARGE_INTEGER;

typedef VOID KSTART_ROUTINE(PVOID StartContext);
typedef KSTART_ROUTINE* PKSTART_ROUTINE;
typedef VOID KDEFERRED_ROUTINE(struct _KDPC* Dpc, PVOID DeferredContext, PVOID SystemArgument1, PVOID SystemArgument2);
typedef KDEFERRED_ROUTINE* PKDEFERRED_ROUTINE;
typedef NTSTATUS DRIVER_INITIALIZE(struct _DRIVER_OBJECT* DriverObject, struct _UNICODE_STRING* RegistryPath);
typedef DRIVER_INITIALIZE* PDRIVER_INITIALIZE;
typedef VOID DRIVER_UNLOAD(struct _DRIVER_OBJECT* DriverObject);
typedef DRIVER_UNLOAD* PDRIVER_UNLOAD;

enum _POOL_TYPE : int;
typedef enum _POOL_TYPE POOL_TYPE;
typedef PVOID ALLOCATE_FUNCTION(POOL_TYPE PoolType, SIZE_T NumberOfBytes, ULONG Tag);
typedef ALLOCATE_FUNCTION* PALLOCATE_FUNCTION;
typedef VOID FREE_FUNCTION(PVOID Buffer);
typedef FREE_FUNCTION* PFREE_FUNCTION;

#include "nt_layout.h"

typedef struct _KDPC KDPC, *PKDPC;
typedef struct _KTIMER KTIMER, *PKTIMER;
typedef struct _DRIVER_OBJECT DRIVER_OBJECT, *PDRIVER_OBJECT;

extern "C" {
VOID* CDECL memcpy(VOID* Destination, const VOID* Source, SIZE_T Length);
VOID* CDECL memmove(VOID* Destination, const VOID* Source, SIZE_T Length);
VOID* CDECL memset(VOID* Destination, int Fill, SIZE_T Length);
SIZE_T CDECL strlen(PCSTR Text);
int CDECL memcmp(const VOID* First, const VOID* Second, SIZE_T Length);

// Boot options, which only this kernel shows to drivers ---------------------------------------------------------------
// TRUE when `Name=Value` was given; Default when `Name=` was not given at all.
NTKERNELAPI BOOLEAN KeBootOptionIs(PCSTR Name, PCSTR Value, BOOLEAN Default);

// Debugging ----------------------------------------------------------------------------------------------------------
NTKERNELAPI ULONG CDECL DbgPrint(PCSTR Format, ...) __attribute__((format(printf, 1, 2)));
NTKERNELAPI VOID DbgBreakPoint(VOID);
NTKERNELAPI VOID DbgBreakPointWithStatus(ULONG Status);
NTKERNELAPI DECLSPEC_NORETURN VOID KeBugCheckEx(ULONG BugCheckCode, ULONG_PTR BugCheckParameter1,
                                                ULONG_PTR BugCheckParameter2, ULONG_PTR BugCheckParameter3,
                                                ULONG_PTR BugCheckParameter4);

// Interrupt request level and locks -----------------------------------------------------------------------------------
NTKERNELAPI KIRQL KeGetCurrentIrql(VOID);
NTKERNELAPI KIRQL FASTCALL KfRaiseIrql(KIRQL NewIrql);
NTKERNELAPI VOID KeLowerIrql(KIRQL NewIrql);
NTKERNELAPI KIRQL KeAcquireSpinLockRaiseToDpc(PKSPIN_LOCK SpinLock);
NTKERNELAPI VOID KeReleaseSpinLock(PKSPIN_LOCK SpinLock, KIRQL NewIrql);
NTKERNELAPI ULONG KeGetCurrentProcessorNumber(VOID);

// Threads, timers, deferred procedure calls
// ----------------------------------------------------------------------------
NTKERNELAPI struct _KTHREAD* KeGetCurrentThread(VOID);
NTKERNELAPI NTSTATUS KeDelayExecutionThread(KPROCESSOR_MODE WaitMode, BOOLEAN Alertable, PLARGE_INTEGER Interval);
NTKERNELAPI VOID KeInitializeDpc(PKDPC Dpc, PKDEFERRED_ROUTINE DeferredRoutine, PVOID DeferredContext);
NTKERNELAPI BOOLEAN KeInsertQueueDpc(PKDPC Dpc, PVOID SystemArgument1, PVOID SystemArgument2);
NTKERNELAPI VOID KeInitializeTimer(PKTIMER Timer);
// A negative DueTime is relative, in units of 100 ns; Period is in milliseconds, 0 for a single shot.
NTKERNELAPI BOOLEAN KeSetTimerEx(PKTIMER Timer, LARGE_INTEGER DueTime, LONG Period, PKDPC Dpc);
NTKERNELAPI BOOLEAN KeCancelTimer(PKTIMER Timer);
NTKERNELAPI NTSTATUS PsCreateSystemThread(PHANDLE ThreadHandle, ULONG DesiredAccess, PVOID ObjectAttributes,
                                          HANDLE ProcessHandle, struct _CLIENT_ID* ClientId,
                                          PKSTART_ROUTINE StartRoutine, PVOID StartContext);
NTKERNELAPI NTSTATUS PsTerminateSystemThread(NTSTATUS ExitStatus);

// Pool ----------------------------------------------------------------------------------------------------------------
NTKERNELAPI PVOID ExAllocatePool(POOL_TYPE PoolType, SIZE_T NumberOfBytes);
NTKERNELAPI PVOID ExAllocatePoolWithTag(POOL_TYPE PoolType, SIZE_T NumberOfBytes, ULONG Tag);
NTKERNELAPI PVOID ExAllocatePool2(POOL_FLAGS Flags, SIZE_T NumberOfBytes, ULONG Tag);
NTKERNELAPI VOID ExFreePool(PVOID P);
NTKERNELAPI VOID ExFreePoolWithTag(PVOID P, ULONG Tag);

// Strings -------------------------------------------------------------------------------------------------------------
NTKERNELAPI VOID RtlInitUnicodeString(struct _UNICODE_STRING* Destination, PCWSTR Source);
}

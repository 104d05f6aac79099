// Interfaces between the parts of the kernel. Drivers see only nt.h. Sections name the folder that owns the routines.
#pragma once

#include "era.h"
#include "loader_block.h"
#include "nt.h"

typedef struct _LIST_ENTRY LIST_ENTRY, *PLIST_ENTRY;
typedef struct _UNICODE_STRING UNICODE_STRING, *PUNICODE_STRING;
typedef struct _CLIENT_ID CLIENT_ID, *PCLIENT_ID;
typedef struct _CONTEXT CONTEXT, *PCONTEXT;
typedef struct _EXCEPTION_RECORD64 EXCEPTION_RECORD64, *PEXCEPTION_RECORD64;
typedef struct _KSPECIAL_REGISTERS KSPECIAL_REGISTERS, *PKSPECIAL_REGISTERS;
typedef struct _KPROCESSOR_STATE KPROCESSOR_STATE, *PKPROCESSOR_STATE;
typedef struct _KTRAP_FRAME KTRAP_FRAME, *PKTRAP_FRAME;
typedef struct _KEXCEPTION_FRAME KEXCEPTION_FRAME, *PKEXCEPTION_FRAME;
typedef struct _KSWITCH_FRAME KSWITCH_FRAME, *PKSWITCH_FRAME;
typedef struct _KPCR KPCR, *PKPCR;
typedef struct _KPRCB KPRCB, *PKPRCB;
typedef struct _KTHREAD KTHREAD, *PKTHREAD;
typedef struct _KPROCESS KPROCESS, *PKPROCESS;
typedef struct _ETHREAD ETHREAD, *PETHREAD;
typedef struct _EPROCESS EPROCESS, *PEPROCESS;
typedef struct _MMPTE MMPTE, *PMMPTE;
typedef struct _MMPFN MMPFN, *PMMPFN;
typedef struct _MM_PAGED_POOL_INFO MM_PAGED_POOL_INFO, *PMM_PAGED_POOL_INFO;
typedef struct _PHYSICAL_MEMORY_DESCRIPTOR PHYSICAL_MEMORY_DESCRIPTOR, *PPHYSICAL_MEMORY_DESCRIPTOR;
#if LAB_ERA == 7
typedef struct _LDR_DATA_TABLE_ENTRY KLDR_DATA_TABLE_ENTRY, *PKLDR_DATA_TABLE_ENTRY;
#else
typedef struct _KLDR_DATA_TABLE_ENTRY KLDR_DATA_TABLE_ENTRY, *PKLDR_DATA_TABLE_ENTRY;
#endif
typedef struct _UNLOADED_DRIVERS UNLOADED_DRIVERS, *PUNLOADED_DRIVERS;

#define MAXIMUM_PROCESSORS 64

// An address as the debugger protocol carries it: 64 bits, sign-extended where addresses have 32.
inline ULONG64 KdExtendAddress(ULONG_PTR Address) {
    return static_cast<ULONG64>(static_cast<LONG64>(static_cast<LONG_PTR>(Address)));
}

inline ULONG64 KdExtendAddress(const volatile VOID* Address) {
    return KdExtendAddress(reinterpret_cast<ULONG_PTR>(Address));
}

// Code and data of sections that leave memory when start is over.
#define INIT_FUNCTION __declspec(code_seg("INIT"))
#define NOINLINE __attribute__((noinline))

// Bug check codes raised by the kernel proper.
#define IRQL_NOT_GREATER_OR_EQUAL 0x09
#define IRQL_NOT_LESS_OR_EQUAL 0x0A
#define SPIN_LOCK_ALREADY_OWNED 0x0F
#define KMODE_EXCEPTION_NOT_HANDLED 0x1E
#define PAGE_FAULT_IN_NONPAGED_AREA 0x50
#define PHASE1_INITIALIZATION_FAILED 0x32
#define UNEXPECTED_KERNEL_MODE_TRAP 0x7F
#define MANUALLY_INITIATED_CRASH 0xE2
#define CRITICAL_STRUCTURE_CORRUPTION 0x109

// Status values of DbgBreakPointWithStatus.
#define DBG_STATUS_CONTROL_C 1
#define DBG_STATUS_BUGCHECK_FIRST 3
#define DBG_STATUS_BUGCHECK_SECOND 4

// Services of int 2Dh, which arrive as STATUS_BREAKPOINT with the service in ExceptionInformation[0].
#define BREAKPOINT_BREAK 0
#define BREAKPOINT_PRINT 1
#define BREAKPOINT_PROMPT 2
#define BREAKPOINT_LOAD_SYMBOLS 3
#define BREAKPOINT_UNLOAD_SYMBOLS 4

// Describes the image of a load or unload report.
struct KD_SYMBOLS_INFO {
    ULONG64 BaseOfDll;
    ULONG64 ProcessId;
    ULONG CheckSum;
    ULONG SizeOfImage;
};

extern "C" {
// ke ------------------------------------------------------------------------------------------------------------------
extern LOADER_PARAMETER_BLOCK KiLoaderBlock; // a copy of what the loader passed
extern LOADER_PARAMETER_BLOCK* KeLoaderBlock;
extern PKPRCB KiProcessorBlock[MAXIMUM_PROCESSORS];
extern ULONG_PTR KiBugcheckData[5];
extern ULONG KeNumberProcessors;
extern ULONG NtGlobalFlag;
extern volatile ULONG64 KeTickCount;
extern CHAR NtBuildLab[];
extern NTKERNELAPI ULONG NtBuildNumber;

PKPCR KeGetPcr(VOID);
PKPRCB KeGetCurrentPrcb(VOID);
// Interrupt flag of the processor: KeDisableInterrupts returns whether it was set.
BOOLEAN KeDisableInterrupts(VOID);
VOID KeRestoreInterrupts(BOOLEAN Enable);
VOID KeStallExecutionProcessor(ULONG Microseconds);

// The lock alone, for those who are at DISPATCH_LEVEL or above already.
VOID KxAcquireSpinLock(PKSPIN_LOCK SpinLock);
BOOLEAN KxTryToAcquireSpinLock(PKSPIN_LOCK SpinLock);
VOID KxReleaseSpinLock(PKSPIN_LOCK SpinLock);
// A moment within a loop that waits for another processor.
VOID KiSpinWait(VOID);
// Makes the other processors forget their translations: they have done so when this returns.
VOID KeFlushOtherTbs(VOID);

// The value of `Name=` on the boot command line, copied and terminated; FALSE when the word is absent.
BOOLEAN KeGetBootOption(PCSTR Name, PCHAR Value, SIZE_T ValueSize);

// Registers that a CONTEXT does not hold. A stop saves them in the processor block's ProcessorState before the debugger
// is asked, and loads them from there when it lets the machine go.
VOID KiSaveSpecial(PKSPECIAL_REGISTERS Special);
VOID KiRestoreSpecial(const KSPECIAL_REGISTERS* Special);

DECLSPEC_NORETURN VOID HalReturnToFirmware(VOID); // resets the machine
VOID HalpDebugPuts(PCSTR Text);                   // QEMU's debug console (port E9), for what happens before KD runs

// mm ------------------------------------------------------------------------------------------------------------------
extern PVOID MmNonPagedPoolStart;
extern PVOID MmNonPagedPoolEnd; // first byte after
extern PVOID MmPagedPoolStart;
extern PVOID MmPagedPoolEnd; // last byte
extern MM_PAGED_POOL_INFO MmPagedPoolInfo;
extern PHYSICAL_MEMORY_DESCRIPTOR* MmPhysicalMemoryBlock;
extern ULONG_PTR MmPteBase;
extern PMMPFN MmPfnDatabase;

// Whole pages of a pool region, mapped and not cleared; null when address space or memory is used up. May be called up
// to DISPATCH_LEVEL.
PVOID MiAllocatePoolPages(BOOLEAN Paged, SIZE_T Pages);
SIZE_T MiFreePoolPages(PVOID Base); // returns the number of pages freed
// Contiguous, cleared, cached pages below 4 GB that a device can reach, for good; null when there are none.
PVOID MmAllocateContiguousMemory(SIZE_T Bytes);
ULONG64 MmReserveContiguousFrames(SIZE_T Pages);           // only while the kernel starts; not mapped
PVOID MmMapIoSpace(ULONG64 PhysicalAddress, SIZE_T Bytes); // uncached
// The physical address behind a virtual one, or 0 when it is not mapped.
ULONG64 MmGetPhysicalAddress(const VOID* Address);

// For the debugger, with interrupts off and at any IRQL: nothing here takes a lock or can fault.
#define MMDBG_COPY_WRITE 0x1    // to the target; goes through read-only pages. Without it: from the target
#define MMDBG_COPY_PHYSICAL 0x2 // Address is physical; only memory is reachable, no devices
BOOLEAN MmIsAddressValidForDebugger(ULONG64 Address);
ULONG MmGetProtectionForDebugger(ULONG64 Address); // 1 read, 2 write, 4 execute; 0 when nothing is mapped
// Copies up to Length bytes and returns how many: fewer when it meets a page that is not there.
SIZE_T MmDbgCopyMemory(ULONG64 Address, PVOID Buffer, SIZE_T Length, ULONG Flags);
// A window onto the page of a physical address, valid until the next call; null when no memory is there.
PVOID MiMapPhysicalForDebugger(ULONG64 PhysicalAddress);

// ps, driver loading --------------------------------------------------------------------------------------------------
extern NTKERNELAPI LIST_ENTRY PsLoadedModuleList;
extern LIST_ENTRY PsActiveProcessHead;
extern NTKERNELAPI PEPROCESS PsInitialSystemProcess;
NTSTATUS MmLoadSystemImage(PCSTR FileName, PKLDR_DATA_TABLE_ENTRY* Entry);
NTSTATUS MmUnloadSystemImage(PKLDR_DATA_TABLE_ENTRY Entry);
NTSTATUS IopLoadDriver(PCSTR FileName);   // "late.sys": load, enter in the module list, tell the debugger, DriverEntry
NTSTATUS IopUnloadDriver(PCSTR FileName); // DriverUnload, then the reverse

// kd ------------------------------------------------------------------------------------------------------------------
extern BOOLEAN KdDebuggerEnabled;
extern BOOLEAN KdDebuggerNotPresent;
// The version block of KD's GetVersion request; owned by ke/kdblock.cpp, 40 bytes as the protocol has them.
extern struct _DBGKD_GET_VERSION64 KdVersionBlock;

// The interrupt that wakes the stopped processor, above all that the kernel uses.
#define KdpWakeVector 0xFE

// Sets up the pipe that `kd=` names. Called once, after memory management and the interrupt controller are up, before
// anything is reported.
VOID KdInitSystem(VOID);
// A stop: tells the debugger and serves its requests until it continues. Called with interrupts off; the processor
// block's ProcessorState holds Special registers and a copy of Context. Changes go into Context and SpecialRegisters,
// which are loaded afterwards. TRUE when the debugger handled the exception.
BOOLEAN KdpReport(PEXCEPTION_RECORD64 ExceptionRecord, PCONTEXT Context, BOOLEAN FirstChance);
// The same for a processor that the debugger went over to while another one has stopped the machine. Returns the
// processor that the debugger wants next, MAXIMUM_PROCESSORS when it let this one go.
ULONG KdpReportFrozen(PCONTEXT Context);
// Lets the debugger talk to another processor; returns when it is back.
VOID KeSwitchFrozenProcessor(ULONG Processor);
extern KSPIN_LOCK KdpDebuggerLock; // held by the processor that is in the debugger
// Sleeps while *Word is Value; to be woken by an interrupt with KdpWakeVector after it was changed.
VOID KdpSleepWhile(const volatile ULONG* Word, ULONG Value);
VOID KdpInitializeIdleProcessor(VOID); // the timer of the current processor, for its sleep
VOID KdpPrint(PCSTR Text, ULONG Length);
// Asks the debugger's user; returns the length of the answer, which is not terminated.
ULONG KdpPrompt(PCSTR Text, ULONG Length, PCHAR Response, ULONG ResponseSize);
// Path is terminated. The caller skips the breakpoint instruction when Context's program counter comes back unchanged.
VOID KdpReportLoad(PCSTR Path, const KD_SYMBOLS_INFO* Info, PCONTEXT Context);
VOID KdpReportUnload(PCSTR Path, const KD_SYMBOLS_INFO* Info, PCONTEXT Context);
// From the clock interrupt: reads at most one byte without waiting. TRUE when it was a break-in; the caller then
// executes DbgBreakPointWithStatus(DBG_STATUS_CONTROL_C).
BOOLEAN KdPollBreakIn(VOID);

// ex, cm --------------------------------------------------------------------------------------------------------------
VOID CmInitSystem(VOID); // reads the boot flags into NtGlobalFlag; called before ExInitSystem, with interrupts off
VOID ExInitSystem(VOID); // pool; called when MiAllocatePoolPages works
VOID ExCreatePoolTagTable(ULONG Processor); // counters of a processor that is being started
}

// The drivers of a scenario in the order in which they start, terminated by null; null for an unknown scenario.
// Owner: the folder of drivers' scenarios (kernel/cm/scenario.cpp).
const PCSTR* CmScenarioDrivers(PCSTR Scenario);

// The two blocks by which a debugger finds its way in the kernel: the answer to the protocol's GetVersion request, and
// the data block (tag KDBG) with the addresses of variables and the offsets of members.
#include "kdblock.h"

constexpr ULONG KdpDataBlockTag = 0x4742444B;  // "KDBG"
constexpr ULONG KdpShortDataBlockSize = 0x290; // of Windows XP
constexpr UCHAR KdpNoField = 0xDB;             // behind a block that is shorter than this kernel's
constexpr USHORT KdpVersionFree = 0x000F;
constexpr UCHAR KdpProtocolVersion = 6;
constexpr UCHAR KdpPacketTypes = 0x0C;
constexpr UCHAR KdpStateChanges = 3;
constexpr UCHAR KdpManipulateRequests = 0x31;

extern "C" {
CHAR NtBuildLab[] = KI_BUILD_TEXT ".1." KI_BUILD_FLAVOUR ".poolkd_lab";
ULONG NtBuildNumber = 0xF0000000 | KI_BUILD;
LIST_ENTRY KdpDebuggerDataListHead = {&KdpDebuggerDataListHead, &KdpDebuggerDataListHead};
_DBGKD_GET_VERSION64 KdVersionBlock;
_KDDEBUGGER_DATA64 KdDebuggerDataBlock;
#if LAB_ERA >= 10
BOOLEAN KdpDataBlockEncoded;
ULONG64 KiWaitNever, KiWaitAlways;
#endif

// Variables of other parts, wanted here only for their addresses.
extern struct _POOL_TRACKER_TABLE* PoolTrackTable;
extern struct _POOL_DESCRIPTOR NonPagedPoolDescriptor;
extern struct _POOL_DESCRIPTOR* ExpPagedPoolDescriptor[];
extern ULONG ExpNumberOfPagedPools;
extern ULONG KeTimeIncrement;
extern ULONG_PTR MmNumberOfPhysicalPages, MmLowestPhysicalPage, MmHighestPhysicalPage, MmAvailablePages;
extern SIZE_T MmMaximumNonPagedPoolInBytes, MmSizeOfPagedPoolInBytes, MmAllocatedNonPagedPool;
extern PVOID MmSystemPtesStart, MmSystemPtesEnd;
extern struct _MMPFNLIST MmFreePageListHead, MmStandbyPageListHead;
extern PUNLOADED_DRIVERS MmUnloadedDrivers;
extern ULONG MmLastUnloadedDriver;
extern CHAR KdPrintDefaultCircularBuffer[];
extern PCHAR KdPrintCircularBuffer, KdPrintWritePointer;
extern ULONG KdPrintBufferSize, KdPrintRolloverCount;
}

template <typename T>
static ULONG64 KdpAddress(T& Variable) {
    return KdExtendAddress(&Variable);
}

static VOID KdpFillVariables(_KDDEBUGGER_DATA64* Block) {
    Block->KernBase = KdExtendAddress(static_cast<ULONG_PTR>(KiLoaderBlock.KernelBase));
    Block->PsLoadedModuleList = KdpAddress(PsLoadedModuleList);
    Block->PsActiveProcessHead = KdpAddress(PsActiveProcessHead);
    Block->ExpPagedPoolDescriptor = KdExtendAddress(ExpPagedPoolDescriptor);
    Block->ExpNumberOfPagedPools = KdpAddress(ExpNumberOfPagedPools);
    Block->KeTimeIncrement = KdpAddress(KeTimeIncrement);
    Block->KiBugcheckData = KdpAddress(KiBugcheckData);
    Block->MmPfnDatabase = KdpAddress(MmPfnDatabase);
    Block->MmSystemPtesStart = KdpAddress(MmSystemPtesStart);
    Block->MmSystemPtesEnd = KdpAddress(MmSystemPtesEnd);
    Block->MmLowestPhysicalPage = KdpAddress(MmLowestPhysicalPage);
    Block->MmHighestPhysicalPage = KdpAddress(MmHighestPhysicalPage);
    Block->MmNumberOfPhysicalPages = KdpAddress(MmNumberOfPhysicalPages);
    Block->MmMaximumNonPagedPoolInBytes = KdpAddress(MmMaximumNonPagedPoolInBytes);
    Block->MmNonPagedPoolStart = KdpAddress(MmNonPagedPoolStart);
    Block->MmNonPagedPoolEnd = KdpAddress(MmNonPagedPoolEnd);
    Block->MmPagedPoolStart = KdpAddress(MmPagedPoolStart);
    Block->MmPagedPoolEnd = KdpAddress(MmPagedPoolEnd);
    Block->MmPagedPoolInformation = KdpAddress(MmPagedPoolInfo);
    Block->MmPageSize = PAGE_SIZE;
    Block->MmSizeOfPagedPoolInBytes = KdpAddress(MmSizeOfPagedPoolInBytes);
    Block->MmPagedPoolCommit = KdpAddress(MmPagedPoolInfo.PagedPoolCommit);
    Block->MmFreePageListHead = KdpAddress(MmFreePageListHead);
    Block->MmStandbyPageListHead = KdpAddress(MmStandbyPageListHead);
    Block->MmAvailablePages = KdpAddress(MmAvailablePages);
    Block->PoolTrackTable = KdpAddress(PoolTrackTable);
    Block->NonPagedPoolDescriptor = KdpAddress(NonPagedPoolDescriptor);
    Block->KdPrintCircularBuffer = KdExtendAddress(KdPrintDefaultCircularBuffer);
    Block->KdPrintCircularBufferEnd = Block->KdPrintCircularBuffer + KdPrintBufferSize;
    Block->KdPrintWritePointer = KdpAddress(KdPrintWritePointer);
    Block->KdPrintRolloverCount = KdpAddress(KdPrintRolloverCount);
    Block->KdPrintCircularBufferPtr = KdpAddress(KdPrintCircularBuffer);
    Block->KdPrintBufferSize = KdpAddress(KdPrintBufferSize);
    Block->NtBuildLab = KdExtendAddress(NtBuildLab);
    Block->KiProcessorBlock = KdExtendAddress(KiProcessorBlock);
    Block->MmUnloadedDrivers = KdpAddress(MmUnloadedDrivers);
    Block->MmLastUnloadedDriver = KdpAddress(MmLastUnloadedDriver);
    Block->MmAllocatedNonPagedPool = KdpAddress(MmAllocatedNonPagedPool);
    Block->MmPhysicalMemoryBlock = KdpAddress(MmPhysicalMemoryBlock);
    Block->KeLoaderBlock = KdpAddress(KeLoaderBlock);
    Block->PteBase = KdExtendAddress(MmPteBase);
}

static VOID KdpFillOffsets(_KDDEBUGGER_DATA64* Block) {
    Block->OffsetKThreadNextProcessor = KDP_OFFSET(KTHREAD, NextProcessor);
    Block->OffsetKThreadTeb = KDP_OFFSET(KTHREAD, Teb);
    Block->OffsetKThreadKernelStack = KDP_OFFSET(KTHREAD, KernelStack);
    Block->OffsetKThreadInitialStack = KDP_OFFSET(KTHREAD, InitialStack);
    Block->OffsetKThreadApcProcess = KDP_OFFSET(KTHREAD, ApcState.Process);
    Block->OffsetKThreadState = KDP_OFFSET(KTHREAD, State);
    Block->OffsetKThreadStackLimit = KDP_OFFSET(KTHREAD, StackLimit);
    Block->OffsetKThreadStackBase = KDP_OFFSET(KTHREAD, StackBase);
    Block->OffsetKThreadQueueListEntry = KDP_OFFSET(KTHREAD, QueueListEntry);
    Block->OffsetKThreadWaitReason = KDP_OFFSET(KTHREAD, WaitReason);
    Block->OffsetEThreadIrpList = KDP_OFFSET(ETHREAD, IrpList);
    Block->SizeEThread = sizeof(ETHREAD);
    Block->SizeEProcess = sizeof(EPROCESS);
    Block->OffsetEprocessPeb = KDP_OFFSET(EPROCESS, Peb);
    Block->OffsetEprocessParentCID = KDP_OFFSET(EPROCESS, InheritedFromUniqueProcessId);
    Block->OffsetEprocessDirectoryTableBase = KDP_OFFSET(EPROCESS, Pcb.DirectoryTableBase);
    Block->SizePrcb = sizeof(KPRCB);
    Block->OffsetPrcbDpcRoutine = KDP_OFFSET(KPRCB, DpcRoutineActive);
    Block->OffsetPrcbCurrentThread = KDP_OFFSET(KPRCB, CurrentThread);
    Block->OffsetPrcbIdleThread = KDP_OFFSET(KPRCB, IdleThread);
    Block->OffsetPrcbMhz = KDP_OFFSET(KPRCB, MHz);
    Block->OffsetPrcbCpuType = KDP_OFFSET(KPRCB, CpuType);
    Block->OffsetPrcbVendorString = KDP_OFFSET(KPRCB, VendorString);
    Block->OffsetPrcbProcStateContext = KDP_OFFSET(KPRCB, ProcessorState.ContextFrame);
    Block->OffsetPrcbProcStateSpecialReg = KDP_OFFSET(KPRCB, ProcessorState.SpecialRegisters);
    Block->OffsetPrcbNumber = KDP_OFFSET(KPRCB, Number);
    Block->OffsetPrcbContext = KDP_OFFSET(KPRCB, Context);
    Block->OffsetPrcbDpcStack = KDP_OFFSET(KPRCB, DpcStack);
    Block->SizePcr = sizeof(KPCR);
}

#if LAB_ERA >= 10 && !defined(_M_IX86)

// 64-bit Windows from 8 on keeps the block so when it was not started for debugging.
static ULONG64 KdpEncode(ULONG64 Word) {
    ULONG count = static_cast<ULONG>(KiWaitNever & 0x3F);
    Word = __builtin_bswap64(Word ^ KiWaitAlways) ^ reinterpret_cast<ULONG64>(&KdpDataBlockEncoded);
    Word = count == 0 ? Word : Word >> count | Word << (64 - count);
    return Word ^ KiWaitNever;
}

static VOID KdpEncodeDataBlock(_KDDEBUGGER_DATA64* Block) {
    ULONG64 time = KiReadTimeStamp();
    KiWaitNever = time * 0x9E3779B97F4A7C15;
    KiWaitAlways = (time ^ KiWaitNever) * 0xBF58476D1CE4E5B9;
    ULONG64* words = reinterpret_cast<ULONG64*>(Block);
    for (ULONG i = 0; i < KdpDataBlockSize / sizeof(ULONG64); i++) {
        words[i] = KdpEncode(words[i]);
    }
    KdpDataBlockEncoded = TRUE;
}

#else

static VOID KdpEncodeDataBlock(_KDDEBUGGER_DATA64*) {}

#endif

// The upper halves of 32-bit addresses as GCC leaves them in ReactOS's block: zero, though those of the version block
// are extended.
static VOID KdpDropSignExtension(_KDDEBUGGER_DATA64* Block) {
    constexpr ULONG64 extension = 0xFFFFFFFF00000000;
    ULONG64* words = reinterpret_cast<ULONG64*>(Block);
    for (ULONG i = sizeof(Block->ListRoom) / sizeof(ULONG64); i < KdpDataBlockSize / sizeof(ULONG64); i++) {
        if ((words[i] & extension) == extension) {
            words[i] &= ~extension;
        }
    }
}

// What the boot word `kdbg` makes of the block.
static VOID KdpShapeDataBlock(_KDDEBUGGER_DATA64* Block, _DBGKD_GET_VERSION64* Version) {
    if (KeBootOptionIs("kdbg", "encoded", FALSE)) {
        KdpEncodeDataBlock(Block);
    } else if (KeBootOptionIs("kdbg", "short", FALSE)) {
        Block->Size = KdpShortDataBlockSize;
        memset(reinterpret_cast<PUCHAR>(Block) + Block->Size, KdpNoField, sizeof *Block - Block->Size);
    } else if (KeBootOptionIs("kdbg", "absent", FALSE)) {
        Version->DebuggerDataList = 0;
    }
}

extern "C" INIT_FUNCTION VOID KdInitializeBlocks(VOID) {
    _KDDEBUGGER_DATA64* block = &KdDebuggerDataBlock;
    block->OwnerTag = KdpDataBlockTag;
    block->Size = KdpDataBlockSize;
    KdpFillVariables(block);
    KdpFillOffsets(block);
    InsertTailList(&KdpDebuggerDataListHead, &block->List);

    _DBGKD_GET_VERSION64* version = &KdVersionBlock;
    version->MajorVersion = KdpVersionFree;
    version->MinorVersion = KI_BUILD;
    version->ProtocolVersion = KdpProtocolVersion;
    version->MaxPacketType = KdpPacketTypes;
    version->MaxStateChange = KdpStateChanges;
    version->MaxManipulate = KdpManipulateRequests;
    version->KernBase = KdExtendAddress(static_cast<ULONG_PTR>(KiLoaderBlock.KernelBase));
    version->PsLoadedModuleList = KdpAddress(PsLoadedModuleList);
    version->DebuggerDataList = KdpAddress(KdpDebuggerDataListHead);
    KdpFillProcessor(version, block);
    if (sizeof(PVOID) == sizeof(ULONG) && KeBootOptionIs("kdlike", "reactos", FALSE)) {
        KdpDropSignExtension(block);
    }
    KdpShapeDataBlock(block, version);
#ifndef _M_IX86
    KiPublishDumpHeader();
#endif
}

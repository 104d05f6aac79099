// The two blocks by which a debugger finds its way in the kernel: the answer to the protocol's GetVersion request, and
// the data block (tag KDBG) with the addresses of variables and the offsets of members. Their layouts are those of the
// public headers (DBGKD_GET_VERSION64, KDDEBUGGER_DATA64), whatever the layout seed.
#include "ke.h"

constexpr ULONG KdpDataBlockTag = 0x4742444B; // "KDBG"
constexpr USHORT KdpVersionFree = 0x000F;
constexpr USHORT KdpMachineAmd64 = 0x8664;
constexpr UCHAR KdpProtocolVersion = 6;
constexpr UCHAR KdpContextCurrent = 2; // KdSecondaryVersion on amd64
constexpr USHORT KdpFlagData = 0x2;
constexpr USHORT KdpFlagPointers64 = 0x4;
constexpr UCHAR KdpPacketTypes = 0x0C;
constexpr UCHAR KdpStateChanges = 3;
constexpr UCHAR KdpManipulateRequests = 0x31;
constexpr USHORT KdpBuild = 19041;

struct _DBGKD_GET_VERSION64 {
    USHORT MajorVersion;
    USHORT MinorVersion;
    UCHAR ProtocolVersion;
    UCHAR KdSecondaryVersion;
    USHORT Flags;
    USHORT MachineType;
    UCHAR MaxPacketType;
    UCHAR MaxStateChange;
    UCHAR MaxManipulate;
    UCHAR Simulation;
    USHORT Unused[1];
    ULONG64 KernBase;
    ULONG64 PsLoadedModuleList;
    ULONG64 DebuggerDataList;
};
static_assert(sizeof(_DBGKD_GET_VERSION64) == 40);

// All 8-byte members are addresses of variables unless their name says otherwise.
struct _KDDEBUGGER_DATA64 {
    LIST_ENTRY List;
    ULONG OwnerTag;
    ULONG Size;
    ULONG64 KernBase;
    ULONG64 BreakpointWithStatus;
    ULONG64 SavedContext;
    USHORT ThCallbackStack, NextCallback, FramePointer, PaeEnabled;
    ULONG64 KiCallUserMode, KeUserCallbackDispatcher;
    ULONG64 PsLoadedModuleList, PsActiveProcessHead, PspCidTable, ExpSystemResourcesList, ExpPagedPoolDescriptor,
        ExpNumberOfPagedPools, KeTimeIncrement, KeBugCheckCallbackListHead, KiBugcheckData, IopErrorLogListHead,
        ObpRootDirectoryObject, ObpTypeObjectType, MmSystemCacheStart, MmSystemCacheEnd, MmSystemCacheWs, MmPfnDatabase,
        MmSystemPtesStart, MmSystemPtesEnd, MmSubsectionBase, MmNumberOfPagingFiles, MmLowestPhysicalPage,
        MmHighestPhysicalPage, MmNumberOfPhysicalPages, MmMaximumNonPagedPoolInBytes, MmNonPagedSystemStart,
        MmNonPagedPoolStart, MmNonPagedPoolEnd, MmPagedPoolStart, MmPagedPoolEnd, MmPagedPoolInformation;
    ULONG64 MmPageSize;
    ULONG64 MmSizeOfPagedPoolInBytes, MmTotalCommitLimit, MmTotalCommittedPages, MmSharedCommit, MmDriverCommit,
        MmProcessCommit, MmPagedPoolCommit, MmExtendedCommit, MmZeroedPageListHead, MmFreePageListHead,
        MmStandbyPageListHead, MmModifiedPageListHead, MmModifiedNoWritePageListHead, MmAvailablePages,
        MmResidentAvailablePages, PoolTrackTable, NonPagedPoolDescriptor, MmHighestUserAddress, MmSystemRangeStart,
        MmUserProbeAddress, KdPrintCircularBuffer, KdPrintCircularBufferEnd, KdPrintWritePointer, KdPrintRolloverCount,
        MmLoadedUserImageList, NtBuildLab, KiNormalSystemCall, KiProcessorBlock, MmUnloadedDrivers,
        MmLastUnloadedDriver, MmTriageActionTaken, MmSpecialPoolTag, KernelVerifier, MmVerifierData,
        MmAllocatedNonPagedPool, MmPeakCommitment, MmTotalCommitLimitMaximum, CmNtCSDVersion, MmPhysicalMemoryBlock,
        MmSessionBase, MmSessionSize, MmSystemParentTablePage, MmVirtualTranslationBase;
    USHORT OffsetKThreadNextProcessor, OffsetKThreadTeb, OffsetKThreadKernelStack, OffsetKThreadInitialStack,
        OffsetKThreadApcProcess, OffsetKThreadState, OffsetKThreadBStore, OffsetKThreadBStoreLimit, SizeEProcess,
        OffsetEprocessPeb, OffsetEprocessParentCID, OffsetEprocessDirectoryTableBase, SizePrcb, OffsetPrcbDpcRoutine,
        OffsetPrcbCurrentThread, OffsetPrcbMhz, OffsetPrcbCpuType, OffsetPrcbVendorString, OffsetPrcbProcStateContext,
        OffsetPrcbNumber, SizeEThread;
    ULONG64 KdPrintCircularBufferPtr, KdPrintBufferSize, KeLoaderBlock;
    USHORT SizePcr, OffsetPcrSelfPcr, OffsetPcrCurrentPrcb, OffsetPcrContainedPrcb, OffsetPcrInitialBStore,
        OffsetPcrBStoreLimit, OffsetPcrInitialStack, OffsetPcrStackLimit, OffsetPrcbPcrPage,
        OffsetPrcbProcStateSpecialReg, GdtR0Code, GdtR0Data, GdtR0Pcr, GdtR3Code, GdtR3Data, GdtR3Teb, GdtLdt, GdtTss,
        Gdt64R3CmCode, Gdt64R3CmTeb;
    ULONG64 IopNumTriageDumpDataBlocks, IopTriageDumpDataBlocks, VfCrashDataBlock, MmBadPagesDetected,
        MmZeroedPageSingleBitErrorsDetected, EtwpDebuggerData;
    USHORT OffsetPrcbContext, OffsetPrcbMaxBreakpoints, OffsetPrcbMaxWatchpoints;
    ULONG OffsetKThreadStackLimit, OffsetKThreadStackBase, OffsetKThreadQueueListEntry, OffsetEThreadIrpList;
    USHORT OffsetPrcbIdleThread, OffsetPrcbNormalDpcState, OffsetPrcbDpcStack, OffsetPrcbIsrStack, SizeKDPC_STACK_FRAME,
        OffsetKPriQueueThreadListHead, OffsetKThreadWaitReason, Padding;
    ULONG64 PteBase; // a value
    ULONG64 RetpolineStubFunctionTable;
    ULONG RetpolineStubFunctionTableSize, RetpolineStubOffset, RetpolineStubSize;
};
static_assert(sizeof(_KDDEBUGGER_DATA64) == 0x380);
static_assert(__builtin_offsetof(_KDDEBUGGER_DATA64, KiBugcheckData) == 0x88);
static_assert(__builtin_offsetof(_KDDEBUGGER_DATA64, MmPageSize) == 0x138);
static_assert(__builtin_offsetof(_KDDEBUGGER_DATA64, PoolTrackTable) == 0x1B8);
static_assert(__builtin_offsetof(_KDDEBUGGER_DATA64, NtBuildLab) == 0x208);
static_assert(__builtin_offsetof(_KDDEBUGGER_DATA64, OffsetKThreadNextProcessor) == 0x298);
static_assert(__builtin_offsetof(_KDDEBUGGER_DATA64, OffsetPrcbProcStateContext) == 0x2BC);
static_assert(__builtin_offsetof(_KDDEBUGGER_DATA64, SizePcr) == 0x2E0);
static_assert(__builtin_offsetof(_KDDEBUGGER_DATA64, OffsetPrcbContext) == 0x338);
static_assert(__builtin_offsetof(_KDDEBUGGER_DATA64, OffsetPrcbIdleThread) == 0x350);
static_assert(__builtin_offsetof(_KDDEBUGGER_DATA64, PteBase) == 0x360);

extern "C" {
CHAR NtBuildLab[] = "19041.1.amd64fre.poolkd_lab";
NTKERNELAPI ULONG NtBuildNumber = 0xF0000000 | KdpBuild;
LIST_ENTRY KdpDebuggerDataListHead = {&KdpDebuggerDataListHead, &KdpDebuggerDataListHead};
_DBGKD_GET_VERSION64 KdVersionBlock;
_KDDEBUGGER_DATA64 KdDebuggerDataBlock;

// Variables of other parts, wanted here only for their addresses.
extern struct _POOL_TRACKER_TABLE* PoolTrackTable;
extern struct _POOL_DESCRIPTOR NonPagedPoolDescriptor;
extern struct _POOL_DESCRIPTOR* ExpPagedPoolDescriptor[];
extern ULONG ExpNumberOfPagedPools;
extern ULONG KeTimeIncrement;
extern ULONG64 MmNumberOfPhysicalPages, MmLowestPhysicalPage, MmHighestPhysicalPage, MmAvailablePages;
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
    return reinterpret_cast<ULONG64>(&Variable);
}

static VOID KdpFillVariables(_KDDEBUGGER_DATA64* Block) {
    Block->KernBase = KiLoaderBlock.KernelBase;
    Block->BreakpointWithStatus = reinterpret_cast<ULONG64>(DbgBreakPointWithStatus);
    Block->PsLoadedModuleList = KdpAddress(PsLoadedModuleList);
    Block->PsActiveProcessHead = KdpAddress(PsActiveProcessHead);
    Block->ExpPagedPoolDescriptor = reinterpret_cast<ULONG64>(ExpPagedPoolDescriptor);
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
    Block->KdPrintCircularBuffer = reinterpret_cast<ULONG64>(KdPrintDefaultCircularBuffer);
    Block->KdPrintCircularBufferEnd = Block->KdPrintCircularBuffer + KdPrintBufferSize;
    Block->KdPrintWritePointer = KdpAddress(KdPrintWritePointer);
    Block->KdPrintRolloverCount = KdpAddress(KdPrintRolloverCount);
    Block->KdPrintCircularBufferPtr = KdpAddress(KdPrintCircularBuffer);
    Block->KdPrintBufferSize = KdpAddress(KdPrintBufferSize);
    Block->NtBuildLab = reinterpret_cast<ULONG64>(NtBuildLab);
    Block->KiProcessorBlock = reinterpret_cast<ULONG64>(KiProcessorBlock);
    Block->MmUnloadedDrivers = KdpAddress(MmUnloadedDrivers);
    Block->MmLastUnloadedDriver = KdpAddress(MmLastUnloadedDriver);
    Block->MmAllocatedNonPagedPool = KdpAddress(MmAllocatedNonPagedPool);
    Block->MmPhysicalMemoryBlock = KdpAddress(MmPhysicalMemoryBlock);
    Block->KeLoaderBlock = KdpAddress(KeLoaderBlock);
    Block->PteBase = MmPteBase;
}

#define KDP_OFFSET(Type, Member) static_cast<USHORT>(__builtin_offsetof(Type, Member))

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
    Block->OffsetPcrSelfPcr = KDP_OFFSET(KPCR, Self);
    Block->OffsetPcrCurrentPrcb = KDP_OFFSET(KPCR, CurrentPrcb);
    Block->OffsetPcrContainedPrcb = KDP_OFFSET(KPCR, Prcb);
    Block->GdtR0Code = KGDT64_R0_CODE;
    Block->GdtR0Data = 0x18;
    Block->GdtR3Code = 0x30;
    Block->GdtR3Data = 0x28;
    Block->GdtTss = 0x40;
    Block->Gdt64R3CmCode = 0x20;
    Block->Gdt64R3CmTeb = 0x50;
}

extern "C" INIT_FUNCTION VOID KdInitializeBlocks(VOID) {
    _KDDEBUGGER_DATA64* block = &KdDebuggerDataBlock;
    block->OwnerTag = KdpDataBlockTag;
    block->Size = sizeof(*block);
    KdpFillVariables(block);
    KdpFillOffsets(block);
    InsertTailList(&KdpDebuggerDataListHead, &block->List);

    _DBGKD_GET_VERSION64* version = &KdVersionBlock;
    version->MajorVersion = KdpVersionFree;
    version->MinorVersion = KdpBuild;
    version->ProtocolVersion = KdpProtocolVersion;
    version->KdSecondaryVersion = KdpContextCurrent;
    version->Flags = KdpFlagData | KdpFlagPointers64;
    version->MachineType = KdpMachineAmd64;
    version->MaxPacketType = KdpPacketTypes;
    version->MaxStateChange = KdpStateChanges;
    version->MaxManipulate = KdpManipulateRequests;
    version->KernBase = KiLoaderBlock.KernelBase;
    version->PsLoadedModuleList = KdpAddress(PsLoadedModuleList);
    version->DebuggerDataList = KdpAddress(KdpDebuggerDataListHead);
}

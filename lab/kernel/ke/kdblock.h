// Layouts of the two blocks by which a debugger finds its way in the kernel, as the public headers have them
// (DBGKD_GET_VERSION64, KDDEBUGGER_DATA64), whatever the layout seed. Addresses are sign-extended.
#pragma once

#include "ke.h"

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
    union {
        LIST_ENTRY List; // 32-bit systems use half of the room
        ULONG64 ListRoom[2];
    };
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

#define KDP_OFFSET(Type, Member) static_cast<USHORT>(__builtin_offsetof(Type, Member))

// What the blocks say of the processor: its kind, offsets in its control region, selectors (amd64/, i386/).
VOID KdpFillProcessor(_DBGKD_GET_VERSION64* Version, _KDDEBUGGER_DATA64* Block);

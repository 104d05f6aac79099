#include "mm.h"

extern "C" {
ULONG_PTR MmPteBase;
PHYSICAL_MEMORY_DESCRIPTOR MiPhysicalMemory;
PHYSICAL_MEMORY_DESCRIPTOR* MmPhysicalMemoryBlock = &MiPhysicalMemory;
ULONG64 MmNumberOfPhysicalPages, MmLowestPhysicalPage, MmHighestPhysicalPage;
PVOID MiDebugWindow;
PVOID MiScratchWindow;
}

typedef struct _KUSER_SHARED_DATA KUSER_SHARED_DATA;

KIRQL MiLock(VOID) {
    KIRQL irql = KeGetCurrentIrql();
    return irql < DISPATCH_LEVEL ? KfRaiseIrql(DISPATCH_LEVEL) : irql;
}

VOID MiUnlock(KIRQL Irql) {
    KeLowerIrql(Irql);
}

static INIT_FUNCTION VOID MiFindMemory(VOID) {
    const LOADER_PARAMETER_BLOCK& loader = KiLoaderBlock;
    for (ULONG i = 0; i < loader.RunCount; i++) {
        ULONG64 first = MiPagesFor(loader.Runs[i].Base);
        ULONG64 end = (loader.Runs[i].Base + loader.Runs[i].Size) >> PAGE_SHIFT;
        if (end <= first) {
            continue;
        }
        MiPhysicalMemory.Run[MiPhysicalMemory.NumberOfRuns++] = {first, end - first};
        MmNumberOfPhysicalPages += end - first;
        MmHighestPhysicalPage = end - 1;
    }
    MiPhysicalMemory.NumberOfPages = MmNumberOfPhysicalPages;
    MmLowestPhysicalPage = MiPhysicalMemory.Run[0].BasePage;
}

// The page of system data that every program sees, at its one address in system space.
extern "C" INIT_FUNCTION VOID MmInitializeSharedData(VOID) {
    KUSER_SHARED_DATA* data = reinterpret_cast<KUSER_SHARED_DATA*>(LAB_SHARED_DATA);
    if (!MiMapNewPages(data, 1, MM_READWRITE)) {
        KeBugCheckEx(PHASE1_INITIALIZATION_FAILED, 0, 0, 0, 0);
    }
    memset(data, 0, PAGE_SIZE);
    constexpr WCHAR root[] = L"C:\\Windows";
    constexpr USHORT image_number_amd64 = 0x8664;
    constexpr USHORT processor_architecture_amd64 = 9;
    memcpy(data->NtSystemRoot, root, sizeof(root));
    data->TickCountMultiplier = static_cast<ULONG>((KiClockIncrement << 24) / 10000);
    data->ImageNumberLow = data->ImageNumberHigh = image_number_amd64;
    data->NtBuildNumber = NtBuildNumber & 0xFFFF;
    data->NtProductType = 1;
    data->ProductTypeIsValid = TRUE;
    data->NativeProcessorArchitecture = processor_architecture_amd64;
    data->NtMajorVersion = 10;
    data->NumberOfPhysicalPages = static_cast<ULONG>(MmNumberOfPhysicalPages);
    data->QpcFrequency = 10'000'000;
    data->ActiveProcessorCount = 1;
}

// The way of the loader into the kernel: a mapping of low memory at its physical address. Windows has no such map.
static INIT_FUNCTION VOID MiRemoveLowMapping(VOID) {
    PMMPTE pxe = MiGetPteAddress(MiGetPteAddress(MiGetPteAddress(MiGetPteAddress(ULONG_PTR(0)))));
    pxe->u.Long = 0;
    KiWriteCr3(KiReadCr3());
}

extern "C" INIT_FUNCTION VOID MmInitSystem(VOID) {
    MmPteBase = MiCanonical(static_cast<ULONG_PTR>(LAB_SELFMAP_INDEX) << 39);
    MiFindMemory();
    MiRemoveLowMapping();
    MiInitializePfnDatabase(MiPagesFor(KiLoaderBlock.UsedEnd));
    MiInitializePoolRegions();
    MiInitializeSystemRegions();
    MiDebugWindow = MiReserveSystemPtes(1);
    MiScratchWindow = MiReserveSystemPtes(1);
    if (MiDebugWindow == nullptr || MiScratchWindow == nullptr || !MiMakeTables(MiDebugWindow) ||
        !MiMakeTables(MiScratchWindow)) {
        KeBugCheckEx(PHASE1_INITIALIZATION_FAILED, 0, 0, 0, 1);
    }
    MmInitializeSharedData();
}

extern "C" VOID MmFreeLoaderMemory(VOID) {
    MiFreeDiscardableSections(CONTAINING_RECORD(PsLoadedModuleList.Flink, KLDR_DATA_TABLE_ENTRY, InLoadOrderLinks));
}

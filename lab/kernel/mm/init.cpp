#include "mm.h"
#include "pe.h"

extern "C" {
ULONG_PTR MmPteBase;
PHYSICAL_MEMORY_DESCRIPTOR MiPhysicalMemory;
PHYSICAL_MEMORY_DESCRIPTOR* MmPhysicalMemoryBlock = &MiPhysicalMemory;
ULONG_PTR MmNumberOfPhysicalPages, MmLowestPhysicalPage, MmHighestPhysicalPage;
PVOID MiDebugWindow;
PVOID MiScratchWindow;
}

typedef struct _KUSER_SHARED_DATA KUSER_SHARED_DATA;

static ULONG MiLockHolder; // the processor's number and 1
static ULONG MiLockDepth;

KIRQL MiLock(VOID) {
    KIRQL irql = KeGetCurrentIrql();
    if (irql < DISPATCH_LEVEL) {
        KfRaiseIrql(DISPATCH_LEVEL);
    }
    ULONG self = KeGetCurrentProcessorNumber() + 1;
    ULONG nobody = 0;
    while (__atomic_load_n(&MiLockHolder, __ATOMIC_RELAXED) != self &&
           !__atomic_compare_exchange_n(&MiLockHolder, &nobody, self, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
        nobody = 0;
        KiSpinWait();
    }
    MiLockDepth++;
    return irql;
}

VOID MiUnlock(KIRQL Irql) {
    if (--MiLockDepth == 0) {
        __atomic_store_n(&MiLockHolder, 0u, __ATOMIC_RELEASE);
    }
    KeLowerIrql(Irql);
}

static INIT_FUNCTION VOID MiFindMemory(VOID) {
    const LOADER_PARAMETER_BLOCK& loader = KiLoaderBlock;
    for (ULONG i = 0; i < loader.RunCount; i++) {
        PFN_NUMBER first = static_cast<PFN_NUMBER>((loader.Runs[i].Base + PAGE_SIZE - 1) >> PAGE_SHIFT);
        PFN_NUMBER end = static_cast<PFN_NUMBER>((loader.Runs[i].Base + loader.Runs[i].Size) >> PAGE_SHIFT);
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
    memcpy(data->NtSystemRoot, root, sizeof(root));
    data->TickCountMultiplier = static_cast<ULONG>((KiClockIncrement << 24) / 10000);
    data->ImageNumberLow = data->ImageNumberHigh = IMAGE_FILE_MACHINE_NATIVE;
    data->NtBuildNumber = NtBuildNumber & 0xFFFF;
    data->NtProductType = 1;
    data->ProductTypeIsValid = TRUE;
    data->NativeProcessorArchitecture = PROCESSOR_ARCHITECTURE_NATIVE;
    data->NtMajorVersion = KiMajorVersion;
    data->NtMinorVersion = KiMinorVersion;
    data->NumberOfPhysicalPages = static_cast<ULONG>(MmNumberOfPhysicalPages);
    data->QpcFrequency = 10'000'000;
    MmSetActiveProcessors(1);
}

extern "C" VOID MmSetActiveProcessors(ULONG Count) {
    reinterpret_cast<KUSER_SHARED_DATA*>(LAB_SHARED_DATA)->ActiveProcessorCount = Count;
}

extern "C" INIT_FUNCTION VOID MmInitSystem(VOID) {
    MiInitializeTables();
    MiFindMemory();
    MiInitializePfnDatabase(MiPagesFor(static_cast<SIZE_T>(KiLoaderBlock.UsedEnd)));
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

// Order of start. Phase 0 runs on the boot stack with interrupts off; phase 1 in the first thread, which outranks all
// others until the machine is set up and the debugger has had its say.
#include "ke.h"

extern "C" {
ULONG NtGlobalFlag;
}

extern "C" INIT_FUNCTION VOID KiInitializeKernel(const LOADER_PARAMETER_BLOCK* LoaderBlock) {
    KiLoaderBlock = *LoaderBlock;
    KiInitializeBootProcessor();
    KiWriteIrql(DISPATCH_LEVEL);
    KiInitializeScheduler(KeGetCurrentPrcb());
    MmInitSystem();
    CmInitSystem();
    ExInitSystem();
    PsInitSystem();
    MmInitializeLoadedModuleList();
    HalInitializeProcessor();
    KdInitializeBlocks();
    KdInitSystem();
    DbgLoadImageSymbols("\\SystemRoot\\system32\\ntoskrnl.exe",
                        CONTAINING_RECORD(PsLoadedModuleList.Flink, KLDR_DATA_TABLE_ENTRY, InLoadOrderLinks));
    KiInitializeSystemTime();
}

static INIT_FUNCTION VOID KiStartScenario(VOID) {
    CHAR scenario[32] = "idle";
    KeGetBootOption("scenario", scenario, sizeof(scenario));
    const PCSTR* drivers = CmScenarioDrivers(scenario);
    if (drivers == nullptr) {
        DbgPrint("LAB: unknown scenario '%s'\n", scenario);
        return;
    }
    for (; *drivers != nullptr; drivers++) {
        NTSTATUS status = IopLoadDriver(*drivers);
        if (!NT_SUCCESS(status)) {
            DbgPrint("LAB: %s did not start: %08lx\n", *drivers, static_cast<ULONG>(status));
        }
    }
}

// Not in INIT, for it frees that section.
extern "C" VOID Phase1Initialization(PVOID) {
    KeStartAllProcessors();
    MmSetActiveProcessors(KeNumberProcessors);
    PspStartBackground();
    KiStartScenario();
    MmFreeLoaderMemory();
    if (KeBootOptionIs("break", "on", TRUE)) {
        DbgBreakPointWithStatus(DBG_STATUS_CONTROL_C);
    }
    KiStartScheduling();
    PsTerminateSystemThread(STATUS_SUCCESS);
}

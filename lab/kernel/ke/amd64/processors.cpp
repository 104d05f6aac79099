// Start of the processors beside the first. Each begins in real mode on a low page, to which KiStartupCode is copied
// with what it needs behind it, and arrives in KiProcessorStartup on the stack of its idle thread.
#include "processor.h"

constexpr ULONG_PTR KiStartupPage = 0x8000;
// Microseconds: an emulated processor may wait long for its host's.
constexpr ULONG KiStartupPatience = 10'000'000;

extern "C" {
extern const UCHAR KiStartupCode[], KiStartupCodeEnd[];
VOID KiProcessorStartup(VOID);
NTSTATUS MmCreateStartupAddressSpace(ULONG_PTR Page, ULONG_PTR* DirectoryTableBase);
PKTHREAD PspCreateIdleThread(ULONG Processor);
}

// What the code finds behind itself.
struct KI_STARTUP_DATA {
    ULONG64 DirectoryTableBase;
    ULONG64 Stack;
    ULONG64 Entry;
    ULONG64 Processor; // KI_PROCESSOR
};

// KiProcessorStartup's own frame is the last on the stack: above it lies the zero that ends every walk.
constexpr SIZE_T KiStartupStackRoom = 0x30;

static BOOLEAN KiStartProcessor(ULONG Number) {
    ULONG_PTR directory = 0;
    KI_PROCESSOR* processor =
        static_cast<KI_PROCESSOR*>(MiAllocatePoolPages(FALSE, (sizeof(KI_PROCESSOR) + PAGE_SIZE - 1) / PAGE_SIZE));
    PKTHREAD idle = PspCreateIdleThread(Number);
    if (processor == nullptr || idle == nullptr ||
        !NT_SUCCESS(MmCreateStartupAddressSpace(KiStartupPage, &directory))) {
        return FALSE;
    }
    memset(processor, 0, sizeof(*processor));
    KiInitializeProcessor(processor, Number);
    PKPRCB prcb = &processor->Pcr.Prcb;
    prcb->CurrentThread = prcb->IdleThread = idle;
    KiInitializeScheduler(prcb);
    ExCreatePoolTagTable(Number);

    KI_STARTUP_DATA data = {directory, reinterpret_cast<ULONG64>(idle->StackBase) - KiStartupStackRoom,
                            reinterpret_cast<ULONG64>(KiProcessorStartup), reinterpret_cast<ULONG64>(processor)};
    SIZE_T size = static_cast<SIZE_T>(KiStartupCodeEnd - KiStartupCode);
    MmDbgCopyMemory(KiStartupPage, const_cast<PUCHAR>(KiStartupCode), size, MMDBG_COPY_WRITE | MMDBG_COPY_PHYSICAL);
    MmDbgCopyMemory(KiStartupPage + size, &data, sizeof(data), MMDBG_COPY_WRITE | MMDBG_COPY_PHYSICAL);
    HalStartProcessor(Number, KiStartupPage);
    for (ULONG waited = 0; waited < KiStartupPatience; waited += 10) {
        if (__atomic_load_n(&KiProcessorBlock[Number], __ATOMIC_SEQ_CST) != nullptr) {
            KeNumberProcessors = Number + 1;
            return TRUE;
        }
        KeStallExecutionProcessor(10);
    }
    return FALSE;
}

extern "C" VOID KeStartAllProcessors(VOID) {
    ULONG count = HalQueryProcessorCount();
    for (ULONG i = 1; i < count; i++) {
        if (!KiStartProcessor(i)) {
            DbgPrint("KE: processor %lu did not start\n", i);
            return;
        }
    }
}

// On the new processor, with interrupts off. What returns here becomes its idle loop.
extern "C" VOID KiInitializeStartedProcessor(KI_PROCESSOR* Processor) {
    KiLoadProcessor(Processor);
    PKPRCB prcb = &Processor->Pcr.Prcb;
    KiWriteCr3(prcb->IdleThread->ApcState.Process->DirectoryTableBase);
    KiWriteIrql(DISPATCH_LEVEL);
    HalInitializeLocalApic();
    KdpInitializeIdleProcessor();
    KiSaveSpecial(&prcb->ProcessorState.SpecialRegisters);
    __atomic_store_n(&KiProcessorBlock[prcb->Number], prcb, __ATOMIC_SEQ_CST);
}

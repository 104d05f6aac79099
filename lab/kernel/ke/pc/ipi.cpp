// Interrupts from one processor to another, and what they are for: to make it look at its ready threads, to make it
// forget translations, to make it stand still, to start it. Local APICs are numbered as the processors are.
#include "../ke.h"
#include "localapic.h"

namespace {

constexpr ULONG LocalApicBusy = 0x1000;
constexpr ULONG LocalApicIdShift = 24;
constexpr ULONG DeliverNmi = 0x400;
constexpr ULONG DeliverInit = 0x4500;
constexpr ULONG DeliverStartup = 0x4600;
constexpr ULONG KiIpiVector = 0xE1;
constexpr ULONG StartupDelay = 200; // microseconds between the two startup messages

// QEMU tells a machine how many processors it has.
constexpr USHORT FirmwareSelector = 0x510;
constexpr USHORT FirmwareData = 0x511;
constexpr USHORT FirmwareProcessors = 5;

volatile BOOLEAN KiTbFlushPending[MAXIMUM_PROCESSORS];

VOID HalpSend(ULONG Processor, ULONG Message) {
    BOOLEAN enabled = KeDisableInterrupts();
    // The frozen processor that becomes active may have been frozen between the two writes.
    ULONG high = HalReadLocalApic(LocalApicCommandHigh);
    HalWriteLocalApic(LocalApicCommandHigh, Processor << LocalApicIdShift);
    HalWriteLocalApic(LocalApicCommand, Message);
    while ((HalReadLocalApic(LocalApicCommand) & LocalApicBusy) != 0) {
        KiPause();
    }
    HalWriteLocalApic(LocalApicCommandHigh, high);
    KeRestoreInterrupts(enabled);
}

VOID KiServeTbFlush(VOID) {
    volatile BOOLEAN* pending = &KiTbFlushPending[KeGetCurrentProcessorNumber()];
    if (*pending) {
        KiWriteCr3(KiReadCr3());
        *pending = FALSE;
    }
}

} // namespace

extern "C" VOID HalRequestIpi(ULONG Processor, ULONG Vector) {
    HalpSend(Processor, Vector);
}

extern "C" VOID HalRequestNmi(ULONG Processor) {
    HalpSend(Processor, DeliverNmi);
}

extern "C" VOID HalStartProcessor(ULONG Processor, ULONG_PTR StartPage) {
    ULONG page = static_cast<ULONG>(StartPage >> PAGE_SHIFT);
    HalpSend(Processor, DeliverInit);
    KeStallExecutionProcessor(StartupDelay);
    HalpSend(Processor, DeliverStartup | page);
    KeStallExecutionProcessor(StartupDelay);
    HalpSend(Processor, DeliverStartup | page);
}

extern "C" ULONG HalQueryProcessorCount(VOID) {
    __asm__ volatile("outw %0, %1" : : "a"(FirmwareProcessors), "Nd"(FirmwareSelector));
    ULONG low = KiReadPort(FirmwareData);
    ULONG count = low | static_cast<ULONG>(KiReadPort(FirmwareData)) << 8;
    return count == 0 || count > MAXIMUM_PROCESSORS ? 1 : count; // all ones where there is no such port
}

extern "C" VOID KiIpiServiceRoutine(PKTRAP_FRAME) {
    HalEndSystemInterrupt();
    KiServeTbFlush();
}

// A processor that waits for another one may itself be waited for, with its interrupts off.
extern "C" VOID KiSpinWait(VOID) {
    KiServeTbFlush();
    KiPause();
}

extern "C" VOID KeFlushOtherTbs(VOID) {
    ULONG own = KeGetCurrentProcessorNumber();
    for (ULONG i = 0; i < KeNumberProcessors; i++) {
        if (i != own) {
            KiTbFlushPending[i] = TRUE;
            HalRequestIpi(i, KiIpiVector);
        }
    }
    for (ULONG i = 0; i < KeNumberProcessors; i++) {
        while (i != own && KiTbFlushPending[i]) {
            KiSpinWait();
        }
    }
}

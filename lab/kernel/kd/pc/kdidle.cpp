// Sleep of the stopped processor, so that an emulator leaves its host alone while somebody thinks at the prompt.
//
// The local APIC's own timer, which nothing else uses, wakes the processor at a vector above all others, and the task
// priority holds back everything below that vector meanwhile. So the machine stays as it was stopped: clock and
// software interrupts stay pending in the APIC until the kernel runs again, and the only code that runs is KdpWake
// (kdwake.S), which acknowledges. It has its own acknowledgement because the debugger may have a breakpoint in the
// HAL's.
#include "../kdpipe.h"
#include "ki.h"

constexpr ULONG64 KdpApicPhysical = 0xFEE00000;
constexpr uint32_t KdpApicTaskPriority = 0x80;
constexpr uint32_t KdpApicTimer = 0x320;
constexpr uint32_t KdpApicInitialCount = 0x380;
constexpr uint32_t KdpApicCurrentCount = 0x390;
constexpr uint32_t KdpApicDivide = 0x3E0;
constexpr uint32_t KdpApicDivideBy16 = 3;
constexpr uint32_t KdpApicMasked = 0x10000;

constexpr uint32_t KdpIdlePriority = KdpWakeVector - 0x10; // the class below that of the vector
constexpr uint32_t KdpIdleRounds = 3;
constexpr uint32_t KdpIdleMaximumLooks = 1000000;

extern "C" {
volatile uint32_t* KdpApic; // for KdpWake
}

static uint32_t KdpTicksPerMillisecond; // 0: the processor cannot be woken

static uint32_t KdpReadApic(uint32_t Register) {
    return KdpApic[Register / sizeof(uint32_t)];
}

static void KdpWriteApic(uint32_t Register, uint32_t Value) {
    KdpApic[Register / sizeof(uint32_t)] = Value;
}

// Ticks of the APIC's timer during one shot of the interval timer; 0 without that.
static uint32_t KdpMeasureShot() {
    KdpWriteApic(KdpApicInitialCount, 0xFFFFFFFF);
    KdpStartShot();
    uint32_t start = KdpReadApic(KdpApicCurrentCount);
    for (uint32_t looks = 0; looks < KdpIdleMaximumLooks; looks++) {
        if (KdpShotOver()) {
            return start - KdpReadApic(KdpApicCurrentCount);
        }
    }
    return 0;
}

VOID KdpInitializeIdleProcessor() {
    if (KdpApic != nullptr) {
        KdpWriteApic(KdpApicTimer, KdpApicMasked | KdpWakeVector);
        KdpWriteApic(KdpApicDivide, KdpApicDivideBy16);
    }
}

VOID KdpSleepWhile(const volatile ULONG* Word, ULONG Value) {
    uint32_t priority = KdpReadApic(KdpApicTaskPriority);
    KdpWriteApic(KdpApicTaskPriority, KdpIdlePriority);
    while (*Word == Value) {
        __asm__ volatile("sti; hlt; cli" : : : "memory");
    }
    KdpWriteApic(KdpApicTaskPriority, priority);
}

void KdpInitializeIdle() {
    KdpApic = static_cast<volatile uint32_t*>(MmMapIoSpace(KdpApicPhysical, PAGE_SIZE));
    if (KdpApic == nullptr) {
        return;
    }
    KdpInitializeIdleProcessor();
    // An emulated processor may lose its host's in the middle of a round: the shortest is the true one.
    uint32_t least = 0xFFFFFFFF;
    for (uint32_t round = 0; round < KdpIdleRounds; round++) {
        uint32_t ticks = KdpMeasureShot();
        least = ticks < least ? ticks : least;
    }
    KdpWriteApic(KdpApicInitialCount, 0);
    KdpTicksPerMillisecond = least / KdpShotMilliseconds;
}

bool KdpIdle(uint32_t Milliseconds) {
    if (KdpTicksPerMillisecond == 0) {
        return false;
    }
    uint32_t priority = KdpReadApic(KdpApicTaskPriority);
    KdpWriteApic(KdpApicTaskPriority, KdpIdlePriority);
    KdpWriteApic(KdpApicTimer, KdpWakeVector);
    KdpWriteApic(KdpApicInitialCount, KdpTicksPerMillisecond * Milliseconds);
    __asm__ volatile("sti; hlt; cli" : : : "memory"); // sti holds interrupts back for one more instruction
    bool over = KdpReadApic(KdpApicCurrentCount) == 0;
    KdpWriteApic(KdpApicTimer, KdpApicMasked | KdpWakeVector);
    KdpWriteApic(KdpApicInitialCount, 0);
    KdpWriteApic(KdpApicTaskPriority, priority);
    return over;
}

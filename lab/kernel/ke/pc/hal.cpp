// The machine around the processor: interrupt controllers, the 8254 timer as clock, the real-time clock, reset.
//
// The clock comes through the I/O APIC to vector D1h and software interrupts are sent by the local APIC to itself, at
// KiSoftwareVector, so that the task priority holds back what NT holds back.
#include "../ke.h"
#include "localapic.h"

namespace {

constexpr ULONG64 LocalApicPhysical = 0xFEE00000;
constexpr ULONG64 IoApicPhysical = 0xFEC00000;
constexpr ULONG LocalApicTaskPriority = 0x80;
constexpr ULONG LocalApicEoi = 0xB0;
constexpr ULONG LocalApicSpurious = 0xF0;
constexpr ULONG LocalApicLint0 = 0x350;
constexpr ULONG LocalApicMasked = 0x10000;
constexpr ULONG LocalApicToSelf = 0x40000;
constexpr ULONG LocalApicEnable = 0x100;
constexpr ULONG SpuriousVector = 0xFF;
constexpr ULONG ClockVector = 0xD1;
constexpr ULONG IoApicSelect = 0x00;
constexpr ULONG IoApicWindow = 0x10;
constexpr ULONG IoApicClockPin = 2; // where a PC wires the timer
constexpr ULONG IoApicRedirection = 0x10;

constexpr USHORT PicMasterData = 0x21;
constexpr USHORT PicSlaveData = 0xA1;
constexpr USHORT TimerData0 = 0x40;
constexpr USHORT TimerControl = 0x43;
constexpr UCHAR TimerRateGenerator = 0x34;
constexpr ULONG TimerFrequency = 1193182;
constexpr USHORT ClockIndex = 0x70;
constexpr USHORT ClockData = 0x71;
constexpr USHORT ResetPort = 0xCF9;
constexpr UCHAR ResetHard = 0x06;
constexpr USHORT KeyboardCommand = 0x64;
constexpr UCHAR KeyboardReset = 0xFE;
constexpr USHORT DebugConsole = 0xE9;
constexpr USHORT PostDelayPort = 0x80;

volatile ULONG* HalpLocalApic;
volatile ULONG* HalpIoApic;

VOID HalpWriteIo(ULONG Register, ULONG Value) {
    HalpIoApic[IoApicSelect / sizeof(ULONG)] = Register;
    HalpIoApic[IoApicWindow / sizeof(ULONG)] = Value;
}

ULONG HalpReadClock(UCHAR Register) {
    KiWritePort(ClockIndex, Register);
    return KiReadPort(ClockData);
}

ULONG HalpFromBcd(ULONG Value) {
    return (Value >> 4) * 10 + (Value & 15);
}

// Days from 1601-01-01 to a date of the Gregorian calendar.
LONGLONG HalpDays(LONGLONG Year, LONGLONG Month, LONGLONG Day) {
    static const USHORT before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    LONGLONG years = Year - 1601;
    BOOLEAN leap = (Year % 4 == 0 && Year % 100 != 0) || Year % 400 == 0;
    LONGLONG index = Month < 1 || Month > 12 ? 0 : Month - 1;
    return years * 365 + years / 4 - years / 100 + years / 400 + before[index] + (leap && Month > 2 ? 1 : 0) + Day - 1;
}

} // namespace

extern "C" ULONG HalReadLocalApic(ULONG Register) {
    return HalpLocalApic[Register / sizeof(ULONG)];
}

extern "C" VOID HalWriteLocalApic(ULONG Register, ULONG Value) {
    HalpLocalApic[Register / sizeof(ULONG)] = Value;
}

extern "C" VOID HalInitializeLocalApic(VOID) {
    HalWriteLocalApic(LocalApicLint0, LocalApicMasked);
    HalWriteLocalApic(LocalApicSpurious, LocalApicEnable | SpuriousVector);
}

extern "C" VOID HalInitializeProcessor(VOID) {
    KiWritePort(PicMasterData, 0xFF); // everything comes through the I/O APIC
    KiWritePort(PicSlaveData, 0xFF);
    HalpLocalApic = static_cast<volatile ULONG*>(MmMapIoSpace(LocalApicPhysical, PAGE_SIZE));
    HalpIoApic = static_cast<volatile ULONG*>(MmMapIoSpace(IoApicPhysical, PAGE_SIZE));
    HalInitializeLocalApic();

    ULONG divisor = TimerFrequency / KiClockFrequency;
    KiWritePort(TimerControl, TimerRateGenerator);
    KiWritePort(TimerData0, static_cast<UCHAR>(divisor));
    KiWritePort(TimerData0, static_cast<UCHAR>(divisor >> 8));
    HalpWriteIo(IoApicRedirection + 2 * IoApicClockPin + 1, 0);
    HalpWriteIo(IoApicRedirection + 2 * IoApicClockPin, ClockVector);
}

extern "C" VOID HalEndSystemInterrupt(VOID) {
    HalWriteLocalApic(LocalApicEoi, 0);
}

extern "C" VOID HalSetTaskPriority(UCHAR Priority) {
    if (HalpLocalApic != nullptr) {
        HalWriteLocalApic(LocalApicTaskPriority, Priority);
    }
}

extern "C" VOID HalRequestSoftwareInterrupt(KIRQL Irql) {
    if (HalpLocalApic != nullptr) {
        HalWriteLocalApic(LocalApicCommandHigh, 0);
        HalWriteLocalApic(LocalApicCommand, LocalApicToSelf | KiSoftwareVector(Irql));
    }
}

// The clock's interrupt service routine, reached from the trap entry through a dispatcher as device routines are.
extern "C" NOINLINE VOID HalpTimerClockInterrupt(PKTRAP_FRAME TrapFrame) {
    HalEndSystemInterrupt();
    for (ULONG i = 1; i < KeNumberProcessors && KeGetCurrentProcessorNumber() == 0; i++) {
        HalRequestIpi(i, ClockVector);
    }
    KeClockInterruptNotify(TrapFrame);
}

extern "C" NOINLINE VOID KiCallInterruptServiceRoutine(PKTRAP_FRAME TrapFrame) {
    KeGetCurrentPrcb()->InterruptCount++;
    HalpTimerClockInterrupt(TrapFrame);
}

extern "C" VOID KiAcknowledgeInterrupt(PKTRAP_FRAME) {
    HalEndSystemInterrupt();
}

extern "C" NOINLINE VOID KiDpcInterruptService(PKTRAP_FRAME) {
    HalEndSystemInterrupt();
    KiEnableInterrupts();
    KiDispatchInterrupt();
    KeDisableInterrupts();
}

extern "C" LONGLONG HalQueryRealTimeClock(VOID) {
    ULONG second = HalpFromBcd(HalpReadClock(0)), minute = HalpFromBcd(HalpReadClock(2));
    ULONG hour = HalpFromBcd(HalpReadClock(4)), day = HalpFromBcd(HalpReadClock(7));
    ULONG month = HalpFromBcd(HalpReadClock(8)), year = 2000 + HalpFromBcd(HalpReadClock(9));
    LONGLONG days = HalpDays(year, month, day);
    return (((days * 24 + hour) * 60 + minute) * 60 + second) * 10'000'000;
}

extern "C" DECLSPEC_NORETURN VOID HalReturnToFirmware(VOID) {
    KeDisableInterrupts();
    KiWritePort(ResetPort, ResetHard);
    for (;;) {
        KiWritePort(KeyboardCommand, KeyboardReset);
    }
}

extern "C" VOID HalpDebugPuts(PCSTR Text) {
    for (; *Text != 0; Text++) {
        KiWritePort(DebugConsole, static_cast<UCHAR>(*Text));
    }
}

// A write to the diagnostic port takes about a microsecond on the bus of a PC.
extern "C" VOID KeStallExecutionProcessor(ULONG Microseconds) {
    for (ULONG i = 0; i < Microseconds; i++) {
        KiWritePort(PostDelayPort, 0);
    }
}

// The boot processor's control block and descriptor tables.
#include "../ke.h"

typedef struct _KIDTENTRY64 KIDTENTRY64;
typedef struct _KTSS64 KTSS64;

extern "C" {
alignas(PAGE_SIZE) KPCR KiBootPcr;
PKPRCB KiProcessorBlock[MAXIMUM_PROCESSORS];
ULONG KeNumberProcessors = 1;

struct KI_DESCRIPTOR_REGISTER {
    USHORT Pad[3];
    USHORT Limit;
    ULONG64 Base;
};
VOID KiLoadSegments(const USHORT* Gdtr, const USHORT* Idtr);

VOID KiDivideErrorFault(VOID);
VOID KiDebugTrapOrFault(VOID);
VOID KiNmiInterrupt(VOID);
VOID KiBreakpointTrap(VOID);
VOID KiOverflowTrap(VOID);
VOID KiBoundFault(VOID);
VOID KiInvalidOpcodeFault(VOID);
VOID KiNpxNotAvailableFault(VOID);
VOID KiDoubleFaultAbort(VOID);
VOID KiNpxSegmentOverrunAbort(VOID);
VOID KiInvalidTssFault(VOID);
VOID KiSegmentNotPresentFault(VOID);
VOID KiStackFault(VOID);
VOID KiGeneralProtectionFault(VOID);
VOID KiPageFault(VOID);
VOID KiFloatingErrorFault(VOID);
VOID KiAlignmentFault(VOID);
VOID KiMcheckAbort(VOID);
VOID KiXmmException(VOID);
VOID KiApcInterrupt(VOID);
VOID KiRaiseAssertion(VOID);
VOID KiDebugServiceTrap(VOID);
VOID KiDpcInterrupt(VOID);
VOID KiInterruptDispatch(VOID);
VOID KiUnexpectedInterrupt(VOID);
VOID KdpWake(VOID);
}

namespace {

constexpr ULONG KiIdtEntries = 256;
constexpr ULONG KiGdtEntries = 12;
constexpr ULONG KiTssSelector = 0x40;
constexpr SIZE_T KiExceptionStackSize = 0x3000;
constexpr UCHAR KiInterruptGate = 0x0E;

// Numbers of the stacks that the processor switches to whatever the interrupted one is like.
enum { NoStack, PanicStack, MachineCheckStack, NmiStack };

KIDTENTRY64 KiIdt[KiIdtEntries];
ULONG64 KiGdt[KiGdtEntries];
alignas(16) KTSS64 KiTss;
alignas(16) UCHAR KiExceptionStacks[3][KiExceptionStackSize];

struct KI_GATE {
    VOID (*Entry)(VOID);
    UCHAR Vector;
    UCHAR Stack;
    UCHAR Level; // lowest privilege that may use the vector by an int instruction
};

// The table is data with pointers, so the image has relocations even though its code has none.
const KI_GATE KiGates[] = {
    {KiDivideErrorFault, 0x00, NoStack, 0},    {KiDebugTrapOrFault, 0x01, NoStack, 0},
    {KiNmiInterrupt, 0x02, NmiStack, 0},       {KiBreakpointTrap, 0x03, NoStack, 3},
    {KiOverflowTrap, 0x04, NoStack, 3},        {KiBoundFault, 0x05, NoStack, 0},
    {KiInvalidOpcodeFault, 0x06, NoStack, 0},  {KiNpxNotAvailableFault, 0x07, NoStack, 0},
    {KiDoubleFaultAbort, 0x08, PanicStack, 0}, {KiNpxSegmentOverrunAbort, 0x09, NoStack, 0},
    {KiInvalidTssFault, 0x0A, NoStack, 0},     {KiSegmentNotPresentFault, 0x0B, NoStack, 0},
    {KiStackFault, 0x0C, NoStack, 0},          {KiGeneralProtectionFault, 0x0D, NoStack, 0},
    {KiPageFault, 0x0E, NoStack, 0},           {KiFloatingErrorFault, 0x10, NoStack, 0},
    {KiAlignmentFault, 0x11, NoStack, 0},      {KiMcheckAbort, 0x12, MachineCheckStack, 0},
    {KiXmmException, 0x13, NoStack, 0},        {KiApcInterrupt, 0x1F, NoStack, 0},
    {KiRaiseAssertion, 0x2C, NoStack, 3},      {KiDebugServiceTrap, 0x2D, NoStack, 3},
    {KiDpcInterrupt, 0x2F, NoStack, 0},        {KiInterruptDispatch, 0xD1, NoStack, 0},
    {KdpWake, KdpWakeVector, NoStack, 0},
};

VOID KiSetGate(ULONG Vector, VOID (*Entry)(VOID), UCHAR Stack, UCHAR Level) {
    ULONG_PTR address = reinterpret_cast<ULONG_PTR>(Entry);
    KIDTENTRY64* gate = &KiIdt[Vector];
    gate->OffsetLow = static_cast<USHORT>(address);
    gate->OffsetMiddle = static_cast<USHORT>(address >> 16);
    gate->OffsetHigh = static_cast<ULONG>(address >> 32);
    gate->Selector = KGDT64_R0_CODE;
    gate->IstIndex = Stack & 7;
    gate->Type = KiInterruptGate;
    gate->Dpl = Level & 3;
    gate->Present = 1;
}

VOID KiInitializeTss(VOID) {
    memset(&KiTss, 0, sizeof(KiTss));
    for (ULONG i = 0; i < 3; i++) {
        ULONG64 top = reinterpret_cast<ULONG64>(&KiExceptionStacks[i][KiExceptionStackSize]);
        KiTss.Ist[2 * i] = static_cast<ULONG>(top);
        KiTss.Ist[2 * i + 1] = static_cast<ULONG>(top >> 32);
    }
    KiTss.IoMapBase = sizeof(KiTss); // no port map
}

VOID KiInitializeGdt(VOID) {
    KiGdt[0x10 / 8] = 0x00209B0000000000; // kernel code
    KiGdt[0x18 / 8] = 0x00CF93000000FFFF; // kernel data, stack
    KiGdt[0x20 / 8] = 0x00CFFB000000FFFF; // 32-bit user code
    KiGdt[0x28 / 8] = 0x00CFF3000000FFFF; // user data
    KiGdt[0x30 / 8] = 0x0020FB0000000000; // user code
    KiGdt[0x50 / 8] = 0x0040F30000003C00; // 32-bit thread block
    ULONG64 base = reinterpret_cast<ULONG64>(&KiTss);
    ULONG64 limit = sizeof(KiTss) - 1;
    KiGdt[KiTssSelector / 8] = limit | (base & 0xFFFFFF) << 16 | 0x89ull << 40 | (base >> 24 & 0xFF) << 56;
    KiGdt[KiTssSelector / 8 + 1] = base >> 32;
}

} // namespace

extern "C" VOID KiInitializeBootProcessor(VOID) {
    KiInitializeTss();
    KiInitializeGdt();
    for (ULONG vector = 0; vector < KiIdtEntries; vector++) {
        KiSetGate(vector, KiUnexpectedInterrupt, NoStack, 0);
    }
    for (const KI_GATE& gate : KiGates) {
        KiSetGate(gate.Vector, gate.Entry, gate.Stack, gate.Level);
    }
    KI_DESCRIPTOR_REGISTER gdtr = {{}, sizeof(KiGdt) - 1, reinterpret_cast<ULONG64>(KiGdt)};
    KI_DESCRIPTOR_REGISTER idtr = {{}, sizeof(KiIdt) - 1, reinterpret_cast<ULONG64>(KiIdt)};
    KiLoadSegments(&gdtr.Limit, &idtr.Limit);

    KPCR* pcr = &KiBootPcr;
    KPRCB* prcb = &pcr->Prcb;
    pcr->GdtBase = KiGdt;
    pcr->TssBase = &KiTss;
    pcr->IdtBase = KiIdt;
    pcr->Self = pcr;
    pcr->CurrentPrcb = prcb;
    pcr->Used_Self = pcr;
    pcr->MajorVersion = 1;
    pcr->MinorVersion = 1;
    pcr->KdVersionBlock = &KdVersionBlock;
    KiWriteMsr(MSR_GS_BASE, reinterpret_cast<ULONG64>(pcr));
    KiWriteMsr(MSR_GS_SWAP, 0);

    prcb->Number = 0;
    prcb->MajorVersion = 1;
    prcb->MinorVersion = 1;
    prcb->CpuType = 6;
    prcb->CpuID = 1;
    prcb->Context = &prcb->ProcessorState.ContextFrame;
    ULONG eax = 0, ebx = 0, ecx = 0, edx = 0;
    __asm__ volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
    ULONG vendor[3] = {ebx, edx, ecx};
    memcpy(prcb->VendorString, vendor, sizeof(vendor));
    KiProcessorBlock[0] = prcb;
    KiSaveSpecial(&prcb->ProcessorState.SpecialRegisters);
}

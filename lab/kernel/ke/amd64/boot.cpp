// Control region and descriptor tables of a processor.
#include "processor.h"

extern "C" {
KI_PROCESSOR KiBootProcessor;
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
VOID KiIpiInterrupt(VOID);
VOID KiUnexpectedInterrupt(VOID);
VOID KdpWake(VOID);
}

namespace {

constexpr ULONG KiTssSelector = 0x40;
constexpr UCHAR KiInterruptGate = 0x0E;

struct KI_GATE {
    VOID (*Entry)(VOID);
    UCHAR Vector;
    UCHAR Stack;
    UCHAR Level; // lowest privilege that may use the vector by an int instruction
};

// The non-maskable interrupt has no stack of its own: it may come again while the last one is on its way out.
// The table is data with pointers, so the image has relocations even though its code has none.
const KI_GATE KiGates[] = {
    {KiDivideErrorFault, 0x00, NoStack, 0},    {KiDebugTrapOrFault, 0x01, NoStack, 0},
    {KiNmiInterrupt, 0x02, NoStack, 0},        {KiBreakpointTrap, 0x03, NoStack, 3},
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
    {KiIpiInterrupt, 0xE1, NoStack, 0},        {KdpWake, KdpWakeVector, NoStack, 0},
};

VOID KiSetGate(KIDTENTRY64* Idt, ULONG Vector, VOID (*Entry)(VOID), UCHAR Stack, UCHAR Level) {
    ULONG_PTR address = reinterpret_cast<ULONG_PTR>(Entry);
    KIDTENTRY64* gate = &Idt[Vector];
    gate->OffsetLow = static_cast<USHORT>(address);
    gate->OffsetMiddle = static_cast<USHORT>(address >> 16);
    gate->OffsetHigh = static_cast<ULONG>(address >> 32);
    gate->Selector = KGDT64_R0_CODE;
    gate->IstIndex = Stack & 7;
    gate->Type = KiInterruptGate;
    gate->Dpl = Level & 3;
    gate->Present = 1;
}

VOID KiInitializeIdt(KI_PROCESSOR* Processor) {
    for (ULONG vector = 0; vector < KiIdtEntries; vector++) {
        KiSetGate(Processor->Idt, vector, KiUnexpectedInterrupt, NoStack, 0);
    }
    for (const KI_GATE& gate : KiGates) {
        KiSetGate(Processor->Idt, gate.Vector, gate.Entry, gate.Stack, gate.Level);
    }
}

VOID KiInitializeTss(KI_PROCESSOR* Processor) {
    for (ULONG i = 0; i < KiExceptionStacks; i++) {
        ULONG64 top = reinterpret_cast<ULONG64>(&Processor->Stacks[i][KiExceptionStackSize]);
        Processor->Tss.Ist[2 * i] = static_cast<ULONG>(top);
        Processor->Tss.Ist[2 * i + 1] = static_cast<ULONG>(top >> 32);
    }
    Processor->Tss.IoMapBase = sizeof(KTSS64); // no port map
}

VOID KiInitializeGdt(KI_PROCESSOR* Processor) {
    ULONG64* gdt = Processor->Gdt;
    gdt[0x10 / 8] = 0x00209B0000000000; // kernel code
    gdt[0x18 / 8] = 0x00CF93000000FFFF; // kernel data, stack
    gdt[0x20 / 8] = 0x00CFFB000000FFFF; // 32-bit user code
    gdt[0x28 / 8] = 0x00CFF3000000FFFF; // user data
    gdt[0x30 / 8] = 0x0020FB0000000000; // user code
    gdt[0x50 / 8] = 0x0040F30000003C00; // 32-bit thread block
    ULONG64 base = reinterpret_cast<ULONG64>(&Processor->Tss);
    ULONG64 limit = sizeof(KTSS64) - 1;
    gdt[KiTssSelector / 8] = limit | (base & 0xFFFFFF) << 16 | 0x89ull << 40 | (base >> 24 & 0xFF) << 56;
    gdt[KiTssSelector / 8 + 1] = base >> 32;
}

} // namespace

extern "C" VOID KiInitializeProcessor(KI_PROCESSOR* Processor, ULONG Number) {
    KiInitializeIdt(Processor);
    KiInitializeTss(Processor);
    KiInitializeGdt(Processor);
    KPCR* pcr = &Processor->Pcr;
    KPRCB* prcb = &pcr->Prcb;
    pcr->GdtBase = Processor->Gdt;
    pcr->TssBase = &Processor->Tss;
    pcr->IdtBase = Processor->Idt;
    pcr->Self = pcr;
    pcr->CurrentPrcb = prcb;
    pcr->Used_Self = pcr;
    pcr->MajorVersion = 1;
    pcr->MinorVersion = 1;
    pcr->KdVersionBlock = &KdVersionBlock;
    prcb->Number = Number;
    prcb->LegacyNumber = static_cast<UCHAR>(Number);
    prcb->MajorVersion = 1;
    prcb->MinorVersion = 1;
    prcb->CpuType = 6;
    prcb->CpuID = 1;
    prcb->Context = &prcb->ProcessorState.ContextFrame;
    ULONG eax = 0, ebx = 0, ecx = 0, edx = 0;
    __asm__ volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
    ULONG vendor[3] = {ebx, edx, ecx};
    memcpy(prcb->VendorString, vendor, sizeof(vendor));
}

extern "C" VOID KiLoadProcessor(KI_PROCESSOR* Processor) {
    KI_DESCRIPTOR_REGISTER gdtr = {{}, sizeof(Processor->Gdt) - 1, reinterpret_cast<ULONG64>(Processor->Gdt)};
    KI_DESCRIPTOR_REGISTER idtr = {{}, sizeof(Processor->Idt) - 1, reinterpret_cast<ULONG64>(Processor->Idt)};
    KiLoadSegments(&gdtr.Limit, &idtr.Limit);
    KiWriteMsr(MSR_GS_BASE, reinterpret_cast<ULONG64>(&Processor->Pcr));
    KiWriteMsr(MSR_GS_SWAP, 0);
}

extern "C" VOID KiInitializeBootProcessor(VOID) {
    KiInitializeProcessor(&KiBootProcessor, 0);
    KiLoadProcessor(&KiBootProcessor);
    PKPRCB prcb = &KiBootProcessor.Pcr.Prcb;
    KiProcessorBlock[0] = prcb;
    KiSaveSpecial(&prcb->ProcessorState.SpecialRegisters);
}

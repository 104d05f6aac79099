// The boot processor's control region and descriptor tables.
#include "../ke.h"

typedef struct _KIDTENTRY KIDTENTRY;
typedef struct _KGDTENTRY KGDTENTRY;
typedef struct _KTSS KTSS;

extern "C" {
alignas(PAGE_SIZE) KPCR KiInitialPCR;
PKPRCB KiProcessorBlock[MAXIMUM_PROCESSORS];
ULONG KeNumberProcessors = 1;
KTSS KiTss;
KTSS KiDoubleFaultTss;

VOID KiLoadSegments(const USHORT* Gdtr, const USHORT* Idtr);

// The entries are no functions that anybody calls: their names have no number of argument bytes.
typedef VOID CDECL KI_ENTRY(VOID);
KI_ENTRY KiTrap00, KiTrap01, KiTrap02, KiTrap03, KiTrap04, KiTrap05, KiTrap06, KiTrap07, KiTrap08, KiTrap09, KiTrap0A,
    KiTrap0B, KiTrap0C, KiTrap0D, KiTrap0E, KiTrap10, KiTrap11, KiTrap12, KiTrap13, KiRaiseAssertion, KiDebugService,
    HalpApcInterrupt, HalpDispatchInterrupt, HalpClockInterrupt, KiUnexpectedInterrupt, KdpWake;
}

namespace {

constexpr ULONG KiIdtEntries = 256;
constexpr ULONG KiGdtEntries = 32;
constexpr ULONG KiClockVector = 0xD1;
constexpr SIZE_T KiPanicStackSize = 0x3000;
constexpr USHORT KiInterruptGate = 0x0E00;
constexpr USHORT KiTaskGate = 0x0500;
constexpr USHORT KiGatePresent = 0x8000;

// Types and sizes in descriptors.
constexpr UCHAR KiRing0 = 0x00, KiRing3 = 0x60;
constexpr UCHAR KiCode = 0x9B, KiData = 0x93, KiTaskState = 0x89;
constexpr UCHAR KiFlat = 0xC0, KiBytes = 0x40, KiSystem = 0x00;

KIDTENTRY KiIdt[KiIdtEntries];
KGDTENTRY KiGdt[KiGdtEntries];
alignas(16) UCHAR KiPanicStack[KiPanicStackSize];

struct KI_GATE {
    KI_ENTRY* Entry;
    UCHAR Vector;
    UCHAR Level; // lowest privilege that may use the vector by an int instruction
};

const KI_GATE KiGates[] = {
    {KiTrap00, 0x00, 0},
    {KiTrap01, 0x01, 0},
    {KiTrap02, 0x02, 0},
    {KiTrap03, 0x03, 3},
    {KiTrap04, 0x04, 3},
    {KiTrap05, 0x05, 0},
    {KiTrap06, 0x06, 0},
    {KiTrap07, 0x07, 0},
    {KiTrap09, 0x09, 0},
    {KiTrap0A, 0x0A, 0},
    {KiTrap0B, 0x0B, 0},
    {KiTrap0C, 0x0C, 0},
    {KiTrap0D, 0x0D, 0},
    {KiTrap0E, 0x0E, 0},
    {KiTrap10, 0x10, 0},
    {KiTrap11, 0x11, 0},
    {KiTrap12, 0x12, 0},
    {KiTrap13, 0x13, 0},
    {KiRaiseAssertion, 0x2C, 3},
    {KiDebugService, 0x2D, 3},
    {HalpApcInterrupt, KiSoftwareVector(APC_LEVEL), 0},
    {HalpDispatchInterrupt, KiSoftwareVector(DISPATCH_LEVEL), 0},
    {HalpClockInterrupt, KiClockVector, 0},
    {KdpWake, KdpWakeVector, 0},
};

VOID KiSetGate(ULONG Vector, KI_ENTRY* Entry, UCHAR Level) {
    ULONG_PTR address = reinterpret_cast<ULONG_PTR>(Entry);
    KIDTENTRY* gate = &KiIdt[Vector];
    gate->Offset = static_cast<USHORT>(address);
    gate->ExtendedOffset = static_cast<USHORT>(address >> 16);
    gate->Selector = KGDT_R0_CODE;
    gate->Access = static_cast<USHORT>(KiGatePresent | KiInterruptGate | Level << 13);
}

VOID KiSetDescriptor(USHORT Selector, ULONG_PTR Base, ULONG Limit, UCHAR Type, UCHAR Ring, UCHAR Size) {
    KGDTENTRY* entry = &KiGdt[Selector / sizeof(KGDTENTRY)];
    entry->LimitLow = static_cast<USHORT>(Limit);
    entry->BaseLow = static_cast<USHORT>(Base);
    entry->BaseMid = static_cast<UCHAR>(Base >> 16);
    entry->Flags1 = Type | Ring;
    entry->Flags2 = static_cast<UCHAR>(Size | (Limit >> 16 & 0x0F));
    entry->BaseHi = static_cast<UCHAR>(Base >> 24);
}

VOID KiInitializeGdt(VOID) {
    constexpr ULONG all = 0xFFFFF; // pages
    KiSetDescriptor(KGDT_R0_CODE, 0, all, KiCode, KiRing0, KiFlat);
    KiSetDescriptor(KGDT_R0_DATA, 0, all, KiData, KiRing0, KiFlat);
    KiSetDescriptor(KGDT_R3_CODE, 0, all, KiCode, KiRing3, KiFlat);
    KiSetDescriptor(KGDT_R3_DATA, 0, all, KiData, KiRing3, KiFlat);
    KiSetDescriptor(KGDT_TSS, reinterpret_cast<ULONG_PTR>(&KiTss), sizeof(KiTss) - 1, KiTaskState, KiRing0, KiSystem);
    KiSetDescriptor(KGDT_R0_PCR, reinterpret_cast<ULONG_PTR>(&KiInitialPCR), sizeof(KiInitialPCR) - 1, KiData, KiRing0,
                    KiBytes);
    KiSetDescriptor(KGDT_R3_TEB, 0, PAGE_SIZE - 1, KiData, KiRing3, KiBytes);
    KiSetDescriptor(KGDT_DF_TSS, reinterpret_cast<ULONG_PTR>(&KiDoubleFaultTss), sizeof(KiDoubleFaultTss) - 1,
                    KiTaskState, KiRing0, KiSystem);
}

// A double fault changes to a task with a stack that is good whatever the interrupted one is like.
VOID KiInitializeTasks(VOID) {
    KiTss.Ss0 = KGDT_R0_DATA;
    KiTss.IoMapBase = sizeof(KiTss); // no port map
    KTSS* panic = &KiDoubleFaultTss;
    panic->IoMapBase = sizeof(*panic);
    panic->CR3 = KiReadCr3();
    panic->Eip = reinterpret_cast<ULONG_PTR>(KiTrap08);
    panic->Esp = reinterpret_cast<ULONG_PTR>(&KiPanicStack[KiPanicStackSize - 16]); // where a zero ends walks
    panic->EFlags = 2;
    panic->Cs = KGDT_R0_CODE;
    panic->Ss = KGDT_R0_DATA;
    panic->Ds = panic->Es = KGDT_R3_DATA | RPL_USER;
    panic->Fs = KGDT_R0_PCR;
    KiIdt[0x08].Selector = KGDT_DF_TSS;
    KiIdt[0x08].Access = KiGatePresent | KiTaskGate;
}

} // namespace

extern "C" VOID KiInitializeBootProcessor(VOID) {
    KiInitializeGdt();
    for (ULONG vector = 0; vector < KiIdtEntries; vector++) {
        KiSetGate(vector, KiUnexpectedInterrupt, 0);
    }
    for (const KI_GATE& gate : KiGates) {
        KiSetGate(gate.Vector, gate.Entry, gate.Level);
    }
    KiInitializeTasks();

    KPCR* pcr = &KiInitialPCR;
    KPRCB* prcb = &pcr->PrcbData;
    pcr->NtTib.ExceptionList = reinterpret_cast<PVOID>(~ULONG_PTR(0));
    pcr->NtTib.StackBase = KiBootStackTop;
    pcr->NtTib.StackLimit = KiBootStack;
    pcr->SelfPcr = pcr;
    pcr->Prcb = prcb;
    pcr->IDT = KiIdt;
    pcr->GDT = KiGdt;
    pcr->TSS = &KiTss;
    pcr->MajorVersion = 1;
    pcr->MinorVersion = 1;
    pcr->SetMember = 1;
    pcr->KdVersionBlock = &KdVersionBlock;
    _KDESCRIPTOR gdtr = {0, sizeof(KiGdt) - 1, reinterpret_cast<ULONG_PTR>(KiGdt)};
    _KDESCRIPTOR idtr = {0, sizeof(KiIdt) - 1, reinterpret_cast<ULONG_PTR>(KiIdt)};
    KiLoadSegments(&gdtr.Limit, &idtr.Limit);

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

#include "../kdblock.h"

constexpr USHORT KdpMachineI386 = 0x014C;
constexpr USHORT KdpFlagData = 0x2;

extern "C" VOID RtlpBreakWithStatusInstruction(VOID);

VOID KdpFillProcessor(_DBGKD_GET_VERSION64* Version, _KDDEBUGGER_DATA64* Block) {
    Version->MachineType = KdpMachineI386;
    Version->KdSecondaryVersion = 0;
    Version->Flags = KdpFlagData;
    Block->BreakpointWithStatus = KdExtendAddress(reinterpret_cast<PVOID>(RtlpBreakWithStatusInstruction));
#ifdef LAB_PAE
    Block->PaeEnabled = TRUE;
#endif
    Block->OffsetPcrSelfPcr = KDP_OFFSET(KPCR, SelfPcr);
    Block->OffsetPcrCurrentPrcb = KDP_OFFSET(KPCR, Prcb);
    Block->OffsetPcrContainedPrcb = KDP_OFFSET(KPCR, PrcbData);
    Block->GdtR0Code = KGDT_R0_CODE;
    Block->GdtR0Data = KGDT_R0_DATA;
    Block->GdtR0Pcr = KGDT_R0_PCR;
    Block->GdtR3Code = KGDT_R3_CODE | RPL_USER;
    Block->GdtR3Data = KGDT_R3_DATA | RPL_USER;
    Block->GdtR3Teb = KGDT_R3_TEB | RPL_USER;
    Block->GdtLdt = KGDT_LDT;
    Block->GdtTss = KGDT_TSS;
}

#include "../kdblock.h"

constexpr USHORT KdpMachineAmd64 = 0x8664;
constexpr UCHAR KdpContextCurrent = 2; // KdSecondaryVersion on amd64
constexpr USHORT KdpFlagData = 0x2;
constexpr USHORT KdpFlagPointers64 = 0x4;

VOID KdpFillProcessor(_DBGKD_GET_VERSION64* Version, _KDDEBUGGER_DATA64* Block) {
    Version->MachineType = KdpMachineAmd64;
    Version->KdSecondaryVersion = KdpContextCurrent;
    Version->Flags = KdpFlagData | KdpFlagPointers64;
    Block->BreakpointWithStatus = KdExtendAddress(reinterpret_cast<PVOID>(DbgBreakPointWithStatus));
    Block->OffsetPcrSelfPcr = KDP_OFFSET(KPCR, Self);
    Block->OffsetPcrCurrentPrcb = KDP_OFFSET(KPCR, CurrentPrcb);
    Block->OffsetPcrContainedPrcb = KDP_OFFSET(KPCR, Prcb);
    Block->GdtR0Code = KGDT64_R0_CODE;
    Block->GdtR0Data = 0x18;
    Block->GdtR3Code = 0x30;
    Block->GdtR3Data = 0x28;
    Block->GdtTss = 0x40;
    Block->Gdt64R3CmCode = 0x20;
    Block->Gdt64R3CmTeb = 0x50;
}

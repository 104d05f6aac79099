// The control spaces of x64 that are addresses.
#include "../kdp.h"
#include "ki.h"

static_assert(sizeof(CONTEXT) == 0x4D0 && sizeof(KSPECIAL_REGISTERS) == 0xF0);

uint64_t KdpControlAddress(uint16_t Processor, uint64_t Selector) {
    PKPRCB prcb = KiProcessorBlock[Processor];
    switch (Selector) {
    case 0: return reinterpret_cast<uint64_t>(CONTAINING_RECORD(prcb, KPCR, Prcb));
    case 1: return reinterpret_cast<uint64_t>(prcb);
    case 3: return reinterpret_cast<uint64_t>(prcb->CurrentThread);
    default: return 0;
    }
}

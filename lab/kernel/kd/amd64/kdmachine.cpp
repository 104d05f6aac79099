// The debugger's view of the machine: memory through the page tables, control spaces, machine registers, ports.
#include "../kdp.h"
#include "../kdpipe.h"
#include "ki.h"

static_assert(sizeof(CONTEXT) == 0x4D0 && sizeof(KSPECIAL_REGISTERS) == 0xF0);

constexpr uint64_t KdpPtePresent = 0x1;
constexpr uint64_t KdpPteWrite = 0x2;
constexpr uint64_t KdpPteLarge = 0x80;
constexpr uint64_t KdpPteNoExecute = 0x8000000000000000;

constexpr uint64_t KdpSelectorPcr = 0;
constexpr uint64_t KdpSelectorPrcb = 1;
constexpr uint64_t KdpSelectorThread = 3;

uint32_t KdpReadVirtual(uint64_t Address, void* Bytes, uint32_t Size) {
    return static_cast<uint32_t>(MmDbgCopyMemory(Address, Bytes, Size, 0));
}

uint32_t KdpWriteVirtual(uint64_t Address, const void* Bytes, uint32_t Size) {
    return static_cast<uint32_t>(MmDbgCopyMemory(Address, const_cast<void*>(Bytes), Size, MMDBG_COPY_WRITE));
}

uint32_t KdpReadPhysical(uint64_t Address, void* Bytes, uint32_t Size) {
    return static_cast<uint32_t>(MmDbgCopyMemory(Address, Bytes, Size, MMDBG_COPY_PHYSICAL));
}

uint32_t KdpWritePhysical(uint64_t Address, const void* Bytes, uint32_t Size) {
    return static_cast<uint32_t>(
        MmDbgCopyMemory(Address, const_cast<void*>(Bytes), Size, MMDBG_COPY_PHYSICAL | MMDBG_COPY_WRITE));
}

static uint64_t KdpTableEntry(uint64_t Address) {
    constexpr uint64_t offsetMask = 0x0000007FFFFFFFF8;
    return MmPteBase + (Address >> 9 & offsetMask);
}

uint32_t KdpQueryProtection(uint64_t Address) {
    if (!MmIsAddressValidForDebugger(Address)) {
        return 0;
    }
    uint64_t pte = KdpTableEntry(Address);
    uint64_t pde = KdpTableEntry(pte);
    uint64_t ppe = KdpTableEntry(pde);
    uint64_t levels[4] = {KdpTableEntry(ppe), ppe, pde, pte};
    uint32_t flags = 7;
    for (uint64_t level : levels) {
        uint64_t entry = *reinterpret_cast<const volatile uint64_t*>(level);
        if ((entry & KdpPtePresent) == 0) {
            return 0;
        }
        if ((entry & KdpPteWrite) == 0) flags &= ~2u;
        if ((entry & KdpPteNoExecute) != 0) flags &= ~4u;
        if ((entry & KdpPteLarge) != 0) break;
    }
    return flags;
}

uint32_t KdpQueryAddressSpace(uint64_t Address) {
    return static_cast<int64_t>(Address) < 0 ? 2 : 0;
}

uint32_t KdpReadControl(uint16_t Processor, uint64_t Selector, void* Bytes, uint32_t Size) {
    PKPRCB prcb = KiProcessorBlock[Processor];
    uint64_t value = 0;
    switch (Selector) {
    case KdpSelectorPcr: value = reinterpret_cast<uint64_t>(CONTAINING_RECORD(prcb, KPCR, Prcb)); break;
    case KdpSelectorPrcb: value = reinterpret_cast<uint64_t>(prcb); break;
    case KdpSelectorThread: value = reinterpret_cast<uint64_t>(prcb->CurrentThread); break;
    default: return 0;
    }
    if (Size < sizeof value) {
        return 0;
    }
    __builtin_memcpy(Bytes, &value, sizeof value);
    return sizeof value;
}

bool KdpReadMsr(uint32_t Msr, uint64_t* Value) {
    uint32_t low;
    uint32_t high;
    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(Msr));
    *Value = static_cast<uint64_t>(high) << 32 | low;
    return true;
}

bool KdpWriteMsr(uint32_t Msr, uint64_t Value) {
    __asm__ volatile("wrmsr" : : "c"(Msr), "a"(static_cast<uint32_t>(Value)), "d"(static_cast<uint32_t>(Value >> 32)));
    return true;
}

uint32_t KdpReadPort(uint16_t Port, uint32_t Size) {
    switch (Size) {
    case 1: return KdpIn8(Port);
    case 2: return KdpIn16(Port);
    default: return KdpIn32(Port);
    }
}

void KdpWritePort(uint16_t Port, uint32_t Size, uint32_t Value) {
    switch (Size) {
    case 1: KdpOut8(Port, static_cast<uint8_t>(Value)); break;
    case 2: KdpOut16(Port, static_cast<uint16_t>(Value)); break;
    default: KdpOut32(Port, Value); break;
    }
}

void KdpGetVersion(uint8_t* VersionBlock) {
    __builtin_memcpy(VersionBlock, reinterpret_cast<const uint8_t*>(&KdVersionBlock), 40);
}

void KdpRestartMachine() {
    HalReturnToFirmware();
}

void KdpStartBugCheck() {
    KeBugCheckEx(MANUALLY_INITIATED_CRASH, 0, 0, 0, 0);
}

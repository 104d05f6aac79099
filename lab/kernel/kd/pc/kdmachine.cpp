// The debugger's view of the machine: memory through the page tables, machine registers, ports.
#include "../kdp.h"
#include "../kdpipe.h"
#include "ki.h"

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

uint32_t KdpQueryProtection(uint64_t Address) {
    return static_cast<uint32_t>(MmGetProtectionForDebugger(Address));
}

uint32_t KdpQueryAddressSpace(uint64_t Address) {
    return static_cast<LONG_PTR>(Address) < 0 ? 2 : 0;
}

uint8_t* KdpSavedContext(uint16_t Processor) {
    return reinterpret_cast<uint8_t*>(&KiProcessorBlock[Processor]->ProcessorState.ContextFrame);
}

uint8_t* KdpSavedSpecial(uint16_t Processor) {
    return reinterpret_cast<uint8_t*>(&KiProcessorBlock[Processor]->ProcessorState.SpecialRegisters);
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

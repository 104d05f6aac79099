#pragma once

#include "memory/patched_memory.h"
#include "nt/kdbg.h"
#include "nt/kernel.h"

#include <cstdint>
#include <optional>
#include <vector>

namespace poolkd::nt {

/// Where NT keeps the registers of a processor that it stopped, by the offsets in its debugger data block.
struct ProcessorRecords {
    /// CONTEXT: where KPRCB.Context leads, which later versions have and which may lie elsewhere, then
    /// KPRCB.ProcessorState.ContextFrame; once where they are the same.
    std::vector<VirtAddr> contexts;
    std::optional<VirtAddr> special; ///< KSPECIAL_REGISTERS
};

/// Of the processor with this KPRCB.
[[nodiscard]] ProcessorRecords processor_records(memory::AddressSpace& memory, const Machine& machine, const Kdbg& kdbg,
                                                 VirtAddr block);

/// Puts the registers of all processors, as far as the target knows them, where NT keeps them: a dump is to say what
/// they were doing also when nothing in the machine stopped them. Records of other processors stay as they are. So
/// does, among several, that of the one whose registers a crash dump's header has: it does not say which it is. Gives
/// of how many processors the registers are there then; none without a debugger data block.
std::size_t put_registers(Kernel& kernel, memory::PatchedMemory& memory);

} // namespace poolkd::nt

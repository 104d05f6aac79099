#include "nt/processor_records.h"

#include "dumps/image.h"
#include "memory/page_walk.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace poolkd::nt {

namespace {

std::size_t context_flags_at(const Machine& machine) {
    return machine.pointer_size == 8 ? 0x30 : 0;
}

/// CONTEXT_AMD64, CONTEXT_i386: what every record of the machine has among its flags.
std::uint32_t flag_of_machine(const Machine& machine) {
    return machine.pointer_size == 8 ? 0x100000 : 0x10000;
}

/// What may stand in ContextFlags of the machine: the kinds of registers, and what the system notes of exceptions
/// (winnt.h: CONTEXT_CONTROL to CONTEXT_KERNEL_CET, CONTEXT_EXCEPTION_ACTIVE to CONTEXT_EXCEPTION_REPORTING).
bool are_context_flags(std::uint32_t flags, const Machine& machine) {
    constexpr std::uint32_t kinds = 0xff, exceptions = 0xf8000000;
    return (flags & ~(kinds | exceptions)) == flag_of_machine(machine);
}

/// A crash dump's header has the registers of one processor and does not say of which: the target shows them as
/// processor 0's, of several they may be another's.
bool may_be_of_another(const target::Target& target, std::uint32_t processor) {
    const dumps::MemoryImage* image = target.memory_image();
    if (!image || image->facts.context.empty() || target.identity().processors <= 1) return false;
    const auto& own = image->facts.processors;
    return processor >= own.size() || own[processor].context.empty();
}

/// The record as readers expect it. Containers of emulators have no flags, and nothing behind the core.
ByteVector context_to_write(const RegisterFile& registers) {
    const Machine& machine = registers.machine();
    ByteVector context(registers.bytes().begin(), registers.bytes().end());
    if (load_or<std::uint32_t>(context, context_flags_at(machine)) != 0) return context;
    constexpr std::uint32_t control_integer_segments = 0x7;
    context.resize(std::min<std::size_t>(context.size(), machine.context_core_size));
    store(MutableBytes(context), context_flags_at(machine), flag_of_machine(machine) | control_integer_segments);
    return context;
}

class RegisterWriter {
  public:
    RegisterWriter(Kernel& kernel, const target::PageTables& tables, memory::PatchedMemory& out)
        : kernel_(kernel), machine_(kernel.machine()),
          walk_(kernel.target().physical(), memory::paging_mode(machine_, tables.cr4), tables.cr3), out_(out) {}

    /// Whether the processor's registers are there.
    bool write(std::uint32_t processor, VirtAddr block) {
        const ProcessorRecords records = processor_records(kernel_.memory(), machine_, *kernel_.kdbg(), block);
        const auto registers = kernel_.target().registers(processor);
        if (!registers || may_be_of_another(kernel_.target(), processor)) return false;
        bool written = false;
        const ByteVector context = context_to_write(*registers);
        for (const VirtAddr place : records.contexts)
            if (is_record(place)) written |= put(place, context);
        if (records.special && !has_special(*records.special))
            if (auto special = kernel_.target().special_registers(processor)) put(*records.special, *special);
        return written;
    }

  private:
    /// What the kernel filled, or never did: a damaged pointer leads to something else, which is to stay.
    [[nodiscard]] bool is_record(VirtAddr place) const {
        const auto bytes = memory::read_exact(kernel_.memory(), place, machine_.context_core_size);
        if (!bytes) return false;
        const RegisterFile record(machine_, *bytes);
        const auto flags = load_or<std::uint32_t>(*bytes, context_flags_at(machine_));
        return are_context_flags(flags, machine_) || (flags == 0 && !record.ip() && !record.sp());
    }

    [[nodiscard]] bool has_special(VirtAddr place) const {
        const auto bytes = memory::read_exact(kernel_.memory(), place, machine_.special_size);
        return bytes && machine_.special(*bytes, "cr3").value_or(0) != 0;
    }

    /// All of the bytes or none.
    bool put(VirtAddr place, Bytes bytes) {
        std::vector<std::pair<PhysAddr, Bytes>> parts;
        while (!bytes.empty()) {
            const auto physical = walk_.translate(place);
            if (!physical) return false;
            const std::size_t room = machine_.page_size - place.value % machine_.page_size;
            const Bytes part = bytes.first(std::min(room, bytes.size()));
            parts.emplace_back(*physical, part);
            bytes = bytes.subspan(part.size());
            place += part.size();
        }
        for (const auto& [physical, part] : parts)
            out_.put(physical, part);
        return true;
    }

    Kernel& kernel_;
    const Machine& machine_;
    memory::PageWalk walk_;
    memory::PatchedMemory& out_;
};

} // namespace

ProcessorRecords processor_records(memory::AddressSpace& memory, const Machine& machine, const Kdbg& kdbg,
                                   VirtAddr block) {
    ProcessorRecords records;
    if (const auto at = kdbg.offset(Kdbg::context)) {
        const auto place = memory::read_unsigned(memory, block + *at, machine.pointer_size);
        if (place && *place != 0) records.contexts.push_back(machine.canonical(*place));
    }
    if (const auto at = kdbg.offset(Kdbg::state_context))
        if (records.contexts.empty() || records.contexts.front() != block + *at)
            records.contexts.push_back(block + *at);
    if (const auto at = kdbg.offset(Kdbg::special_registers)) records.special = block + *at;
    return records;
}

std::size_t put_registers(Kernel& kernel, memory::PatchedMemory& memory) {
    const auto tables = kernel.target().page_tables(0);
    if (!tables || !kernel.kdbg()) return 0;
    RegisterWriter writer(kernel, *tables, memory);
    std::size_t written = 0;
    for (std::uint32_t i = 0; i < kernel.target().identity().processors; ++i)
        if (const auto block = kernel.processor_block(i)) written += writer.write(i, *block);
    return written;
}

} // namespace poolkd::nt

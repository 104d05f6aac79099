#include "nt/image_processors.h"

#include "base/limits.h"
#include "nt/kdbg.h"
#include "nt/processor_records.h"

#include <algorithm>
#include <vector>

namespace poolkd::nt {

namespace {

constexpr std::uint64_t kernel_stack = 0x8000; ///< bytes, on x64 with room for what the debugger itself uses

class ProcessorReader {
  public:
    ProcessorReader(target::DumpTarget& target, const Kdbg& kdbg)
        : memory_(target.memory()), machine_(*target.identity().machine), kdbg_(kdbg) {}

    /// KPRCB number `index`; nothing behind the last.
    [[nodiscard]] std::optional<VirtAddr> block(std::uint32_t index) const {
        auto array = kdbg_.value(Kdbg::processor_block);
        if (!array) return std::nullopt;
        auto block = pointer(*array + std::uint64_t{index} * machine_.pointer_size);
        return block && *block ? block : std::nullopt;
    }

    [[nodiscard]] dumps::ProcessorState state(VirtAddr block) const {
        dumps::ProcessorState state;
        const ProcessorRecords records = processor_records(memory_, machine_, kdbg_, block);
        for (const VirtAddr place : records.contexts) {
            auto bytes = memory::read_exact(memory_, place, machine_.context_size);
            if (!bytes || !plausible(*bytes)) continue;
            state.context = std::move(*bytes);
            break;
        }
        if (records.special)
            if (auto bytes = memory::read_exact(memory_, *records.special, machine_.special_size);
                bytes && machine_.special(*bytes, "cr3").value_or(0) != 0)
                state.special = std::move(*bytes);
        return state;
    }

  private:
    [[nodiscard]] std::optional<VirtAddr> pointer(VirtAddr at) const {
        auto value = memory::read_unsigned(memory_, at, machine_.pointer_size);
        return value ? std::optional(machine_.canonical(*value)) : std::nullopt;
    }

    /// Code and stack are there: a record that was never filled has neither.
    [[nodiscard]] bool plausible(const ByteVector& context) const {
        const RegisterFile registers(machine_, context);
        return registers.ip() && registers.sp() && memory::read_unsigned(memory_, registers.ip(), 1) &&
               memory::read_unsigned(memory_, registers.sp(), machine_.pointer_size);
    }

    memory::AddressSpace& memory_;
    const Machine& machine_;
    const Kdbg& kdbg_;
};

/// Stopped by the kernel's debugger, which runs on the stack of what it interrupted.
bool waits_in_debugger(const dumps::ProcessorState& container, const dumps::ProcessorState& record,
                       const Machine& machine) {
    const VirtAddr now = RegisterFile(machine, container.context).sp();
    const VirtAddr interrupted = RegisterFile(machine, record.context).sp();
    return now < interrupted && interrupted - now < kernel_stack;
}

} // namespace

std::size_t adopt_processors(target::DumpTarget& target, const KernelPlace& kernel) {
    if (!kernel.debugger_data || !target.has_page_tables()) return 0;
    auto kdbg = Kdbg::at(target.memory(), kernel.debugger_data, *target.identity().machine);
    return kdbg ? adopt_processors(target, *kdbg) : 0;
}

std::size_t adopt_decoded_processors(target::DumpTarget& target, const KernelPlace& place, const Kernel& kernel) {
    return !place.debugger_data && kernel.kdbg() ? adopt_processors(target, *kernel.kdbg()) : 0;
}

std::size_t adopt_processors(target::DumpTarget& target, const Kdbg& kdbg) {
    if (!target.has_page_tables()) return 0;
    const Machine& machine = *target.identity().machine;
    const ProcessorReader reader(target, kdbg);
    std::vector<dumps::ProcessorState> processors = target.image().facts.processors;
    // The registers in a crash dump's header are of one processor, it does not say which: here there is only one.
    const dumps::ImageFacts& facts = target.image().facts;
    if (processors.empty() && facts.processor_count == 1 && !facts.context.empty())
        processors.emplace_back().context = facts.context;
    std::size_t taken = 0;
    bool found = false;
    for (std::uint32_t i = 0; i < most_processors; ++i) {
        const auto block = reader.block(i);
        if (!block) break;
        dumps::ProcessorState record = reader.state(*block);
        found = true;
        if (i >= processors.size()) {
            taken += !record.context.empty();
            processors.push_back(std::move(record));
            continue;
        }
        if (processors[i].special.empty()) processors[i].special = std::move(record.special);
        if (record.context.empty()) continue;
        if (processors[i].context.empty() || waits_in_debugger(processors[i], record, machine)) {
            processors[i].context = std::move(record.context);
            ++taken;
        }
    }
    if (found) target.use_processors(std::move(processors));
    return taken;
}

} // namespace poolkd::nt

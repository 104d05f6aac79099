#include "control/debug_registers.h"

#include "base/text.h"

#include <vector>

namespace poolkd::control {

namespace {

bool set_special(const Machine& machine, MutableBytes record, std::string_view name, std::uint64_t value) {
    const RegisterSlot* slot = machine.find_special(name);
    return slot && store_unsigned(record, slot->offset, slot->size, value);
}

bool put_into(const Machine& machine, MutableBytes record, const DebugRegisters& registers) {
    bool all = set_special(machine, record, "dr7", registers.control);
    for (unsigned slot = 0; slot < DebugRegisters::slots; ++slot)
        all = set_special(machine, record, fmt::format("dr{}", slot), registers.addresses[slot].value) && all;
    return all;
}

} // namespace

char letter_of(WatchKind kind) {
    switch (kind) {
    case WatchKind::execute: return 'e';
    case WatchKind::write: return 'w';
    case WatchKind::io: return 'i';
    case WatchKind::access: break;
    }
    return 'r';
}

Result<void> check_watch(const Watch& watch, VirtAddr address, const Machine& machine) {
    if (watch.kind == WatchKind::execute && watch.size != 1)
        return fail(ErrorKind::usage, "A breakpoint on execution has the size 1");
    if (watch.kind == WatchKind::io && machine.pointer_size != 4)
        return fail(ErrorKind::unsupported, "Breakpoints on I/O ports are possible on x86 only");
    const bool size_known =
        watch.size == 1 || watch.size == 2 || watch.size == 4 || (watch.size == 8 && machine.pointer_size == 8);
    if (!size_known)
        return fail(ErrorKind::usage, "A data breakpoint has the size {}",
                    machine.pointer_size == 8 ? "1, 2, 4 or 8" : "1, 2 or 4");
    if (address.value % watch.size != 0)
        return fail_at(address, ErrorKind::usage,
                       fmt::format("Data breakpoint must be aligned: {} is no multiple of {}",
                                   format_address(address.value, machine.pointer_size), watch.size));
    return {};
}

void DebugRegisters::enable(unsigned slot, const Watch& watch, VirtAddr address) {
    // The length field counts 1, 2, 8, 4 bytes.
    const std::uint64_t length = watch.size == 8 ? 2 : watch.size - 1u;
    const std::uint64_t bits = static_cast<std::uint64_t>(watch.kind) | length << 2;
    addresses[slot] = address;
    control |= 2ull << (2 * slot); // the global enable bit
    control = (control & ~(0xfull << (16 + 4 * slot))) | bits << (16 + 4 * slot);
}

std::optional<DebugRegisters> debug_registers_of(const Machine& machine, Bytes special) {
    const auto control = machine.special(special, "dr7");
    if (!control) return std::nullopt;
    DebugRegisters registers{.control = *control};
    for (unsigned slot = 0; slot < DebugRegisters::slots; ++slot)
        registers.addresses[slot] = machine.canonical(machine.special(special, fmt::format("dr{}", slot)).value_or(0));
    return registers;
}

Result<void> write_debug_registers(target::Target& target, const DebugRegisters& registers) {
    target::Writable* writable = target.writable();
    if (!writable)
        return fail(ErrorKind::unsupported, "The target ({}) has no debug registers that can be set",
                    target.identity().kind);
    std::vector<ByteVector> before;
    for (std::uint32_t processor = 0; processor < target.identity().processors; ++processor) {
        Result<void> written;
        auto record = target.special_registers(processor);
        if (!record) {
            written = std::unexpected(std::move(record).error());
        } else {
            before.push_back(*record);
            if (put_into(*target.identity().machine, *record, registers)) {
                written = writable->set_special_registers(processor, *record);
            } else {
                written =
                    fail(ErrorKind::malformed, "Its record of special registers has only {} bytes", record->size());
            }
        }
        if (written) continue;
        // All or none: a register that one processor lacks would let its accesses pass unseen.
        for (std::uint32_t done = 0; done < processor; ++done)
            (void)writable->set_special_registers(done, before[done]);
        return fail(written.error().kind, "The debug registers of processor {} cannot be set: {}", processor,
                    written.error().message);
    }
    return {};
}

} // namespace poolkd::control

#pragma once

#include "base/address.h"
#include "base/machine.h"
#include "target/target.h"

#include <array>
#include <cstdint>
#include <optional>

namespace poolkd::control {

/// What a processor is to look out for with one of its debug registers. The values are those of DR7's R/W fields.
enum class WatchKind : std::uint8_t { execute = 0, write = 1, io = 2, access = 3 };

/// A breakpoint that the processor keeps by itself (`ba`).
struct Watch {
    WatchKind kind = WatchKind::execute;
    std::uint8_t size = 1; ///< bytes
    bool operator==(const Watch&) const = default;
};

/// kd's letter: e, w, i, r.
[[nodiscard]] char letter_of(WatchKind kind);
/// Whether the processor can do it there: the sizes there are, the address a multiple of the size, ports on x86 alone.
Result<void> check_watch(const Watch& watch, VirtAddr address, const Machine& machine);

/// The debug registers as all processors are to have them (kd-protocol reference 11).
struct DebugRegisters {
    static constexpr unsigned slots = 4;
    static constexpr std::uint64_t idle = 0x400; ///< DR7 with nothing enabled: one bit that is always set

    std::array<VirtAddr, slots> addresses{};
    std::uint64_t control = idle; ///< DR7

    void enable(unsigned slot, const Watch& watch, VirtAddr address);
    [[nodiscard]] bool enabled(unsigned slot) const { return (control >> (2 * slot) & 3) != 0; }
    bool operator==(const DebugRegisters&) const = default;
};

/// Those of a record of special registers; nothing when it is too short for them.
[[nodiscard]] std::optional<DebugRegisters> debug_registers_of(const Machine& machine, Bytes special);
/// Gives them to every processor of the standing target; they count from the next resume on. When one processor does
/// not take them, those before it get their old ones back.
Result<void> write_debug_registers(target::Target& target, const DebugRegisters& registers);

} // namespace poolkd::control

#pragma once

#include "code/read_code.h"

#include <array>
#include <cstdint>
#include <optional>

namespace poolkd::code {

/// Where a stretch of x86 code without branches and calls puts the stack. Offsets in bytes from esp at its start.
struct StackMoves {
    std::int64_t esp = 0; ///< where esp is at the end
    /// Where each register's first value was pushed, and from where the code last took a register's value.
    std::array<std::optional<std::int64_t>, 8> saved{}, loaded{};
};

/// Follows a function from its first instruction to `end`: what its prolog has done so far. Nothing when the code
/// branches or calls, does something to esp that cannot be followed, or when `end` is no instruction's start.
std::optional<StackMoves> moves_of_prolog(VirtAddr start, VirtAddr end, const ReadCode& read);

/// Where a function pushes ebp before it uses ebp for something of its own, as far as its prolog can be followed:
/// offset from the return address.
std::optional<std::int64_t> place_of_saved_ebp(VirtAddr start, const ReadCode& read);

/// Follows the code from `start` to the next return, which is not part of the moves: what the function will still do to
/// the stack. `ebp_from_esp`: how far above esp ebp points at the start.
std::optional<StackMoves> moves_to_return(VirtAddr start, std::int64_t ebp_from_esp, const ReadCode& read);

/// Both give up after as many bytes of code.
inline constexpr std::size_t max_straight_line = 96;

} // namespace poolkd::code

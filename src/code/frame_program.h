#pragma once

#include "code/registers.h"
#include "code/stack_reader.h"

#include <string_view>

namespace poolkd::code {

/// What a frame program may ask for beside registers and memory; in bytes.
struct FrameProgramInput {
    std::uint32_t return_slot = 0; ///< .raSearch: where the return address is looked for
    std::uint32_t parameters = 0;  ///< .cbParams
    std::uint32_t callee_parameters = 0;
    std::uint32_t locals = 0;
    std::uint32_t saved_registers = 0;
};

/// Computes the caller's registers by a frame program of x86: words in postfix, as compilers write them into the
/// symbols
/// ("$T0 $ebp = $eip $T0 4 + ^ = $ebp $T0 ^ = $esp $T0 8 + ="). Registers that it does not set stay; those that calls
/// may change are no longer known. Source of the language: the PDB documentation of LLVM and of Breakpad.
/// Kinds: `unreadable` (a word of the stack), `malformed` (no program, one that sets neither eip nor esp, or one beyond
/// the bounds of `max_frame_program_words` words and `max_frame_program_depth` values at a time).
Result<GeneralRegisters> run_frame_program(std::string_view program, const GeneralRegisters& registers,
                                           const FrameProgramInput& input, StackReader& stack);

inline constexpr std::size_t max_frame_program_words = 512;
inline constexpr std::size_t max_frame_program_depth = 64;

} // namespace poolkd::code

#pragma once

// Internal to this folder: an instruction as the user wrote it, taken apart.

#include "base/error.h"
#include "base/machine.h"
#include "code/assemble.h"

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace poolkd::code {

inline constexpr std::array<std::string_view, 6> segment_names{"cs", "ds", "es", "fs", "gs", "ss"};

struct AssemblyOperand {
    enum class Kind {
        reg,
        immediate, ///< of a branch: where it goes
        memory,
    };
    Kind kind = Kind::immediate;
    std::string reg;         ///< "eax", "st1"
    std::uint64_t value = 0; ///< of an immediate; of memory its displacement, or all of its address without registers
    std::string segment, base, index; ///< of memory; empty when not written
    std::uint8_t scale = 1;
    unsigned size = 0; ///< bytes, by "dword ptr" and its like; 0: not written
};

struct AssemblyRequest {
    std::string prefix;   ///< "lock", "rep"; mostly empty
    std::string mnemonic; ///< lower case
    std::vector<AssemblyOperand> operands;

    /// It goes to an address that is written in it.
    [[nodiscard]] bool is_direct_branch() const;
};

/// Takes an instruction apart. Errors: `usage`, and those of the evaluator.
Result<AssemblyRequest> parse_assembly(std::string_view text, const OperandEvaluator& evaluate);

/// "dword ptr": the words for a size in bytes, or nothing.
std::string_view size_words(unsigned size);

} // namespace poolkd::code

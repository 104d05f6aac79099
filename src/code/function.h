#pragma once

#include "base/coverage.h"
#include "code/instruction.h"
#include "nt/kernel.h"

#include <string>
#include <vector>

namespace poolkd::code {

/// Instructions that run one after the other.
struct Block {
    std::string label; ///< "nt!ExFreePool+0x12"; empty without symbols and module
    std::vector<Instruction> instructions;
};

/// A function with all of its pieces, wherever they lie in the image.
struct FunctionListing {
    VirtAddr entry;
    std::vector<Block> blocks; ///< by address
    std::size_t instructions = 0;
    unsigned pointer_size = 8;   ///< of the target, bytes
    bool indirect_jumps = false; ///< a jump through a table: code behind it may be missing
};

/// Follows the branches of the function that holds `address`, which begins where the unwind tables or, without them,
/// the symbols say so, else at `address` itself. A jump to a piece that the unwind tables chain to the same function
/// stays in it. The code is read from `memory`. Bounded by `max_function_instructions`. Error: nothing can be decoded
/// at the start.
Result<Answer<FunctionListing>> analyse_function(nt::Kernel& kernel, memory::AddressSpace& memory, VirtAddr address,
                                                 Work* work = nullptr);

inline constexpr std::size_t max_function_instructions = 1u << 17;

} // namespace poolkd::code

#pragma once

#include "base/machine.h"
#include "code/instruction.h"
#include "memory/memory.h"

#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace poolkd::code {

/// Where the instruction's memory operand lies with these registers. Operands over gs and fs give the offset alone: a
/// CONTEXT does not hold their bases. Nothing when the instruction reads and writes no memory.
std::optional<VirtAddr> effective_address(const Instruction& instruction, const RegisterFile& registers);

/// Whether a conditional jump would be taken; nothing for other instructions.
std::optional<bool> branch_taken(const Instruction& instruction, const RegisterFile& registers);

/// Where the addresses of fs or gs begin; nothing when that is not known.
using SegmentBase = std::function<std::optional<VirtAddr>(std::string_view segment)>;

/// What kd writes behind the instruction that is about to run: "ds:002b:fffff880`01234568=00000000", or "[br=1]";
/// empty when there is nothing to say. Reads the operand; question marks when that fails.
std::string operand_note(const Instruction& instruction, const RegisterFile& registers, memory::AddressSpace& memory,
                         const AddressNamer& name, const SegmentBase& base = {});

} // namespace poolkd::code

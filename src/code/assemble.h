#pragma once

#include "base/error.h"
#include "base/machine.h"
#include "code/instruction.h"

#include <cstdint>
#include <functional>
#include <string_view>

namespace poolkd::code {

/// The value of an operand's numbers and names: "20636241", "nt!ExFreePool+10".
using OperandEvaluator = std::function<Result<std::uint64_t>(std::string_view expression)>;

/// Assembles one instruction that is to lie at `address`, in the notation of listings: `mov r8d,20636241`,
/// `call nt!ExFreePool`, `inc dword ptr [leaky!Counter]`, `mov rax,gs:[188]`. A row copied from a listing is understood
/// too, with its "name (address)". A name or number alone is its value; in brackets, or behind `ptr`, it is what lies
/// there. On x64 such memory is reached relative to rip. Of several encodings the shortest is taken.
///
/// LLVM encodes. What it made is decoded by another library and compared operand by operand with what was asked for;
/// anything that differs is refused.
/// Errors: `usage` for what is no instruction; those of the evaluator; `refused` when the result is not what was asked
/// for, or an address is out of the instruction's reach.
Result<Instruction> assemble(const Machine& machine, std::string_view text, VirtAddr address,
                             const OperandEvaluator& evaluate);

} // namespace poolkd::code

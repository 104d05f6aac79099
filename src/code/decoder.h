#pragma once

#include "base/error.h"
#include "code/instruction.h"

namespace poolkd::code {

/// The longest instruction that an x86 or x64 processor accepts, in bytes.
inline constexpr std::size_t max_instruction_bytes = 15;

/// Decodes the instruction of the machine at the start of `bytes`, which lies at `address`. `name` may be empty.
/// Errors: kind `malformed` for bytes that are no instruction, `unreadable` when the bytes end inside one.
Result<Instruction> decode(const Machine& machine, Bytes bytes, VirtAddr address, const AddressNamer& name = {});

} // namespace poolkd::code

#pragma once

// Internal to this folder: LLVM's assembler behind one function.

#include "base/address.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/machine.h"

#include <optional>
#include <string>
#include <string_view>

namespace poolkd::code {

/// The name that stands in a text for an address that is encoded as a distance.
inline constexpr std::string_view distant_name = "poolkd_there";

/// The shortest encoding of an instruction in LLVM's Intel notation, for `address`; `there` is the address that
/// `distant_name` stands for. Errors: `usage` with LLVM's words; `refused` when `there` is out of reach.
Result<ByteVector> encode_with_llvm(const Machine& machine, const std::string& text, VirtAddr address,
                                    std::optional<VirtAddr> there);

} // namespace poolkd::code

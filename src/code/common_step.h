#pragma once

// Internal to this folder.

#include "code/step.h"

namespace poolkd::code {

/// Decodes the instructions that most code consists of, several times as fast as the whole decoder: the same step as
/// that one gives, for every instruction that this one knows. False for all others, and where `code` has fewer bytes
/// than the longest instruction.
bool decode_common_step(const Machine& machine, Bytes code, std::uint64_t base, std::uint32_t rva, Step& step);

/// The whole decoder. Nothing where there is no instruction.
std::optional<Step> decode_any_step(const Machine& machine, Bytes code, std::uint64_t base, std::uint32_t rva,
                                    Detail detail);

} // namespace poolkd::code

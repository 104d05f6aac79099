#pragma once

#include "nt/kernel.h"

#include <array>
#include <cstdint>
#include <optional>

namespace poolkd::nt {

/// A bug check that the kernel is in.
struct BugCheck {
    std::uint64_t code = 0;
    std::array<std::uint64_t, 4> parameters{};
};

/// KiBugCheckData, by its symbol or by KDBG. Nothing while there is no bug check, or where it cannot be told.
[[nodiscard]] std::optional<BugCheck> read_bug_check(Kernel& kernel);

} // namespace poolkd::nt

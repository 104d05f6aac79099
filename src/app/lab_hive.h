#pragma once

#include "base/error.h"

#include <cstdint>
#include <filesystem>

namespace poolkd::app {

/// The lab's registry: the boot flags in the first sector of its disk (lab/README.md). A machine without a valid
/// sector boots with pool tagging on.
inline constexpr std::uint32_t lab_default_flags = 0x400;

Result<std::uint32_t> read_lab_hive(const std::filesystem::path& file);
Result<void> write_lab_hive(const std::filesystem::path& file, std::uint32_t global_flag);

} // namespace poolkd::app

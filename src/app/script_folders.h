#pragma once

#include <filesystem>
#include <vector>

namespace poolkd::app {

/// Where scripts are looked for that are named without a folder: those of POOLKD_SCRIPTS (separated by colons), then
/// the scripts that come with the program, installed or in the tree it was built from.
[[nodiscard]] std::vector<std::filesystem::path> script_folders();

} // namespace poolkd::app

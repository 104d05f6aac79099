#pragma once

#include "base/error.h"

#include <optional>
#include <string>
#include <string_view>

namespace CLI {
class App;
}

namespace poolkd::app {

/// Which practice machine: the build of its kernel, and how it is started (lab/README.md).
struct LabOptions {
    std::string scenario = "page";
    std::string arch = "x64"; ///< or "x86"
    unsigned era = 10;        ///< of Windows: 7, 10 or 11
    unsigned seed = 0;        ///< of the structure layouts
    unsigned processors = 1;
    bool kaslr = false;
    std::string pipe = "virtio"; ///< or "com1"
    bool tagging = true;         ///< the boot flag of a new machine
    unsigned memory_mib = 128;
    std::string extra_boot_words = {}; ///< further options of lab/README.md
};

/// Sets one option by its name in the command line, without dashes and without `lab-` ("seed", "no-tagging"). Errors:
/// kind `usage` for an unknown name, a missing value or one that is not possible.
Result<void> set_lab_option(LabOptions& options, std::string_view name, std::optional<std::string_view> value);

/// Adds all of them to a subcommand as `<prefix>seed` and so on. `options` must outlive the parsing.
void add_lab_options(CLI::App& command, const std::string& prefix, const std::string& group, LabOptions& options);

} // namespace poolkd::app

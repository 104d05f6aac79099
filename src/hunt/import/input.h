#pragma once

#include "base/error.h"
#include "hunt/import/timestamps.h"
#include "hunt/snapshot.h"

#include <filesystem>
#include <functional>
#include <istream>
#include <memory>
#include <optional>
#include <string>

namespace poolkd::hunt::import {

/// One piece of evidence as bytes. It can be opened more than once: some readers look through it before they read.
struct Input {
    std::string name; ///< for people
    std::function<Result<std::unique_ptr<std::istream>>()> open;
    std::optional<Time> modified;         ///< the file's date
    DateOrder dates = DateOrder::unknown; ///< as a look through it found
};

/// Kinds `not_found`, `io`.
Result<Input> file_input(const std::filesystem::path& file);
Input memory_input(std::string name, std::string bytes);

} // namespace poolkd::hunt::import

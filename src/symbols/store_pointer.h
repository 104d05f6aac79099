#pragma once

#include "base/error.h"

#include <string>
#include <string_view>

namespace poolkd::symbols {

/// What a `file.ptr` in a store says instead of the file that it stands for.
struct StorePointer {
    std::string path;    ///< where the file lies: a path in the vendor's notation, or a URL; empty when nowhere
    std::string message; ///< why there is none
};

/// Reads "PATH:..." or "MSG:..."; a text without such a word is a path. Errors: `malformed` when it is empty or too
/// long, `io`.
Result<StorePointer> read_store_pointer(const std::string& file);

bool is_url(std::string_view location);

/// A path that was written on the vendor's system may have its slashes the other way: turned, unless it exists so.
std::string local_path(const std::string& location);

} // namespace poolkd::symbols

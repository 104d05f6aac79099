#pragma once

#include <string_view>

namespace poolkd::hunt {

/// A register that a called function gives back as it was, by the calling conventions of Windows.
bool is_preserved_register(std::string_view name, bool x64);

} // namespace poolkd::hunt

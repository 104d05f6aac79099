#pragma once

#include "symbols/type.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace poolkd::symbols {

/// Where a variable is while the code at one address runs.
struct VariableHome {
    bool in_memory = false;  ///< at `reg` + `offset`; else it is in `reg` itself
    std::string_view reg;    ///< lower case as in Machine, or `virtual_frame`
    std::int32_t offset = 0; ///< bytes
    /// x86: the place of the return address, whatever the function did with esp and ebp.
    static constexpr std::string_view virtual_frame = "$vframe";
};

/// A parameter of a function.
struct Variable {
    std::string name; ///< empty for one that the source does not name
    TypePtr type;
    std::optional<VariableHome> home; ///< nothing: it is in no place there, or in several
};

} // namespace poolkd::symbols

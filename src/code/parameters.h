#pragma once

#include "code/frame.h"
#include "nt/kernel.h"
#include "symbols/type.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace poolkd::code {

/// A parameter of a function on the stack.
struct Parameter {
    enum class State {
        known,
        unavailable, ///< the compiler kept it nowhere at this point, or in a register that a callee may have changed
        unreadable,  ///< the memory it is in cannot be read
        aggregate,   ///< a structure: no single value
    };
    std::string name;
    symbols::TypePtr type; ///< never null
    State state = State::unavailable;
    std::uint64_t value = 0; ///< zero-extended from the type's size; only when known
};

/// The parameters of a frame's function, in their order, by private symbols. Nothing when the symbols do not tell.
std::optional<std::vector<Parameter>> parameters_of(nt::Kernel& kernel, const Frame& frame);

} // namespace poolkd::code

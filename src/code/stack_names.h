#pragma once

#include "code/parameters.h"
#include "code/stack.h"

#include <optional>
#include <string>
#include <vector>

namespace poolkd::code {

/// What people call a frame.
struct FrameName {
    std::string site;                        ///< "leaky!LeakyWrite+0x2b"; an address when nothing is known of it
    std::string module;                      ///< "leaky"; empty outside of loaded modules
    std::optional<symbols::SourceLine> line; ///< where the symbols tell
    /// KTRAP_FRAME that a trap handler made, which `.trap` takes.
    std::optional<VirtAddr> trap_frame;
    std::size_t name_length = 0; ///< of `site`, without the displacement: parameters go there
    /// Only when `name_parameters` was asked for, and where the symbols are private.
    std::optional<std::vector<Parameter>> parameters{};
};

/// Names for all frames, in their order. Loads symbols of the modules on the stack when nobody has.
std::vector<FrameName> name_frames(nt::Kernel& kernel, const StackTrace& trace);

/// Adds the parameters of the frames' functions, with their values.
void name_parameters(nt::Kernel& kernel, const StackTrace& trace, std::vector<FrameName>& names);

} // namespace poolkd::code

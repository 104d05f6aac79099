#pragma once

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
};

/// Names for all frames, in their order. Loads symbols of the modules on the stack when nobody has.
std::vector<FrameName> name_frames(nt::Kernel& kernel, const StackTrace& trace);

} // namespace poolkd::code

#pragma once

#include "nt/kernel.h"

#include <optional>

namespace poolkd::code {

/// Whether a word of the stack can be a return address, by the code before it.
enum class CallBefore {
    none,     ///< not in a module, or no call ends there
    unknown,  ///< in a module, but its code cannot be read
    indirect, ///< a call through a register or a pointer
    direct,
};

struct CallSite {
    CallBefore kind = CallBefore::none;
    std::optional<VirtAddr> target; ///< of a direct call

    [[nodiscard]] bool likely() const { return kind == CallBefore::indirect || kind == CallBefore::direct; }
};

/// Code of the target around a stack walk.
class CallSites {
  public:
    explicit CallSites(nt::Kernel& kernel, Work* work = nullptr) : kernel_(kernel), work_(work) {}

    /// Code as the processor runs it: what comes with the stop itself is without the debugger's breakpoints. Returns
    /// the number of good bytes.
    std::size_t read(VirtAddr address, MutableBytes out);
    /// The call that ends at `return_address`. Decoded backwards, so that on x86 and x64 a word may look like one by
    /// chance.
    CallSite before(VirtAddr return_address);

  private:
    nt::Kernel& kernel_;
    Work* work_;
};

} // namespace poolkd::code

#pragma once

#include "control/controller.h"
#include "hunt/trace.h"
#include "nt/kernel.h"

#include <map>
#include <string>
#include <vector>

namespace poolkd::hunt {

/// Breakpoints on the call sites of a tag, for kernels that do not stop at PoolHitTag. A kernel keeps 32 of them.
class SiteBreakpoints {
  public:
    struct Site {
        HitKind kind = HitKind::allocation;
        bool returned = false; ///< it lies behind the call: the block is what was returned
        bool jump = false;     ///< a tail call: the arguments lie as the routine will see them
        std::uint32_t id = 0;  ///< of the breakpoint
    };

    /// Looks the sites up in the code of all modules, and sets breakpoints as far as there is room: allocations first,
    /// then frees that name the tag, then those without a tag in the same modules. Kind `not_found`: there is none.
    static Result<SiteBreakpoints> set(control::Controller& controller, PoolTag tag, const FindSites& find, Work& work);

    [[nodiscard]] const Site* at(VirtAddr address) const;
    /// The block that a free at such a place is given.
    [[nodiscard]] static Result<VirtAddr> freed(nt::Kernel& kernel, const RegisterFile& registers, const Site& site);
    void remove(control::Controller& controller);
    /// What is watched and what is not, in sentences.
    [[nodiscard]] std::string describe() const;

  private:
    std::map<VirtAddr, Site> sites_;
    std::size_t allocations_ = 0, releases_ = 0, no_room_ = 0;
    bool incomplete_ = false; ///< code could not be read
};

} // namespace poolkd::hunt

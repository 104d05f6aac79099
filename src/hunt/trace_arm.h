#pragma once

#include "base/tag.h"
#include "control/journal.h"
#include "nt/kernel.h"

#include <optional>

namespace poolkd::hunt {

/// nt!PoolHitTag while a trace uses it. The write stands in the journal: a debugger that dies leaves a line with the
/// value that was there, and the next one can put it back.
class HitTag {
  public:
    /// Kind `not_found`: the kernel has no such variable, or no symbols tell where.
    static Result<HitTag> find(nt::Kernel& kernel, control::Journal& journal);

    /// Makes the kernel stop at the tag. Kind `refused`: the value did not stick (write-protected memory).
    Result<void> arm(PoolTag tag);
    /// Puts the user's own value there for a while, and the tag again. Nothing is added to the journal, where both
    /// values stand already.
    Result<void> pause();
    Result<void> go_on();
    /// Undoes the write. Good to be called again after a failure.
    Result<void> restore();
    /// The machine restarted: nothing of ours is in it.
    void forget() { entry_.reset(); }

    [[nodiscard]] bool armed() const { return entry_.has_value(); }

  private:
    HitTag(nt::Kernel& kernel, control::Journal& journal, VirtAddr address)
        : kernel_(&kernel), journal_(&journal), address_(address) {}
    Result<void> write(PoolTag value);

    nt::Kernel* kernel_;
    control::Journal* journal_;
    VirtAddr address_;
    PoolTag before_, tag_;
    std::optional<std::uint32_t> entry_; ///< of the journal
};

} // namespace poolkd::hunt

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
    /// Stops at no tag for a while, and at the tag again: also not at the user's own, whose place the trace has taken
    /// to its end. Only then something is added to the journal, where zero and the tag stand already.
    Result<void> pause();
    Result<void> go_on();
    /// Undoes the write. Good to be called again after a failure.
    Result<void> restore();
    /// The machine restarted: nothing of ours is in it.
    void forget() {
        entry_.reset();
        pause_.reset();
    }

    [[nodiscard]] bool armed() const { return entry_.has_value(); }

  private:
    HitTag(nt::Kernel& kernel, control::Journal& journal, VirtAddr address)
        : kernel_(&kernel), journal_(&journal), address_(address) {}
    Result<void> write(PoolTag value);
    Result<void> undo(std::optional<std::uint32_t>& entry);

    nt::Kernel* kernel_;
    control::Journal* journal_;
    VirtAddr address_;
    PoolTag before_, tag_;
    std::optional<std::uint32_t> entry_; ///< of the journal
    std::optional<std::uint32_t> pause_; ///< likewise
};

} // namespace poolkd::hunt

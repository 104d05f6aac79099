#pragma once

#include "base/tag.h"
#include "control/journal.h"
#include "nt/kernel.h"

#include <optional>
#include <string>
#include <vector>

namespace poolkd::control {

/// A tag constant inside an instruction: which call gets it.
struct TagSite {
    TagSiteKind kind = TagSiteKind::unknown;
    std::string callee; ///< "nt!ExFreePoolWithTag", "leaky!LeakyAlloc"
    VirtAddr next;      ///< behind the call; zero when there is none
};

/// Looks at the four bytes at `address` as the constant of an instruction and finds the next call or tail jump behind
/// it, following one import slot or thunk. Nothing when the address lies in no module's code.
std::optional<TagSite> find_tag_site(nt::Kernel& kernel, VirtAddr address);

/// Why a write should not be undone yet; `why` is empty when it is safe now.
///
/// A free that names a tag is checked against the block's tag (bug check C2/0A). So allocation sites go back at once,
/// but a free site that was patched goes back only when no block is left that was allocated under one of the new tags:
/// neither the tag written there, nor any tag that was written to an allocation site of the same module, or of the same
/// old tag anywhere: a block may be freed by another driver. A thread that holds a new tag and has not allocated with
/// it yet counts as well.
struct ReasonToWait {
    std::string why;
    bool none_ever_freed = true; ///< of the tags that are outstanding, and each holds many blocks
};
Result<ReasonToWait> reason_to_wait(nt::Kernel& kernel, const Journal& journal, const JournalEntry& entry, Work& work);

struct UndoOutcome {
    std::vector<std::uint32_t> undone;
    struct Kept {
        std::uint32_t id;
        std::string why;
    };
    std::vector<Kept> kept;
    /// All that keeps free sites from being undone are blocks of tags of which none was ever freed: they look leaked.
    bool only_leaked_left = false;
};

/// Undoes the given writes in the safe order: latest first, allocation sites and data before free sites. `force` undoes
/// free sites whatever is outstanding. Entries that cannot be undone are kept with the reason.
Result<UndoOutcome> undo_safely(nt::Kernel& kernel, Journal& journal, std::vector<std::uint32_t> ids, bool force,
                                Work& work);

} // namespace poolkd::control

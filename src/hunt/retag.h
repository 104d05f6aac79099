#pragma once

#include "base/coverage.h"
#include "code/site_index.h"
#include "control/in_flight.h"
#include "control/journal.h"
#include "control/tag_site.h"
#include "nt/kernel.h"
#include "pool/usage.h"

#include <chrono>
#include <span>
#include <string>
#include <vector>

namespace poolkd::hunt {

// A tag that several call sites share tells not which of them leaks. While the target stands still, each allocation
// site gets a tag of its own, by the four bytes of the constant that it passes, and each free site the tag 0, which the
// kernel does not compare with the block's. From then on the kernel's own counters tell by site what is in use. All
// of it is done through the journal, so that it can be undone by any later debugger.

inline constexpr std::size_t tag_bytes = 4; ///< of the constant in code or data

/// A call that passes the constant of a patch.
struct RetagPlace {
    std::string text;   ///< "leaky!LeakyQueueEvent+0x1f"
    std::string source; ///< "event.cpp:21", or empty
    std::string api;
    std::vector<std::string> via;

    static RetagPlace of(const code::ModuleSites& module, const code::PoolSite& site);
};

/// Four bytes that hold the tag.
struct RetagPatch {
    VirtAddr address;
    code::SiteKind kind = code::SiteKind::allocation; ///< or release
    bool in_data = false;                             ///< in a variable; else in an instruction
    PoolTag new_tag;                                  ///< 0 at a free site
    std::vector<RetagPlace> places;                   ///< often one
    /// Where a thread has taken the constant for a free and may not have its block yet.
    std::vector<control::TagWindow> windows;
};

/// An allocation site that keeps the old tag.
struct NotSeparable {
    RetagPlace place;
    std::string why;
};

/// Why it would not be safe, or of no use.
struct RetagObstacle {
    std::string why;        ///< a sentence
    bool forceable = false; ///< the user may know better
    /// What several obstacles of a kind have in common, to stand behind their number: "free sites would ...". Empty
    /// where there is only one of the kind.
    std::string kind = {};
};

struct RetagPlan {
    PoolTag tag;
    std::vector<RetagPatch> releases;
    std::vector<RetagPatch> allocations;
    std::vector<NotSeparable> not_separable;
    std::vector<RetagObstacle> obstacles;
    std::vector<std::string> notes;   ///< sentences
    std::vector<std::string> details; ///< what a note tells of several modules at once, module by module

    [[nodiscard]] bool possible(bool force) const;
    /// Those of a kind together, as far as force changes nothing about that: one sentence a kind.
    struct Reason {
        std::string text;
        bool stands; ///< in the way, with what force allows
    };
    [[nodiscard]] std::vector<Reason> reasons(bool force) const;
    /// Those that stand in the way, in sentences.
    [[nodiscard]] std::string refusal(bool force) const;
};

/// What `!retag` would do to the sites of a tag; nothing is written. `modules` are those of the whole target: a block
/// may be freed by another driver than the one that allocated it. Errors: the kernel's counters cannot be read, or the
/// user stopped it.
Result<RetagPlan> plan_retag(nt::Kernel& kernel, const control::Journal& journal,
                             std::span<const code::ModuleSites* const> modules, PoolTag tag, Work& work);

/// Writes the plan: free sites first, so that at no time a block with a new tag can meet a free site that compares.
/// Each write is read back. When one fails, those before it are undone, and the error says so. Errors: kind `refused`
/// with the plan's obstacles. Returns the journal's numbers, in the order of the writes.
Result<std::vector<std::uint32_t>> apply_retag(nt::Kernel& kernel, control::Journal& journal, const RetagPlan& plan,
                                               bool force);

/// One site, or those that share a constant, with what the kernel has counted since.
struct RetagSite {
    std::uint32_t id = 0; ///< of the write in the journal
    VirtAddr address;
    std::string places;
    bool release = false;
    bool undone = false;
    PoolTag new_tag; ///< 0 at a free site
    pool::TagUsage usage;
};

/// A tag whose sites were retagged.
struct RetagState {
    PoolTag tag;
    std::chrono::system_clock::time_point since;
    std::vector<RetagSite> allocations; ///< those first of which nothing was ever freed, then by bytes in use
    std::vector<RetagSite> releases;
    /// Sites that have the old tag all the same: those that could not be changed, and those of drivers that were loaded
    /// later. A free among them would compare a block's new tag with the old one.
    std::vector<RetagPlace> other_allocations, other_releases;
    pool::TagUsage old; ///< of the old tag itself: blocks from before, and sites that keep it
    /// What the kernel counts of tags that found no room in its tables; new tags may be among them.
    std::optional<pool::TagUsage> overflow;

    /// Something of it still stands in the target.
    [[nodiscard]] bool open() const;
    /// Of several writes to one place, of one round after the other, only the last counts.
    struct Count {
        std::size_t sites = 0, open = 0;
    };
    [[nodiscard]] static Count count(std::span<const RetagSite> sites);
};

/// Some tag is retagged now.
[[nodiscard]] bool is_any_retagged(const control::Journal& journal);

/// All tags that this or an earlier debugger has retagged in this boot, from the journal; the latest first. A new tag
/// was unused before, so what the kernel counts for it began with the retagging. `modules` are those whose code may
/// have an old tag still. Of a place that was retagged again, earlier tags are left out once they have no blocks any
/// more.
Result<Answer<std::vector<RetagState>>> read_retags(nt::Kernel& kernel, const control::Journal& journal,
                                                    std::span<const code::ModuleSites* const> modules, Work& work);

/// What is to be told of a module that was loaded while tags are retagged, in sentences; empty when its code has none
/// of these tags.
[[nodiscard]] std::string retag_warning(const control::Journal& journal, const code::ModuleSites& module);

/// Undoes them in the safe order (see undo_safely); of one tag, or all.
Result<control::UndoOutcome> undo_retags(nt::Kernel& kernel, control::Journal& journal, std::optional<PoolTag> tag,
                                         bool force, Work& work);

} // namespace poolkd::hunt

#pragma once

#include "hunt/clues.h"

#include <optional>
#include <string>
#include <vector>

namespace poolkd::hunt {

/// A call site that blocks of a tag may come from.
struct SiteCandidate {
    std::size_t module = 0; ///< index in `Clues::modules`
    SuspectSite site;
    std::uint64_t kept = 0;       ///< blocks that a trace saw allocated here and grow old
    std::optional<double> traced; ///< what the trace says of it, where the trace decides
    std::uint64_t by_size = 0;    ///< blocks whose size only this site asks for
    bool size_excluded = false;   ///< no block has the size that it asks for
    double within_image = 0;      ///< that it is this site, if it is its image
};

struct SiteCandidates {
    std::vector<SiteCandidate> list;
    std::vector<std::size_t> freeing;     ///< modules that free blocks of the tag
    std::vector<std::string> not_indexed; ///< images that are loaded and were not looked through
    std::vector<std::string> partly;      ///< those of which some code could not be read
    std::uint64_t unresolved = 0;         ///< allocations in the modules whose tags are not known
    std::uint64_t blocks = 0;             ///< that were found
    bool decided = false;                 ///< a trace tells which sites leak
    bool too_short = false;               ///< a trace was too short to tell

    [[nodiscard]] bool all_indexed() const { return not_indexed.empty() && partly.empty(); }
    /// Of the blocks found, those whose size only sites of this module ask for.
    [[nodiscard]] double share_by_size(std::size_t module) const;
};

/// From the index of each module and from the stacks of a trace.
[[nodiscard]] SiteCandidates candidates_of(const Clues& clues);

/// Sets what the trace says of each candidate, when it says anything.
void judge_traced(SiteCandidates& sites, const Clues& clues);

/// Sets which blocks are whose by their sizes.
void judge_sizes(SiteCandidates& sites, const Clues& clues);

/// Sets how likely each site is among those of its image, with a reason.
void weigh_sites(SiteCandidates& sites, const Clues& clues);

/// "LeakyBuildReport (report.cpp:12)", or "leaky+0x1210".
[[nodiscard]] std::string place_of(const SiteCandidate& site);

} // namespace poolkd::hunt

#pragma once

// Series of snapshots with known truth. Nothing of the verdict's code is used or known here: machines are simulated
// with drivers that allocate and free, and only their counters are shown.

#include "hunt/snapshot.h"

#include <set>
#include <string>
#include <vector>

namespace poolkd::cases {

/// What the machine of a case does.
enum class Kind {
    // leaks
    noisy_load,       ///< a part of the allocations of a busy tag is never freed
    slow_under_cache, ///< a slow leak beside, or within the tag of, a big cache that breathes
    lockstep,         ///< a driver leaks, and structures of lower layers with it
    wrap,             ///< a leak in a tag whose 32-bit counters wrap
    restart,          ///< a leak; the machine restarts in the middle
    missing,          ///< a leak; snapshots and rows are missing
    stops,            ///< a leak that ends within the evidence
    // no leaks
    step_load,     ///< the load jumps and stays
    ramp_load,     ///< the load grows all the time
    daily_rhythm,  ///< days and nights
    warm_up,       ///< a cache fills and is full
    walking_cache, ///< a cache whose size wanders within its limits
};
inline constexpr Kind all_kinds[] = {Kind::noisy_load, Kind::slow_under_cache, Kind::lockstep, Kind::wrap,
                                     Kind::restart,    Kind::missing,          Kind::stops,    Kind::step_load,
                                     Kind::ramp_load,  Kind::daily_rhythm,     Kind::warm_up,  Kind::walking_cache};

std::string_view name_of(Kind kind);

struct Case {
    std::vector<hunt::Snapshot> snapshots;
    std::set<hunt::TagKey> leaking; ///< at the end of the evidence
    std::set<hunt::TagKey> leaked;  ///< ended within it
    std::string owner;              ///< tag text, of `lockstep`
    std::set<hunt::TagKey> group;   ///< of `lockstep`
};

struct CaseOptions {
    std::size_t snapshots = 100;
    double interval_seconds = 1800; ///< as Microsoft's pages advise
};

Case make_case(Kind kind, unsigned seed, const CaseOptions& options);

} // namespace poolkd::cases

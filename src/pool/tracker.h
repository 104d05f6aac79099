#pragma once

#include "base/address.h"
#include "nt/kernel.h"
#include "pool/tracker_row.h"

#include <cstdint>
#include <string>
#include <vector>

namespace poolkd::pool {

/// The tables in which a kernel counts by tag: PoolTrackTable, one a processor, and the list of what found no room.
struct Tracker {
    TrackerRow row;
    std::uint64_t rows = 0;       ///< of each table; the last is the overflow row
    std::vector<VirtAddr> tables; ///< without nulls and duplicates; the global one first
    VirtAddr expansion;           ///< null: none
    std::uint64_t expansion_rows = 0;
    bool cut_short = false; ///< there may be more tags, in a list that was not found or read
    std::string inferred;   ///< how it was found, when not by symbols: a sentence
};

/// By the symbols; where these lack it, from KDBG's pointer and the contents of the tables themselves. Errors: kind
/// `unsupported` when the kernel was booted without pool tagging (the sentence says what to do), `malformed`,
/// `not_found` when neither symbols nor data tell.
Result<Tracker> find_tracker(nt::Kernel& kernel, Work& work);

/// From the contents alone: rows of a known shape whose tags are where their hashes put them. Error `not_found` tells
/// what the data do not decide.
Result<Tracker> infer_tracker(nt::Kernel& kernel, Work& work);

} // namespace poolkd::pool

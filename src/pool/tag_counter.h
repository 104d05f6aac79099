#pragma once

#include "pool/tracker.h"
#include "pool/usage.h"

#include <optional>

namespace poolkd::pool {

/// The counters of one tag, found by its hash: a read of one row a table, where `read_usage` reads all of all tables.
class TagCounter {
  public:
    /// Errors: as `find_tracker`.
    static Result<TagCounter> create(nt::Kernel& kernel, PoolTag tag, Work& work);

    /// As they are now; zeros while the kernel has not met the tag. Kind `not_found`: the tag has no row of its own
    /// where one is looked for (the tables are full), `unreadable`.
    Result<TagUsage> read(nt::Kernel& kernel);

  private:
    TagCounter(Tracker tracker, PoolTag tag) : tracker_(std::move(tracker)), tag_(tag.bare()) {}

    /// The row of the tag in the global table, or in the list of what found no room there; 0: it has none yet.
    Result<VirtAddr> find_row(nt::Kernel& kernel);
    void add(TagUsage& sum, Bytes record) const;

    Tracker tracker_;
    PoolTag tag_;
    VirtAddr row_; ///< once it is known: rows do not move
};

} // namespace poolkd::pool

// A machine for the pool on the host: address space in two regions, an interrupt level, and a bug check that the test
// sees.
#pragma once

#include "pool.h"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace lab_test {

struct BugCheck {
    ULONG code;
    std::uint64_t parameters[4];
};

struct Usage {
    std::int64_t allocs = 0;
    std::int64_t frees = 0;
    std::int64_t bytes = 0;
    bool operator==(const Usage&) const = default;
};

struct TagUsage {
    Usage paged;
    Usage nonpaged;
    bool operator==(const TagUsage&) const = default;
};

// Forgets all earlier allocations and starts the pool anew.
void start_pool(bool tagging = true, SIZE_T tracker_entries = 1024, SIZE_T expansion_pages = 4,
                SIZE_T big_entries = 64);

// Starts the pool as the kernel does, with these words on the boot command line.
void boot_pool(ULONG global_flag, std::map<std::string, std::string> options);

// Pages allocated and not freed, in one region.
SIZE_T pages_in_use(bool paged);
// No more than this many pages can be allocated from now on.
void limit_pages(SIZE_T pages);
int breakpoints_hit();
void set_irql(KIRQL irql);
int locks_held();

// Sums the counters of every table, as a debugger does it.
std::map<ULONG, TagUsage> tag_usage();

// Walks every page of small blocks by its headers and every list; an empty string, or what is wrong.
std::string check_pool();
// Blocks in use below a page, by tag (bit 31 cleared), found by walking the pages: count and bytes.
std::map<ULONG, Usage> walk_small_blocks(bool paged);

} // namespace lab_test

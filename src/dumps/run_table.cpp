#include "dumps/run_table.h"

#include <algorithm>
#include <type_traits>
#include <utility>

namespace poolkd::dumps {

namespace {

// x64 and ARM64 form physical addresses of at most 52 bits.
template <class Space>
constexpr std::uint64_t address_limit = std::is_same_v<Space, PhysAddr> ? 1ull << 52 : ~0ull;

std::uint64_t saturating_sum(std::uint64_t a, std::uint64_t b) {
    return a > ~b ? ~0ull : a + b;
}

/// Cuts the run to possible addresses and to the file; false when nothing is left.
template <class Space>
bool fit(Run<Space>& run, std::uint64_t file_size, ImageCoverage& coverage) {
    coverage.stated = saturating_sum(coverage.stated, run.bytes);
    const std::uint64_t room = address_limit<Space> - std::min(address_limit<Space>, run.start.value);
    if (run.bytes > room) {
        coverage.impossible = saturating_sum(coverage.impossible, run.bytes - room);
        run.bytes = room;
    }
    const std::uint64_t in_file = file_size - std::min(file_size, run.offset.value);
    if (run.bytes > in_file) {
        coverage.beyond_file = saturating_sum(coverage.beyond_file, run.bytes - in_file);
        run.bytes = in_file;
    }
    return run.bytes != 0;
}

} // namespace

template <class Space>
RunTable<Space> RunTable<Space>::build(std::vector<Run<Space>> runs, std::uint64_t file_size, ImageCoverage& coverage) {
    std::erase_if(runs, [&](Run<Space>& run) { return !fit(run, file_size, coverage); });
    std::ranges::sort(runs, {}, [](const Run<Space>& run) { return std::pair(run.start, run.offset); });
    RunTable table;
    for (Run<Space> run : runs) {
        Run<Space>* last = table.runs_.empty() ? nullptr : &table.runs_.back();
        if (last && run.start < last->start + last->bytes) {
            const std::uint64_t told_twice = std::min(run.bytes, (last->start + last->bytes) - run.start);
            // The same bytes of the file again are no contradiction: a core has a header for each mapping.
            const bool same = run.start.value - run.offset.value == last->start.value - last->offset.value;
            (same ? coverage.twice_the_same : coverage.overlapping) += told_twice;
            run = {run.start + told_twice, run.bytes - told_twice, run.offset + told_twice};
            if (run.bytes == 0) continue;
        }
        coverage.present += run.bytes;
        if (last && last->start + last->bytes == run.start && last->offset + last->bytes == run.offset) {
            last->bytes += run.bytes;
        } else if (table.runs_.size() < most_runs) {
            table.runs_.push_back(run);
        } else {
            coverage.limit_reached = true;
            coverage.present -= run.bytes;
        }
    }
    table.runs_.shrink_to_fit();
    return table;
}

template <class Space>
Piece RunTable<Space>::find(Space address, std::uint64_t wanted) const {
    auto next = std::upper_bound(runs_.begin(), runs_.end(), address,
                                 [](Space a, const Run<Space>& run) { return a < run.start; });
    if (next != runs_.begin()) {
        const Run<Space>& run = *std::prev(next);
        const std::uint64_t into = address - run.start;
        if (into < run.bytes) return {run.offset + into, std::min(wanted, run.bytes - into)};
    }
    return {std::nullopt, next == runs_.end() ? wanted : std::min(wanted, next->start - address)};
}

template <class Space>
Space RunTable<Space>::end() const {
    return runs_.empty() ? Space() : runs_.back().start + runs_.back().bytes;
}

template class RunTable<PhysAddr>;
template class RunTable<VirtAddr>;

} // namespace poolkd::dumps

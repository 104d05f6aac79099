#include "dumps/page_runs.h"

#include <algorithm>

namespace poolkd::dumps {

std::vector<PageRun> page_runs(const Placement<PhysAddr>& placement) {
    std::vector<PageRun> runs;
    const std::uint64_t end = placement.end().value;
    // Pieces that touch in memory may lie apart in the file, and a page may be made of two.
    for (std::uint64_t at = 0; at < end;) {
        const Piece hole_or_piece = placement.find(PhysAddr(at), end - at);
        if (!hole_or_piece.offset) {
            at += hole_or_piece.bytes;
            continue;
        }
        const std::uint64_t start = at;
        for (Piece piece = hole_or_piece; piece.offset && at < end; piece = placement.find(PhysAddr(at), end - at)) {
            at += piece.bytes;
            if (at >= end) break;
        }
        const std::uint64_t first = start / page_bytes + (start % page_bytes != 0);
        if (at / page_bytes > first) runs.push_back({first, at / page_bytes - first});
    }
    return runs;
}

std::vector<PageRun> in_order(std::vector<PageRun> runs) {
    std::erase_if(runs, [](const PageRun& run) { return run.count == 0 || run.first > ~run.count; });
    std::ranges::sort(runs, {}, &PageRun::first);
    std::vector<PageRun> ordered;
    for (const PageRun& run : runs) {
        if (ordered.empty() || run.first > ordered.back().first + ordered.back().count) {
            ordered.push_back(run);
        } else {
            const std::uint64_t end = std::max(ordered.back().first + ordered.back().count, run.first + run.count);
            ordered.back().count = end - ordered.back().first;
        }
    }
    return ordered;
}

} // namespace poolkd::dumps

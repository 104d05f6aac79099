#include "dumps/crash_body.h"

namespace poolkd::dumps {

PhysicalPlacement place_header_runs(const CrashHeader& header, Bytes file, MemoryImage& image) {
    constexpr std::uint64_t most_pages = 1ull << 40; // what 52 bits of an address count
    if (header.runs.empty()) return fail(ErrorKind::malformed, "the header tells of no runs of memory");
    std::vector<Run<PhysAddr>> runs;
    std::uint64_t pages = 0;
    for (const PageRun& run : header.runs) {
        if (run.first >= most_pages || run.count > most_pages) {
            // Where the pages of the following runs lie cannot be told any more.
            image.facts.remarks.push_back(fmt::format("The header has a run of {:#x} pages at page {:#x}: no machine "
                                                      "has it. What follows in the file was not used.",
                                                      run.count, run.first));
            image.coverage.limit_reached = true;
            break;
        }
        runs.push_back(
            {PhysAddr(run.first * page_bytes), run.count * page_bytes, FileOffset(header.size + pages * page_bytes)});
        pages += run.count;
    }
    if (header.stated_pages && *header.stated_pages != pages)
        image.facts.remarks.push_back(
            fmt::format("The header states {} pages, its runs have {}.", *header.stated_pages, pages));
    return std::make_unique<RunTable<PhysAddr>>(
        RunTable<PhysAddr>::build(std::move(runs), file.size(), image.coverage));
}

} // namespace poolkd::dumps

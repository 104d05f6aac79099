#include "dumps/crash_body.h"

#include <algorithm>

namespace poolkd::dumps {

// Source of the layout: kdmp-parser.
PhysicalPlacement place_ranges(const CrashHeader& header, Bytes file, MemoryImage& image) {
    constexpr std::uint64_t most_pages = 1ull << 40;
    constexpr std::size_t entry_bytes = 16;
    const std::size_t body = header.size;
    const auto metadata = load_or<std::uint64_t>(file, body + 0x10);
    const auto first_page = load_or<std::uint64_t>(file, body + 0x18);
    const std::size_t list = body + 0x30;
    if (first_page <= list) return fail(ErrorKind::malformed, "the pages of the range dump begin at {:#x}", first_page);
    if (first_page > file.size())
        return fail(ErrorKind::malformed, "the pages of the range dump begin at {:#x}, behind the end of the file",
                    first_page);
    if (metadata - 0x20 != first_page - (body + 0x40))
        image.facts.remarks.push_back(fmt::format("The dump states {:#x} bytes of metadata, but its first page is at "
                                                  "{:#x}.",
                                                  metadata, first_page));
    // Debuggers of today state how much of the list counts; earlier ones end it with an empty entry.
    const bool counted = header.type == DumpType::ranges_full;
    const std::uint64_t total = counted ? load_or<std::uint64_t>(file, body + 0x28) : ~0ull;
    const std::uint64_t list_end = std::min<std::uint64_t>(first_page, file.size());
    std::vector<Run<PhysAddr>> runs;
    std::uint64_t pages = 0;
    for (std::size_t at = list; at + entry_bytes <= list_end && pages < total; at += entry_bytes) {
        const auto first = load_or<std::uint64_t>(file, at);
        const auto count = load_or<std::uint64_t>(file, at + 8);
        if (count == 0 || (first == 0 && at != list)) break;
        if (first >= most_pages || count > most_pages - pages || runs.size() == RunTable<PhysAddr>::most_runs) {
            image.facts.remarks.push_back(fmt::format("The list of ranges was used up to its entry {}: {:#x} pages at "
                                                      "page {:#x}.",
                                                      runs.size(), count, first));
            image.coverage.limit_reached = true;
            break;
        }
        runs.push_back({PhysAddr(first * page_bytes), count * page_bytes, FileOffset(first_page + pages * page_bytes)});
        pages += count;
    }
    if (counted && pages != total)
        image.facts.remarks.push_back(fmt::format("The header states {} pages, its ranges have {}.", total, pages));
    if (runs.empty()) return fail(ErrorKind::malformed, "the range dump has no ranges");
    return std::make_unique<RunTable<PhysAddr>>(
        RunTable<PhysAddr>::build(std::move(runs), file.size(), image.coverage));
}

} // namespace poolkd::dumps

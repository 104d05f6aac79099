#include "pool/blocks.h"

#include "pool/heap_backed.h"

#include <algorithm>

namespace poolkd::pool {

namespace {

constexpr std::uint64_t chunk_bytes = 1u << 20; // one read; progress and Ctrl-C are looked at between them

/// Big allocations occupy whole pages; these have no headers and need not be read.
class BigPageSet {
  public:
    BigPageSet(const std::vector<BigPage>& live, std::uint32_t page_size) : live_(live), page_size_(page_size) {}

    /// Bytes from `address` to the end of the big allocation that holds it, rounded up to a page; 0 when none does.
    /// A distance and no address: a damaged entry may reach over the top of the address space.
    [[nodiscard]] std::uint64_t rest_of_holder(VirtAddr address) const {
        auto after = std::ranges::upper_bound(live_, address, {}, &BigPage::address);
        if (after == live_.begin()) return 0;
        const BigPage& page = *std::prev(after);
        const std::uint64_t bytes = (page.bytes / page_size_ + (page.bytes % page_size_ != 0)) * page_size_;
        const std::uint64_t inside = address - page.address;
        return inside < bytes ? bytes - inside : 0;
    }

    /// The next one behind `address`: one there that holds nothing must not stop the walk.
    [[nodiscard]] std::optional<VirtAddr> first_behind(VirtAddr address) const {
        auto at = std::ranges::upper_bound(live_, address, {}, &BigPage::address);
        return at == live_.end() ? std::nullopt : std::optional(at->address);
    }

  private:
    const std::vector<BigPage>& live_;
    std::uint32_t page_size_;
};

} // namespace

PoolBlock block_of(const BigPage& page) {
    return {
        page.address, page.address, page.bytes, 0, page.tag, true, page.paged ? PoolKind::paged : PoolKind::nonpaged,
        true,         false};
}

std::vector<PoolBlock> parse_page_until_break(const HeaderReader& reader, VirtAddr page, Bytes bytes,
                                              std::optional<ChainBreak>& broken) {
    std::vector<PoolBlock> blocks;
    std::uint32_t previous = 0;
    std::uint64_t offset = 0;
    while (offset < bytes.size()) {
        VirtAddr at = page + offset;
        PoolHeader header = reader.read(bytes.subspan(offset));
        if (header.previous_size != previous) {
            broken = ChainBreak{at, fmt::format("previous size {:x} should be {:x}", header.previous_size, previous)};
            return blocks;
        }
        if (header.size < reader.header_size() || header.size > bytes.size() - offset) {
            broken = ChainBreak{at, fmt::format("block size {:x} does not fit the page", header.size)};
            return blocks;
        }
        blocks.push_back({at, at + reader.header_size(), header.size, header.previous_size, header.tag,
                          header.allocated, header.paged ? PoolKind::paged : PoolKind::nonpaged, false, header.quota});
        previous = header.size;
        offset += header.size;
    }
    return blocks;
}

std::vector<PoolBlock> parse_page(const HeaderReader& reader, VirtAddr page, Bytes bytes) {
    std::optional<ChainBreak> broken;
    std::vector<PoolBlock> blocks = parse_page_until_break(reader, page, bytes, broken);
    if (broken) return {};
    return blocks;
}

Result<Answer<WalkSummary>> walk_blocks(nt::Kernel& kernel, const WalkOptions& options, Work& work,
                                        const std::function<void(const PoolBlock&)>& visit, const WalkPart& part) {
    Answer<WalkSummary> answer;
    WalkSummary& summary = answer.value;
    auto wanted = [&](PoolKind kind) { return kind == PoolKind::paged ? options.paged : options.nonpaged; };

    POOLKD_TRY(Answer<BigPageTable> big, read_big_pages(kernel, work));
    answer.coverage.merge(big.coverage);
    summary.big_table = big.value.table;
    summary.big_table_end = big.value.end;
    if (options.big) {
        if (part) part(std::nullopt, summary);
        for (const BigPage& page : big.value.live)
            if (!page.kind_known || wanted(page.paged ? PoolKind::paged : PoolKind::nonpaged)) visit(block_of(page));
    }
    summary.heap_backed = is_heap_backed(kernel);
    if (!options.small || summary.heap_backed) return answer;

    POOLKD_TRY(HeaderReader reader, HeaderReader::create(kernel));
    auto found = find_ranges(kernel, work);
    if (!found && found.error().kind == ErrorKind::stopped) {
        answer.coverage.add_gap(GapReason::stopped, VirtAddr(), 0);
        return answer;
    }
    POOLKD_TRY(std::vector<PoolRange> ranges, std::move(found));
    std::erase_if(ranges, [&](const PoolRange& range) { return !wanted(range.kind); });
    summary.ranges = ranges;
    const std::uint32_t page_size = reader.page_size();
    const BigPageSet big_pages(big.value.live, page_size);

    for (const PoolRange& range : ranges) {
        if (part) part(range, summary);
        POOLKD_TRY(Answer<PresentPages> present, find_present_pages(kernel, range, work));
        answer.coverage.merge(present.coverage);
        summary.absent_pages += present.value.absent_pages;
        summary.empty_pages += present.value.empty_pages;
        std::uint64_t total = 0, done = 0;
        for (const PageRun& run : present.value.runs)
            total += run.bytes;
        for (const PageRun& run : present.value.runs) {
            const VirtAddr run_end = run.first + run.bytes;
            for (VirtAddr at = run.first; at < run_end;) {
                summary.reached = at;
                if (work.stop_requested()) {
                    answer.coverage.add_gap(GapReason::stopped, at, total - done);
                    return answer;
                }
                if (std::uint64_t held = big_pages.rest_of_holder(at)) {
                    held = std::min(held, run_end - at);
                    summary.big_bytes += held;
                    done += held;
                    at += held;
                    continue;
                }
                std::uint64_t bytes = std::min(run_end - at, chunk_bytes);
                if (auto next_big = big_pages.first_behind(at)) bytes = std::min(bytes, *next_big - at);
                auto chunk = memory::read_sparse(kernel.memory(), at, bytes, page_size, &work);
                answer.coverage.merge(chunk.coverage);
                if (chunk.coverage.stopped()) return answer;
                for (std::uint64_t offset = 0; offset + page_size <= bytes; offset += page_size) {
                    auto blocks = parse_page(reader, at + offset, Bytes(chunk.value).subspan(offset, page_size));
                    blocks.empty() ? ++summary.other_pages : ++summary.pages_of_blocks;
                    for (PoolBlock& block : blocks) {
                        block.kind = range.kind;
                        visit(block);
                    }
                }
                at += bytes;
                done += bytes;
                work.progress("searching pool", done, total);
            }
        }
        summary.reached = range.last;
    }
    return answer;
}

} // namespace poolkd::pool

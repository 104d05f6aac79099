#include "pool/blocks.h"

#include "base/parallel.h"
#include "memory/visit_pages.h"
#include "pool/heap_backed.h"
#include "pool/stretches.h"

#include <algorithm>
#include <array>

namespace poolkd::pool {

namespace {

// A request to a link; progress and Ctrl-C are looked at between them.
constexpr std::uint64_t link_stretch_bytes = 1u << 20;
// A thread's share at a time, and how many of them make a round, whose blocks are kept until they were visited.
constexpr std::uint64_t thread_stretch_bytes = 2u << 20;
constexpr std::size_t stretches_a_thread = 4;

enum class ChainFault { none, previous_size, size };

/// The blocks of one page, of which each tells where the next one is.
struct Chain {
    VirtAddr page;
    Bytes bytes;
    std::size_t offset = 0; ///< of the next block, or of the one that is wrong
    std::uint32_t previous = 0;
    ChainFault fault = ChainFault::none;

    /// Calls `visit(offset, header)` for the next block; false at the end of the page, or where the chain breaks.
    template <class Visit>
    bool step(const HeaderReader& reader, Visit&& visit) {
        if (bytes.size() - offset < reader.header_size()) return false;
        const PoolHeader header = reader.read(bytes.subspan(offset));
        if (header.previous_size != previous) {
            fault = ChainFault::previous_size;
            return false;
        }
        if (header.size < reader.header_size() || header.size > bytes.size() - offset) {
            fault = ChainFault::size;
            return false;
        }
        const std::size_t here = offset;
        previous = header.size;
        offset += header.size;
        if (offset < bytes.size()) __builtin_prefetch(bytes.data() + offset);
        visit(here, header);
        return true;
    }
};

PoolBlock block_at(const HeaderReader& reader, VirtAddr at, const PoolHeader& header) {
    return {at,
            at + reader.header_size(),
            header.size,
            header.previous_size,
            header.tag,
            header.allocated,
            header.paged ? PoolKind::paged : PoolKind::nonpaged,
            false,
            header.quota};
}

/// What one stretch of pages holds.
struct StretchBlocks {
    std::vector<PoolBlock> blocks;
    std::uint64_t pages_of_blocks = 0, other_pages = 0;
    Coverage coverage;
};

/// Reads the blocks of some pages. Where the next header is stands in the one before, which memory takes long to bring:
/// so several pages are gone through at once, a step each.
class PageGroup {
  public:
    PageGroup(const HeaderReader& reader, PoolKind kind, const std::function<bool(PoolTag)>& wanted)
        : reader_(reader), kind_(kind), wanted_(wanted) {}

    void read(std::span<const memory::VisitedPage> pages, StretchBlocks& found) {
        std::array<std::size_t, memory::pages_of_a_visit> going{};
        std::size_t count = pages.size();
        for (std::size_t i = 0; i < count; ++i) {
            chains_[i] = {.page = pages[i].address, .bytes = pages[i].bytes};
            blocks_[i].clear();
            going[i] = i;
        }
        while (count != 0)
            for (std::size_t i = 0; i < count;) {
                const std::size_t which = going[i];
                const bool more = chains_[which].step(reader_, [&](std::size_t at, const PoolHeader& header) {
                    if (wanted_ && !wanted_(header.tag)) return;
                    blocks_[which].push_back(block_at(reader_, chains_[which].page + at, header));
                    blocks_[which].back().kind = kind_;
                });
                if (more) {
                    ++i;
                } else {
                    going[i] = going[--count];
                }
            }
        for (std::size_t i = 0; i < pages.size(); ++i) {
            if (chains_[i].fault != ChainFault::none) {
                ++found.other_pages;
                continue;
            }
            ++found.pages_of_blocks;
            found.blocks.insert(found.blocks.end(), blocks_[i].begin(), blocks_[i].end());
        }
    }

  private:
    const HeaderReader& reader_;
    PoolKind kind_;
    const std::function<bool(PoolTag)>& wanted_;
    std::array<Chain, memory::pages_of_a_visit> chains_;
    std::array<std::vector<PoolBlock>, memory::pages_of_a_visit> blocks_;
};

StretchBlocks read_stretch(const HeaderReader& reader, memory::AddressSpace& memory, const PageRun& stretch,
                           PoolKind kind, const std::function<bool(PoolTag)>& wanted, Work& work) {
    StretchBlocks found;
    PageGroup group(reader, kind, wanted);
    found.coverage = memory::visit_pages(memory, stretch.first, stretch.bytes, reader.page_size(), work,
                                         [&](std::span<const memory::VisitedPage> pages) { group.read(pages, found); });
    return found;
}

} // namespace

PoolBlock block_of(const BigPage& page) {
    return {
        page.address, page.address, page.bytes, 0, page.tag, true, page.paged ? PoolKind::paged : PoolKind::nonpaged,
        true,         false};
}

std::vector<PoolBlock> parse_page_until_break(const HeaderReader& reader, VirtAddr page, Bytes bytes,
                                              std::optional<ChainBreak>& broken) {
    std::vector<PoolBlock> blocks;
    Chain chain{.page = page, .bytes = bytes};
    while (chain.step(reader, [&](std::size_t at, const PoolHeader& header) {
        blocks.push_back(block_at(reader, page + at, header));
    })) {
    }
    if (chain.fault == ChainFault::none) return blocks;
    const PoolHeader bad = reader.read(bytes.subspan(chain.offset));
    broken = ChainBreak{page + chain.offset,
                        chain.fault == ChainFault::size
                            ? fmt::format("block size {:x} does not fit the page", bad.size)
                            : fmt::format("previous size {:x} should be {:x}", bad.previous_size, chain.previous)};
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
    auto wanted_tag = [&](PoolTag tag) { return !options.wanted || options.wanted(tag); };
    if (options.big) {
        if (part) part(std::nullopt, summary);
        for (const BigPage& page : big.value.live)
            if ((!page.kind_known || wanted(page.paged ? PoolKind::paged : PoolKind::nonpaged)) && wanted_tag(page.tag))
                visit(block_of(page));
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

    StretchReaders readers(kernel.target(), worker_threads());
    const bool is_link = kernel.target().run_control() != nullptr;
    const std::size_t in_round = is_link ? 1 : stretches_a_thread * readers.threads();
    for (const PoolRange& range : ranges) {
        if (part) part(range, summary);
        POOLKD_TRY(Answer<PresentPages> present, find_present_pages(kernel, range, work));
        answer.coverage.merge(present.coverage);
        summary.absent_pages += present.value.absent_pages;
        summary.empty_pages += present.value.empty_pages;
        std::uint64_t total = 0, done = 0;
        for (const PageRun& run : present.value.runs)
            total += run.bytes;
        Stretches stretches(present.value.runs, big.value.live, reader.page_size(),
                            is_link ? link_stretch_bytes : thread_stretch_bytes);
        for (;;) {
            std::vector<PageRun> round;
            while (round.size() < in_round) {
                auto stretch = stretches.next();
                if (!stretch) break;
                round.push_back(*stretch);
            }
            if (round.empty()) break;
            summary.reached = round.front().first;
            if (work.stop_requested()) {
                answer.coverage.add_gap(GapReason::stopped, summary.reached, total - done - stretches.big_bytes());
                return answer;
            }
            std::vector<StretchBlocks> results(round.size());
            readers.run(round, [&](std::size_t i, memory::AddressSpace& memory) {
                results[i] = read_stretch(reader, memory, round[i], range.kind, options.wanted, work);
            });
            bool stopped = false;
            for (std::size_t i = 0; i < round.size(); ++i) {
                const StretchBlocks& result = results[i];
                answer.coverage.merge(result.coverage);
                stopped |= result.coverage.stopped();
                summary.pages_of_blocks += result.pages_of_blocks;
                summary.other_pages += result.other_pages;
                for (const PoolBlock& block : result.blocks)
                    visit(block);
                done += round[i].bytes;
            }
            if (stopped) return answer;
            work.progress("searching pool", done + stretches.big_bytes(), total);
        }
        summary.big_bytes += stretches.big_bytes();
        summary.reached = range.last;
    }
    return answer;
}

} // namespace poolkd::pool

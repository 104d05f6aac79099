#include "memory/cache.h"

#include <algorithm>

namespace poolkd::memory {

CachedSpace::CachedSpace(AddressSpace& below, std::function<std::uint64_t()> epoch, std::size_t budget_bytes)
    : below_(below), epoch_(std::move(epoch)), budget_pages_(std::max<std::size_t>(budget_bytes / page_bytes, 1)) {}

void CachedSpace::forget() {
    pages_.clear();
}

CachedSpace::Page& CachedSpace::page_at(std::uint64_t number) {
    auto& slot = pages_[number];
    if (!slot) slot = std::make_unique<Page>();
    return *slot;
}

ReadResult CachedSpace::read(VirtAddr address, MutableBytes out, Work* work) {
    if (std::uint64_t now = epoch_(); now != epoch_seen_) {
        forget();
        epoch_seen_ = now;
    }
    if (const std::uint64_t to_top = 0 - address.value; to_top != 0 && out.size() > to_top) {
        ReadResult result = read(address, out.first(to_top), work);
        if (!result.gap) result.gap = GapReason::unmapped; // nothing lies behind the last address
        return result;
    }
    std::size_t done = 0;
    // A request is served in stretches that fit the budget, so that no page is dropped before it is copied out.
    while (done < out.size()) {
        VirtAddr at = address + done;
        std::size_t stretch = std::min(out.size() - done, budget_pages_ * page_bytes / 2 + 1);
        if (pages_.size() + stretch / page_bytes + 2 > budget_pages_) forget();
        ReadResult filled = fill(at, stretch, work);
        std::size_t copied = 0;
        while (copied < filled.bytes) {
            std::uint64_t position = (at + copied).value;
            std::size_t inside = position % page_bytes;
            std::size_t count = std::min(page_bytes - inside, filled.bytes - copied);
            const Page& page = page_at(position / page_bytes);
            std::copy_n(page.bytes.begin() + static_cast<std::ptrdiff_t>(inside), count,
                        out.begin() + static_cast<std::ptrdiff_t>(done + copied));
            copied += count;
        }
        done += filled.bytes;
        if (filled.bytes < stretch) return {done, filled.gap};
    }
    return {done, std::nullopt};
}

ReadResult CachedSpace::fill(VirtAddr address, std::size_t size, Work* work) {
    const std::uint64_t end = address.value + size - 1; // inclusive, so that the top of the space does not wrap
    std::uint64_t line = address.value / line_bytes;
    const std::uint64_t last_line = end / line_bytes;
    auto good_until = [&](std::uint64_t first_bad) -> std::size_t {
        return first_bad <= address.value ? 0 : std::min<std::size_t>(size, first_bad - address.value);
    };
    while (line <= last_line) {
        const std::uint64_t page_number = line / lines;
        Page& page = page_at(page_number);
        const std::size_t line_in_page = line % lines;
        if (page.valid[line_in_page]) {
            ++line;
            continue;
        }
        if (page.gap && line_in_page >= page.gap_offset / line_bytes)
            return {good_until(page_number * page_bytes + page.gap_offset), page.gap};
        // The run of missing lines from here, as far as the request goes.
        std::uint64_t run_end = line + 1;
        while (run_end <= last_line && !page_at(run_end / lines).valid[run_end % lines] &&
               !page_at(run_end / lines).gap)
            ++run_end;
        ByteVector buffer((run_end - line) * line_bytes);
        ReadResult got = below_.read(VirtAddr(line * line_bytes), buffer, work);
        bytes_from_below_ += got.bytes;
        for (std::size_t copied = 0; copied < got.bytes; copied += line_bytes) {
            std::uint64_t at = line + copied / line_bytes;
            Page& to = page_at(at / lines);
            std::size_t count = std::min(line_bytes, got.bytes - copied);
            std::copy_n(buffer.begin() + static_cast<std::ptrdiff_t>(copied), count,
                        to.bytes.begin() + static_cast<std::ptrdiff_t>((at % lines) * line_bytes));
            if (count == line_bytes) to.valid[at % lines] = true;
        }
        if (got.bytes < buffer.size()) {
            std::uint64_t first_bad = line * line_bytes + got.bytes;
            // Only holes of the target are remembered; a lost link or a stop may be over at the next call.
            if (got.gap != GapReason::link_lost && got.gap != GapReason::stopped) {
                Page& bad = page_at(first_bad / page_bytes);
                bad.gap = got.gap.value_or(GapReason::unmapped);
                bad.gap_offset = first_bad % page_bytes;
            }
            return {good_until(first_bad), got.gap.value_or(GapReason::unmapped)};
        }
        line = run_end;
    }
    return {size, std::nullopt};
}

} // namespace poolkd::memory

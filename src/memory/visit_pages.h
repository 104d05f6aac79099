#pragma once

#include "memory/memory.h"

#include <array>
#include <span>

namespace poolkd::memory {

/// One page of a stretch that is visited.
struct VisitedPage {
    VirtAddr address;
    Bytes bytes;
};

/// A visitor gets so many pages at a time at most: one that follows links in them can wait for several at once.
inline constexpr std::size_t pages_of_a_visit = 8;

/// Calls `visit(std::span<const VisitedPage>)` for all pages of [first, first + bytes), which are whole pages, in
/// order: in place where that can be, else from one read of all that is left. Holes are zeros there, and told in the
/// coverage; so are the pages of a visit during which memory in place was lost (a file that was cut).
template <class Visit>
Coverage visit_pages(AddressSpace& space, VirtAddr first, std::uint64_t bytes, std::uint32_t page_size, Work& work,
                     Visit&& visit) {
    Coverage coverage;
    std::array<VisitedPage, pages_of_a_visit> pages;
    std::size_t count = 0;
    bool in_place = true;
    auto give = [&] {
        if (count == 0) return;
        visit(std::span<const VisitedPage>(pages).first(count));
        if (in_place) {
            // Asked after the look: memory that was lost meanwhile showed zeros, and is not shown any more.
            in_place = !space.view(pages[count - 1].address, 1).empty();
            const std::uint64_t given = std::uint64_t{count} * page_size;
            if (in_place) {
                coverage.add_read(given);
            } else {
                coverage.add_gap(GapReason::not_in_image, pages[0].address, given);
            }
        }
        count = 0;
    };
    auto add = [&](VirtAddr address, Bytes page) {
        pages[count++] = {address, page};
        if (count == pages.size()) give();
    };
    std::uint64_t done = 0;
    Bytes piece; // of what is left, as much as lies together
    for (; in_place && done < bytes && !work.stop_requested(); done += page_size) {
        if (piece.size() < page_size) piece = space.view(first + done, bytes - done);
        if (piece.size() < page_size) break;
        __builtin_prefetch(piece.data());
        add(first + done, piece.first(page_size));
        piece = piece.subspan(page_size);
    }
    give();
    in_place = false;
    Answer<ByteVector> rest;
    if (done < bytes) {
        rest = read_sparse(space, first + done, bytes - done, page_size, &work);
        coverage.merge(rest.coverage);
        if (!rest.coverage.stopped())
            for (std::uint64_t at = 0; at < rest.value.size(); at += page_size)
                add(first + done + at, Bytes(rest.value).subspan(at, page_size));
        give();
    }
    return coverage;
}

} // namespace poolkd::memory

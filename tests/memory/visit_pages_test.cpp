#include "memory/visit_pages.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace poolkd::memory::visit_pages_test {
namespace {

constexpr std::uint64_t page = 0x1000, base = 0xfffff80000000000;

/// A file's memory in place, all of it in one piece, that can be cut as MappingGuard lets it be.
class FileInPlace final : public AddressSpace {
  public:
    explicit FileInPlace(std::uint64_t pages) : bytes_(pages * page, std::byte{1}), left_(bytes_.size()) {}

    void cut(std::uint64_t pages) {
        left_ = pages * page;
        std::fill(bytes_.begin() + static_cast<std::ptrdiff_t>(left_), bytes_.end(), std::byte{0});
        intact_ = false;
    }
    ReadResult read(VirtAddr address, MutableBytes out, Work* /*work*/) override {
        const std::uint64_t at = address - VirtAddr(base);
        const std::size_t there = at < left_ ? std::min<std::uint64_t>(left_ - at, out.size()) : 0;
        std::copy_n(bytes_.begin() + static_cast<std::ptrdiff_t>(at), there, out.begin());
        if (there < out.size()) return {there, GapReason::not_in_image};
        return {there};
    }
    Bytes view(VirtAddr address, std::size_t wanted) override {
        if (!intact_) return {};
        const Bytes behind = Bytes(bytes_).subspan(address - VirtAddr(base));
        return behind.first(std::min(wanted, behind.size()));
    }

  private:
    ByteVector bytes_;
    std::uint64_t left_;
    bool intact_ = true;
};

struct Seen {
    std::vector<std::uint64_t> pages;
    std::uint64_t zeros = 0;

    void take(std::span<const VisitedPage> visited) {
        for (const VisitedPage& one : visited) {
            pages.push_back((one.address - VirtAddr(base)) / page);
            zeros += one.bytes.front() == std::byte{0};
        }
    }
    [[nodiscard]] bool all(std::uint64_t count) const {
        for (std::uint64_t i = 0; i < pages.size(); ++i)
            if (pages[i] != i) return false;
        return pages.size() == count;
    }
};

TEST(VisitPages, AllInPlace) {
    FileInPlace space(21);
    Work work;
    Seen seen;
    const Coverage coverage =
        visit_pages(space, VirtAddr(base), 21 * page, page, work, [&](auto pages) { seen.take(pages); });
    EXPECT_TRUE(seen.all(21));
    EXPECT_EQ(seen.zeros, 0u);
    EXPECT_TRUE(coverage.complete());
    EXPECT_EQ(coverage.read(), 21 * page);
}

TEST(VisitPages, WhatIsLostInTheMiddleOfAPieceIsAGap) {
    // Lost during the third visit; in front of the cut, one that was in that visit is told as lost too.
    for (const std::uint64_t left : {16u, 17u, 29u}) {
        FileInPlace space(43);
        Work work;
        Seen seen;
        int visits = 0;
        const Coverage coverage = visit_pages(space, VirtAddr(base), 43 * page, page, work, [&](auto pages) {
            if (++visits == 3) space.cut(left);
            seen.take(pages);
        });
        EXPECT_TRUE(seen.all(43));
        EXPECT_EQ(seen.zeros, 43 - left);
        EXPECT_EQ(coverage.read(), (16 + (left > 24 ? left - 24 : 0)) * page);
        EXPECT_EQ(coverage.read() + coverage.missing(), 43 * page);
        ASSERT_FALSE(coverage.gaps().empty());
        EXPECT_EQ(coverage.gaps().front().first, VirtAddr(base + 16 * page));
        EXPECT_EQ(coverage.gaps().front().reason, GapReason::not_in_image);
    }
}

TEST(VisitPages, TheLastPagesAreAskedForToo) {
    FileInPlace space(3);
    Work work;
    const Coverage coverage = visit_pages(space, VirtAddr(base), 3 * page, page, work, [&](auto) { space.cut(1); });
    EXPECT_EQ(coverage.read(), 0u);
    EXPECT_EQ(coverage.missing(), 3 * page);
}

} // namespace
} // namespace poolkd::memory::visit_pages_test

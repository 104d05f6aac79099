// The same pages in every container: all give the same memory back, also when they are cut or their headers damaged.
#include "image_builder.h"

#include <algorithm>
#include <functional>
#include <random>

namespace poolkd::dumps::testing {
namespace {

struct Container {
    const char* name;
    std::function<FileBuilder(const Pages&)> build;
    std::uint64_t body = 0; ///< bytes before the first page at most, where bits are flipped
};

constexpr std::uint64_t last_page = 1100;

// 1000 and 1100 bits: the last word, and the last byte, of the bitmap are not whole.
const Container containers[] = {
    {"full64", [](const Pages& p) { return full_dump(true, p); }},
    {"full32", [](const Pages& p) { return full_dump(false, p); }},
    {"bitmap_full64", [](const Pages& p) { return bitmap_dump(true, 5, p, last_page + 1); }},
    {"bitmap_kernel64", [](const Pages& p) { return bitmap_dump(true, 6, p, last_page + 1); }},
    {"bitmap_kernel32", [](const Pages& p) { return bitmap_dump(false, 6, p, last_page + 1); }},
    {"automatic64", [](const Pages& p) { return bitmap_dump(true, 7, p, last_page + 1); }},
    {"summary64", [](const Pages& p) { return summary_dump(true, p, last_page + 1); }},
    {"summary32", [](const Pages& p) { return summary_dump(false, p, last_page + 1); }},
    {"ranges8", [](const Pages& p) { return range_dump(8, p); }},
    {"ranges10", [](const Pages& p) { return range_dump(10, p); }},
    {"elf64", [](const Pages& p) { return elf_core(true, p); }},
    {"elf32", [](const Pages& p) { return elf_core(false, p); }},
    {"lime", [](const Pages& p) { return lime_image(p); }},
    {"lime_exclusive", [](const Pages& p) { return lime_image(p, true); }},
};

void PrintTo(const Container& container, std::ostream* out) {
    *out << container.name;
}

/// Few runs, as headers have room for 42; the last page is always there.
Pages random_pages(unsigned seed) {
    std::mt19937 random(seed);
    Pages pages{last_page};
    for (int run = 0; run < 12; ++run) {
        const std::uint64_t first = random() % last_page, count = 1 + random() % 20;
        for (std::uint64_t p = first; p < std::min(first + count, last_page); ++p)
            pages.insert(p);
    }
    return pages;
}

class ContainerTest : public ::testing::TestWithParam<Container> {};

TEST_P(ContainerTest, GivesEveryPageAndNoOther) {
    for (unsigned seed = 1; seed <= 5; ++seed) {
        const Pages pages = random_pages(seed);
        auto image = open_bytes(GetParam().build(pages));
        ASSERT_TRUE(image) << image.error().message;
        EXPECT_TRUE(image->coverage.complete()) << image->coverage.sentence();
        EXPECT_EQ(image->coverage.present, pages.size() * page);
        EXPECT_TRUE(image->facts.remarks.empty()) << image->facts.remarks.front();
        EXPECT_EQ(read_pages(*image, last_page + 200), pages) << seed;
        EXPECT_EQ(image->physical->placement().end(), PhysAddr((last_page + 1) * page));
    }
}

TEST_P(ContainerTest, ReadsAcrossPagesUpToTheFirstHole) {
    auto image = open_bytes(GetParam().build({3, 4, 5, 9, last_page}));
    ASSERT_TRUE(image);
    ByteVector bytes(4 * page);
    const auto got = image->physical->read(PhysAddr(3 * page + 16), bytes);
    EXPECT_EQ(got.bytes, 3 * page - 16);
    EXPECT_EQ(got.gap, GapReason::not_in_image);
    EXPECT_EQ(load<std::uint64_t>(bytes, 0), content(3 * page + 16));
    EXPECT_EQ(load<std::uint64_t>(bytes, 2 * page), content(5 * page + 16));
    EXPECT_EQ(image->physical->view(PhysAddr(4 * page + 8), 100 * page).size(), 2 * page - 8);
    EXPECT_TRUE(image->physical->view(PhysAddr(7 * page), page).empty());
}

TEST_P(ContainerTest, CutAnywhereItAnswersOrSaysWhy) {
    const Pages pages = random_pages(7);
    const ByteVector whole = GetParam().build(pages).bytes();
    for (std::size_t size = 0; size < whole.size(); size += page) {
        auto image = open_image(
            ImageFile::from_bytes(ByteVector(whole.begin(), whole.begin() + static_cast<long>(size)), "cut.bin"));
        if (!image) {
            EXPECT_GT(image.error().message.size(), 10u);
            continue;
        }
        const Pages found = read_pages(*image, last_page);
        EXPECT_LT(found.size(), pages.size());
        EXPECT_TRUE(std::includes(pages.begin(), pages.end(), found.begin(), found.end())) << size;
        // A LiME file that ends between two ranges looks whole: it has no table of contents.
        if (std::string_view(GetParam().name).starts_with("lime") && image->coverage.complete()) continue;
        EXPECT_FALSE(image->coverage.complete()) << size;
        EXPECT_NE(image->coverage.sentence(), "");
    }
}

TEST_P(ContainerTest, FlippedBitsOfTheHeaderDoNoHarm) {
    const ByteVector whole = GetParam().build({3, 4, 9, last_page}).bytes();
    std::vector<std::pair<std::size_t, std::size_t>> places{{0, 0x100}, {0xf80, 0x1060}, {0x2000, 0x2060}};
    ByteVector page_bytes(page);
    for (auto [from, to] : places)
        for (std::size_t at = from; at < std::min(to, whole.size()); ++at)
            for (unsigned bit = 0; bit < 8; ++bit) {
                ByteVector damaged = whole;
                damaged[at] ^= static_cast<std::byte>(1u << bit);
                auto image = open_image(ImageFile::from_bytes(std::move(damaged), "damaged.bin"));
                if (!image || !image->physical) continue;
                EXPECT_LE(image->coverage.present, whole.size());
                for (std::uint64_t p : {0u, 3u, 9u, 1100u, 0xffffffffu})
                    (void)image->physical->read(PhysAddr(p * page), page_bytes);
                (void)image->physical->placement().find(PhysAddr(0), ~0ull);
                (void)image->physical->placement().end();
            }
}

INSTANTIATE_TEST_SUITE_P(All, ContainerTest, ::testing::ValuesIn(containers),
                         [](const auto& parameter) { return parameter.param.name; });

} // namespace
} // namespace poolkd::dumps::testing

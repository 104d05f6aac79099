#include "code/code_functions.h"
#include "code_machine.h"
#include "site_image.h"

namespace poolkd::code {
namespace {

using poolkd::testing::SiteImageFile;

TEST(CodeFunctions, CountWhatTheyLookThroughAsWork) {
    SiteImageFile image(x64_machine(), {"KeFoo"});
    image.function(0x1000, {"ret"});
    image.code(0x1e00, {"sub rsp,28", "call qword ptr [KeFoo]", "add rsp,28", "ret"});
    image.function(0x1f00, {"ret"});
    auto bytes = FlatImage::of_file(image.bytes());
    ASSERT_TRUE(bytes);
    auto headers = pe::Image::open(*bytes, pe::ImageLayout::memory);
    ASSERT_TRUE(headers);
    const std::vector<Extent> code{{0x1000, 0x2000}};
    const CodeReferences references;
    CodeFunctions functions(*bytes, *headers, pe::ExportTable(), x64_machine(), image.base(), code, references);
    EXPECT_EQ(functions.effort(), 0u);
    const auto bounds = functions.holding(0x1e04);
    ASSERT_FALSE(bounds.empty());
    EXPECT_EQ(bounds.front().entry, 0x1e00u);
    // The gap between the two functions, and at least its padding once more.
    EXPECT_GE(functions.effort(), 2 * 0xd00 / 16);
}

TEST(CodeFunctions, PiecesOfAFunctionThatIsNowhereHaveOneBegin) {
    // Chained to a function that no entry tells.
    constexpr std::uint32_t chained = 0x2e00;
    SiteImageFile image(x64_machine(), {"KeFoo"});
    image.put(chained, {0x21, 0, 0, 0}); // version 1, chained
    image.put(chained + 4, std::uint32_t{0x1800});
    image.put(chained + 8, std::uint32_t{0x1900});
    image.put(chained + 12, image.plain_unwind);
    for (const std::uint32_t begin : {0x1000u, 0x1100u})
        image.unwind_entry(begin, image.code(begin, {"nop", "ret"}), chained);
    auto bytes = FlatImage::of_file(image.bytes());
    ASSERT_TRUE(bytes);
    auto headers = pe::Image::open(*bytes, pe::ImageLayout::memory);
    ASSERT_TRUE(headers);
    const std::vector<Extent> code{{0x1000, 0x2000}};
    const CodeReferences references;
    CodeFunctions functions(*bytes, *headers, pe::ExportTable(), x64_machine(), image.base(), code, references);
    for (const std::uint32_t rva : {0x1000u, 0x1101u}) {
        const auto bounds = functions.holding(rva);
        ASSERT_EQ(bounds.size(), 1u);
        EXPECT_EQ(bounds[0].entry, 0x1000u);
        EXPECT_EQ(bounds[0].extents.size(), 2u);
    }
}

TEST(CodeFunctions, PaddingEndsWhereItIsAskedTo) {
    SiteImageFile image(x64_machine(), {"KeFoo"});
    auto bytes = FlatImage::of_file(image.bytes());
    ASSERT_TRUE(bytes);
    auto headers = pe::Image::open(*bytes, pe::ImageLayout::memory);
    ASSERT_TRUE(headers);
    const std::vector<Extent> code{{0x1000, 0x2000}};
    const CodeReferences references;
    CodeFunctions functions(*bytes, *headers, pe::ExportTable(), x64_machine(), image.base(), code, references);
    EXPECT_EQ(functions.behind_padding(0x1000, 0x1100), 0x1100u);
}

TEST(FlowGraphs, PaddingCountsAsWork) {
    SiteImageFile image(x64_machine(), {"KeFoo"});
    image.code(0x1000, {"ret"});
    auto bytes = FlatImage::of_file(image.bytes());
    ASSERT_TRUE(bytes);
    FlowGraphs graphs(*bytes, x64_machine(), image.base(), {});
    const std::vector<Extent> code{{0x1000, 0x1801}};
    EXPECT_EQ(graphs.build(0x1000, code, true).steps.size(), 1u);
    EXPECT_EQ(graphs.decoded(), 1u + 0x800 / 16);
}

} // namespace
} // namespace poolkd::code

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

} // namespace
} // namespace poolkd::code

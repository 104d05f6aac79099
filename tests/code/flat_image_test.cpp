#include "code/flat_image.h"
#include "code_machine.h"
#include "site_image.h"

namespace poolkd::code {
namespace {

using poolkd::testing::CodeMachine;
using poolkd::testing::SiteImageFile;

TEST(FlatImage, TheLoadersSizeCountsAndNotThatOfTheHeaders) {
    SiteImageFile image(x64_machine(), {});
    image.put(SiteImageFile::pe + 24 + 56, std::uint32_t{0x20000}); // SizeOfImage
    image.directory(12, 0x8000, 0x10);
    CodeMachine machine;
    machine.add_module("ntoskrnl.exe", CodeMachine::kernel_base, image.bytes());
    machine.memory().map(CodeMachine::kernel_base + 0x8000, 0x1000);
    nt::Module* module = machine.kernel().modules().find("nt");
    ASSERT_TRUE(module);
    Work work;
    auto state = FlatImage::of_module(machine.kernel(), *module, work, FlatImage::Part::state);
    ASSERT_TRUE(state);
    EXPECT_EQ(state->size(), 0x5000u);
    EXPECT_EQ(state->coverage().read(), 0x2000u) << "headers and .data, and nothing behind the image";
}

} // namespace
} // namespace poolkd::code

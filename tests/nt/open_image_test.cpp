#include "nt/open_image.h"
#include "nt/page_roots.h"
#include "small_machine.h"
#include "support/temporary_directory.h"

#include <gmock/gmock.h>

#include <fstream>

namespace poolkd::nt {
namespace {

using small_machine::SmallMachine;
using ::testing::HasSubstr;

class OpenImage : public ::testing::Test {
  protected:
    Result<OpenedImage> open(const SmallMachine& machine, std::initializer_list<std::uint64_t> ends) {
        const std::string path = (directory.path() / "ram").string();
        std::ofstream(path, std::ios::binary)
            .write(reinterpret_cast<const char*>(machine.bytes.data()),
                   static_cast<std::streamsize>(machine.bytes.size()));
        return open_image(path, work, std::span(ends.begin(), ends.size()));
    }
    Work work;
    poolkd::testing::TemporaryDirectory directory;
};

/// The tables name what lies behind `low_end` in the file by its addresses from 4 GiB on.
SmallMachine with_a_hole(std::uint64_t low_end) {
    SmallMachine machine = small_machine::x64_small();
    for (const std::size_t table : {0x5000u, 0x6000u, 0x7000u, 0x8000u, 0xb000u, 0xc000u, 0xd000u})
        for (std::size_t at = table; at < table + 4096; at += 8)
            if (auto entry = load_or<std::uint64_t>(machine.bytes, at); entry >= low_end)
                machine.put(at, entry - low_end + (1ull << 32));
    return machine;
}

TEST_F(OpenImage, RamWithAHoleThatTheFileDoesNotShow) {
    auto opened = open(with_a_hole(0x5000), {0x3000, 0x5000, 0x9000});
    ASSERT_TRUE(opened) << opened.error().message;
    EXPECT_EQ(opened->low_memory_end, 0x5000u);
    EXPECT_EQ(opened->kernel.base, VirtAddr(small_machine::base_64));
    EXPECT_EQ(opened->target->page_tables(0)->cr3, 1ull << 32);
}

// The tables and the kernel lie in the low part, KUSER_SHARED_DATA does not: only one of the ends finds it.
TEST_F(OpenImage, TriesAllWhereTheTablesTellNothing) {
    auto opened = open(with_a_hole(0xe000), {0x10000, 0xe000});
    ASSERT_TRUE(opened) << opened.error().message;
    EXPECT_EQ(opened->low_memory_end, 0xe000u);
}

// Whoever opens an image counts with all its processors, a session or not.
TEST_F(OpenImage, HasTheProcessorsThatTheKernelKnows) {
    SmallMachine machine = small_machine::x64_small();
    constexpr std::uint64_t array = small_machine::base_64 + 0x3800;
    machine.put(0x12000 + 0x100 + 0x218, array);
    for (std::uint64_t i = 0; i < 3; ++i)
        machine.put(0x12800 + 8 * i, small_machine::base_64 + 0x3900);
    auto opened = open(machine, {});
    ASSERT_TRUE(opened) << opened.error().message;
    EXPECT_EQ(opened->target->identity().processors, 3u);
    EXPECT_EQ(opened->processor_records, 0u) << "no record was ever filled";
}

TEST_F(OpenImage, OffsetsAreAddressesWhereNothingSpeaksAgainstIt) {
    for (std::initializer_list<std::uint64_t> ends : {std::initializer_list<std::uint64_t>{0x3000}, {0x38000}}) {
        auto opened = open(small_machine::x64_small(), ends);
        ASSERT_TRUE(opened) << opened.error().message;
        EXPECT_EQ(opened->low_memory_end, 0u);
    }
    EXPECT_THAT(open(SmallMachine(), {0x3000}).error().message, HasSubstr("No NT kernel was found"));
}

} // namespace
} // namespace poolkd::nt

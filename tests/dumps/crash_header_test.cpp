#include "dumps/crash_header.h"
#include "image_builder.h"

#include <gmock/gmock.h>

namespace poolkd::dumps::testing {
namespace {

using ::testing::HasSubstr;

TEST(CrashHeader, TellsWhatItStates) {
    FileBuilder file = full_dump(true, {1, 2});
    file.put(0x80, std::uint64_t{0xfffff80012300000}).put(0xfb0, std::string_view("a comment\0", 10));
    file.put(0x348 + 0x30, std::uint32_t{0x10001f}).put(0x348 + 0xf8, std::uint64_t{0xfffff800deadbeef});
    file.put(0xf00, std::uint32_t{0x80000003})
        .put(0xf04, std::uint32_t{1})
        .put(0xf10, std::uint64_t{0xfffff80000401000});
    file.put(0xf18, std::uint32_t{2}).put(0xf20, std::uint64_t{5}).put(0xf28, std::uint64_t{6});
    auto image = open_bytes(file);
    ASSERT_TRUE(image);
    const ImageFacts& facts = image->facts;
    EXPECT_EQ(facts.container, "64-bit complete dump");
    EXPECT_EQ(facts.machine, &x64_machine());
    EXPECT_EQ(facts.build, 19041u);
    EXPECT_EQ(facts.processor_count, 2u);
    EXPECT_EQ(facts.directory_table_base, 0x1ad002u);
    EXPECT_EQ(facts.loaded_module_list, VirtAddr(0xfffff80012345670));
    EXPECT_EQ(facts.active_process_head, std::nullopt);
    EXPECT_EQ(facts.debugger_data, VirtAddr(0xfffff80012300000));
    ASSERT_TRUE(facts.bug_check);
    EXPECT_EQ(facts.bug_check->code, 0xc2u);
    EXPECT_EQ(facts.bug_check->parameters[3], 0x80000003u);
    ASSERT_TRUE(facts.exception);
    EXPECT_EQ(facts.exception->address, VirtAddr(0xfffff80000401000));
    EXPECT_EQ(facts.exception->parameters, (std::vector<std::uint64_t>{5, 6}));
    EXPECT_EQ(RegisterFile(*facts.machine, facts.context).ip(), VirtAddr(0xfffff800deadbeef));
    EXPECT_EQ(facts.system_time, 133000000000000000u);
    EXPECT_EQ(facts.up_time, 36000000000u);
    EXPECT_EQ(facts.comment, "a comment");
    EXPECT_EQ(facts.attributes, std::nullopt);
    EXPECT_EQ(facts.product_type, std::nullopt);
}

TEST(CrashHeader, WidensAddressesOf32Bits) {
    FileBuilder file = full_dump(false, {1});
    file.put(0x5c, std::uint8_t{1}).put(0x60, std::uint32_t{0x8254c000});
    file.put(0x320, std::uint32_t{0x1003f}).put(0x320 + 0xb8, std::uint32_t{0x82401234});
    auto image = open_bytes(file);
    ASSERT_TRUE(image);
    EXPECT_EQ(image->facts.container, "32-bit complete dump");
    EXPECT_EQ(image->facts.machine, &x86_machine());
    EXPECT_EQ(image->facts.pae, true);
    EXPECT_EQ(image->facts.loaded_module_list, VirtAddr(0xffffffff82345670));
    EXPECT_EQ(image->facts.debugger_data, VirtAddr(0xffffffff8254c000));
    EXPECT_EQ(RegisterFile(x86_machine(), image->facts.context).ip(), VirtAddr(0xffffffff82401234));
    EXPECT_EQ(image->facts.system_time, 133000000000000000u);
    EXPECT_EQ(image->facts.up_time, 36000000000u);
    EXPECT_EQ(open_bytes(full_dump(false, {1}))->facts.pae, std::nullopt);
}

TEST(CrashHeader, OfArm64) {
    FileBuilder file = bitmap_dump(true, 6, {1, 5}, 8);
    file.put(0x30, std::uint32_t{0xaa64}).put(0x348, std::uint32_t{0x400007}).put(0x348 + 0x108, 0xfffff80012345678);
    auto image = open_bytes(file);
    ASSERT_TRUE(image);
    EXPECT_EQ(image->facts.image_machine, 0xaa64);
    ASSERT_EQ(image->facts.context.size(), 0x390u);
    EXPECT_EQ(load<std::uint64_t>(image->facts.context, 0x108), 0xfffff80012345678);
    EXPECT_EQ(read_pages(*image, 9), (Pages{1, 5}));
}

TEST(CrashHeader, SaysWhatIsOdd) {
    FileBuilder file = full_dump(true, {1, 2});
    file.put(0x90, std::uint64_t{7}).put(0x1050, std::uint32_t{4});
    auto image = open_bytes(file);
    ASSERT_TRUE(image);
    EXPECT_THAT(image->facts.remarks,
                ::testing::ElementsAre("The disk had no room for the whole dump when it was written.",
                                       "The header states 7 pages, its runs have 2."));
    file.put(0x88, std::uint32_t{5000});
    EXPECT_THAT(open_bytes(file)->facts.remarks, ::testing::Contains(HasSubstr("tells of 5000 runs")));
    auto bitmap = bitmap_dump(true, 6, {1, 2}, 8).put(0x2028, std::uint64_t{3});
    EXPECT_THAT(open_bytes(bitmap)->facts.remarks,
                ::testing::ElementsAre("The header states 3 pages, the bitmap has 2."));
    EXPECT_EQ(read_pages(*open_bytes(bitmap), 9), (Pages{1, 2}));
}

TEST(CrashHeader, RefusesWhatItCannotUse) {
    auto encrypted = full_dump(true, {1}).put(0x1050, std::uint32_t{0x100});
    EXPECT_THAT(open_bytes(encrypted).error().message, HasSubstr("encrypted"));
    EXPECT_THAT(open_bytes(crash_header(true, 1)).error().message, HasSubstr("no runs of memory"));
    EXPECT_THAT(open_bytes(crash_header(true, 6)).error().message, HasSubstr("a crash dump of type 6 whose memory"));
    EXPECT_THAT(open_bytes(crash_header(false, 99)).error().message, HasSubstr("type 99"));
    auto absurd = bitmap_dump(true, 6, {1}, 8).put(0x2030, ~0ull);
    auto image = open_bytes(absurd);
    ASSERT_TRUE(image);
    EXPECT_FALSE(image->coverage.complete());
    EXPECT_EQ(read_pages(*image, 9), (Pages{1}));
}

TEST(CrashHeader, AHeaderAloneHasNoMemory) {
    auto image = open_bytes(crash_header(true, 3));
    ASSERT_TRUE(image);
    EXPECT_EQ(image->physical, nullptr);
    EXPECT_EQ(image->facts.container, "64-bit dump of a header alone");
}

TEST(RangeDump, PageZeroMayBeTheFirst) {
    for (std::uint32_t type : {8u, 9u, 10u})
        EXPECT_EQ(read_pages(*open_bytes(range_dump(type, {0, 1, 7})), 20), (Pages{0, 1, 7})) << type;
}

TEST(CrashRanges, SumsThatNoFileHasAreRefused) {
    const auto behind = range_dump(10, {1, 2, 9}).put(0x2018, ~0ull - 0xfff);
    EXPECT_THAT(open_bytes(behind).error().message, ::testing::HasSubstr("behind the end of the file"));
    // Two ranges of as many pages as memory can have.
    auto image = open_bytes(range_dump(8, {1, 9}).put(0x2038, 1ull << 40).put(0x2048, 1ull << 40));
    ASSERT_TRUE(image) << image.error().message;
    EXPECT_TRUE(image->coverage.limit_reached);
    EXPECT_FALSE(image->coverage.complete());
}

} // namespace
} // namespace poolkd::dumps::testing

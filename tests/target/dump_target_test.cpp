#include "target/dump_target.h"

#include <gmock/gmock.h>

namespace poolkd::target {
namespace {

using ::testing::HasSubstr;

constexpr std::uint64_t code = 0xfffff80000401000;

/// 16 pages: page tables from 1000 on, and at `code` the page 6 with a number.
ByteVector raw_memory() {
    ByteVector bytes(16 * 4096);
    auto entry = [&](std::size_t table, std::size_t index, std::uint64_t value) {
        store(MutableBytes(bytes), table + 8 * index, value);
    };
    entry(0x1000, 0x1f0, 0x2003);
    entry(0x2000, 0, 0x3003);
    entry(0x3000, 2, 0x4003);
    entry(0x4000, 1, 0x6003);
    entry(0x4000, 2, 0xff000003);
    store(MutableBytes(bytes), 0x6010, std::uint64_t{0x600d});
    return bytes;
}

Result<std::unique_ptr<DumpTarget>> open_bytes(ByteVector bytes) {
    POOLKD_TRY(dumps::MemoryImage image, dumps::open_image(dumps::ImageFile::from_bytes(std::move(bytes), "some.dmp")));
    return DumpTarget::from_image(std::move(image));
}

/// The same memory as a complete dump.
ByteVector crash_dump(std::uint32_t machine) {
    ByteVector bytes(0x2000);
    for (std::size_t i = 0; i < bytes.size(); i += 4)
        store(MutableBytes(bytes), i, std::uint32_t{0x45474150});
    auto put = [&](std::size_t at, auto value) { store(MutableBytes(bytes), at, value); };
    put(4, std::uint32_t{0x34365544});
    put(8, std::uint32_t{0xf});
    put(0xc, std::uint32_t{19041});
    put(0x10, std::uint64_t{0x1002});
    put(0x20, std::uint64_t{0xfffff80000500000});
    put(0x30, machine);
    put(0x34, std::uint32_t{1});
    put(0x88, std::uint32_t{1});
    put(0x90, std::uint64_t{16});
    put(0x98, std::uint64_t{0});
    put(0xa0, std::uint64_t{16});
    put(0x348 + 0x30, std::uint32_t{0x10001f});
    put(0x348 + 0xf8, code);
    put(0xf98, std::uint32_t{1});
    const ByteVector memory = raw_memory();
    bytes.insert(bytes.end(), memory.begin(), memory.end());
    return bytes;
}

TEST(DumpTarget, SeesVirtualMemoryThroughTheStatedTables) {
    auto target = *open_bytes(crash_dump(0x8664));
    EXPECT_EQ(target->identity().kind, "64-bit complete dump");
    EXPECT_EQ(target->identity().connection, "some.dmp");
    EXPECT_EQ(target->identity().build, 19041);
    EXPECT_EQ(target->identity().loaded_module_list, VirtAddr(0xfffff80000500000));
    EXPECT_TRUE(target->has_page_tables());
    EXPECT_EQ(*memory::read_unsigned(target->memory(), VirtAddr(code + 0x10), 8), 0x600du);
    ByteVector out(8);
    EXPECT_EQ(target->memory().read(VirtAddr(code + 0x1000), out).gap, GapReason::not_in_image);
    EXPECT_EQ(target->memory().read(VirtAddr(code + 0x2000), out).gap, GapReason::unmapped);
    EXPECT_EQ(target->registers(0)->ip(), VirtAddr(code));
    EXPECT_EQ(target->registers(1).error().kind, ErrorKind::not_found);
    EXPECT_EQ(target->special_registers(0).error().kind, ErrorKind::unsupported);
    EXPECT_EQ(target->page_tables(0)->cr3, 0x1002u);
    EXPECT_EQ(target->processor_block(0).error().kind, ErrorKind::unsupported);
    EXPECT_EQ(target->run_control(), nullptr);
    EXPECT_EQ(target->writable(), nullptr);
    EXPECT_EQ(target->epoch(), target->epoch());
}

TEST(DumpTarget, RawMemoryMustBeToldItsTables) {
    auto target = *open_bytes(raw_memory());
    EXPECT_EQ(target->identity().machine, nullptr);
    EXPECT_FALSE(target->has_page_tables());
    ByteVector out(8);
    EXPECT_EQ(target->memory().read(VirtAddr(code), out).gap, GapReason::unmapped);
    EXPECT_EQ(target->physical().read(PhysAddr(0x6010), out).bytes, 8u);
    EXPECT_EQ(target->page_tables(0).error().kind, ErrorKind::unsupported);
    const Epoch before = target->epoch();
    target->use_page_tables({&x64_machine(), 0x1000, 0});
    EXPECT_EQ(target->page_tables(0)->cr3, 0x1000u);
    EXPECT_EQ(target->page_tables(1).error().kind, ErrorKind::not_found);
    EXPECT_NE(target->epoch(), before);
    EXPECT_EQ(*memory::read_unsigned(target->memory(), VirtAddr(code + 0x10), 8), 0x600du);
}

TEST(DumpTarget, WhatMayBeChangingIsOfAnotherEpochEachTime) {
    auto image = *dumps::open_image(dumps::ImageFile::from_bytes(raw_memory(), "ram"));
    image.changing = true;
    auto target = *DumpTarget::from_image(std::move(image));
    EXPECT_NE(target->epoch(), target->epoch());
}

// A processor that ran a process has that one's tables, which may lack the kernel.
TEST(DumpTarget, PageTablesAreTheOnesThatMemoryIsSeenThrough) {
    auto target = *open_bytes(raw_memory());
    dumps::ProcessorState in_process;
    in_process.special.resize(x64_machine().special_size);
    store(MutableBytes(in_process.special), x64_machine().find_special("cr3")->offset, std::uint64_t{0x7000});
    target->use_processors({in_process});
    target->use_page_tables({&x64_machine(), 0x1000, 0x20});
    EXPECT_EQ(target->page_tables(0)->cr3, 0x1000u);
    EXPECT_EQ(target->page_tables(0)->cr4, 0x20u);
    EXPECT_EQ(x64_machine().special(*target->special_registers(0), "cr3"), 0x7000u);
}

TEST(DumpTarget, HasAsManyProcessorsAsItsHeaderStates) {
    ByteVector bytes = crash_dump(0x8664);
    store(MutableBytes(bytes), 0x34, std::uint32_t{4});
    auto target = *open_bytes(std::move(bytes));
    target->use_processors(std::vector<dumps::ProcessorState>(2));
    EXPECT_EQ(target->identity().processors, 4u);
    EXPECT_EQ(target->registers(3).error().kind, ErrorKind::unsupported);
    target->use_processors(std::vector<dumps::ProcessorState>(6));
    EXPECT_EQ(target->identity().processors, 6u);
}

TEST(DumpTarget, MoreProcessorsThanWindowsSupportsAreNotBelieved) {
    for (const std::uint32_t stated : {2048u, 2049u, ~0u}) {
        ByteVector bytes = crash_dump(0x8664);
        store(MutableBytes(bytes), 0x34, stated);
        auto target = *open_bytes(std::move(bytes));
        EXPECT_EQ(target->identity().processors, 2048u);
        const auto remark = HasSubstr(fmt::format("states {} processors", stated));
        if (stated == 2048u)
            EXPECT_THAT(target->image().facts.remarks, ::testing::Not(::testing::Contains(remark)));
        else
            EXPECT_THAT(target->image().facts.remarks, ::testing::Contains(remark));
        target->use_processors(std::vector<dumps::ProcessorState>(1));
        EXPECT_EQ(target->identity().processors, 2048u);
    }
}

TEST(DumpTarget, RefusesOtherMachines) {
    EXPECT_THAT(open_bytes(crash_dump(0x200)).error().message, HasSubstr("cannot be debugged"));
}

} // namespace
} // namespace poolkd::target

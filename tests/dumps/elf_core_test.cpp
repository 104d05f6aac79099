#include "dumps/elf_headers.h"
#include "image_builder.h"

#include <gmock/gmock.h>

namespace poolkd::dumps::testing {
namespace {

using ::testing::HasSubstr;

TEST(ElfCore, GivesTheRegistersOfItsProcessors) {
    auto image = open_bytes(elf_core(true, {1, 2, 9}));
    ASSERT_TRUE(image);
    EXPECT_EQ(image->facts.container, "64-bit ELF core");
    EXPECT_EQ(image->facts.machine, &x64_machine());
    EXPECT_EQ(image->facts.processor_count, 1u);
    EXPECT_EQ(image->facts.directory_table_base, 0x1ad000u);
    const ProcessorState& processor = image->facts.processors.at(0);
    const RegisterFile registers(x64_machine(), processor.context);
    EXPECT_EQ(registers.get("rax"), 0xfffff80000000008);
    EXPECT_EQ(registers.get("rbx"), 0xfffff80000000010);
    EXPECT_EQ(registers.get("rsp"), 0xfffff80000000038);
    EXPECT_EQ(registers.get("r15"), 0xfffff80000000080);
    EXPECT_EQ(registers.ip(), VirtAddr(0xfffff80000000088));
    EXPECT_EQ(registers.get("cs"), 0x10u);
    EXPECT_EQ(x64_machine().special(processor.special, "cr3"), 0x1ad000u);
    EXPECT_EQ(x64_machine().special(processor.special, "cr4"), 0x6f8u);
    EXPECT_EQ(x64_machine().special(processor.special, "gdtr"), 0xfffff80000111000);
    EXPECT_EQ(x64_machine().special(processor.special, "gdtl"), 0x57u);
    EXPECT_EQ(processor.gs_base, VirtAddr(0xfffff80000abc000));
    EXPECT_EQ(processor.kernel_gs_base, VirtAddr(0xfffff80000def000));
}

TEST(ElfCore, Of32BitsAlsoInClass64) {
    auto image = open_bytes(elf_core(false, {1, 2, 9}));
    ASSERT_TRUE(image);
    EXPECT_EQ(image->facts.machine, &x86_machine());
    EXPECT_EQ(image->facts.pae, true); // CR4 6f8
    EXPECT_EQ(RegisterFile(x86_machine(), image->facts.processors.at(0).context).get("eip"), 0x88u);
    auto wide = elf_core(true, {1, 2, 9}).put(0x12, std::uint16_t{3});
    EXPECT_EQ(open_bytes(wide)->facts.machine, &x86_machine());
}

TEST(ElfCore, WithoutNotesHasMemoryOnly) {
    auto image = open_bytes(elf_core(true, {1, 2, 9}, false));
    ASSERT_TRUE(image);
    EXPECT_TRUE(image->facts.processors.empty());
    EXPECT_EQ(image->facts.directory_table_base, std::nullopt);
    EXPECT_EQ(read_pages(*image, 20), (Pages{1, 2, 9}));
}

// 65535 headers or more: the count stands in the section header 0.
TEST(ElfCore, CountOfSegmentsMayStandElsewhere) {
    FileBuilder file = elf_core(true, {1, 2, 9});
    const std::size_t section = file.size();
    file.grow(section + 64);
    file.put(0x28, std::uint64_t{section}).put(section + 0x2c, std::uint32_t{3}).put(0x38, std::uint16_t{0xffff});
    EXPECT_EQ(read_pages(*open_bytes(file), 20), (Pages{1, 2, 9}));
}

// `dump-guest-memory -p`: headers for what was mapped, several for some of it, but all RAM in the file.
TEST(ElfCore, WithPageTablesHasTheMemoryBetween) {
    FileBuilder file = elf_core(true, {1, 2, 3, 4, 5, 6, 20, 21});
    // Segment 1 (pages 1 to 6) becomes pages 1 to 2; the unused note segment 0 stays; 20 to 21 stays. Two more headers.
    FileBuilder paged;
    const std::size_t shift = 2 * 56;
    for (std::size_t i = 0; i < 64 + 3 * 56; ++i)
        paged.put(i, file.bytes()[i]);
    for (std::size_t i = 64 + 3 * 56; i < file.size(); ++i)
        paged.put(i + shift, file.bytes()[i]);
    const std::size_t table = 64;
    for (std::size_t i = 0; i < 3; ++i) {
        const std::size_t at = table + 56 * i + 8;
        paged.put(at, *load<std::uint64_t>(paged.bytes(), at) + shift);
    }
    const std::uint64_t first = *load<std::uint64_t>(paged.bytes(), table + 56 + 8);
    auto segment = [&](std::size_t index, std::uint64_t physical_page, std::uint64_t pages) {
        const std::size_t at = table + 56 * index;
        paged.put(at, std::uint32_t{1}).put(at + 8, first + (physical_page - 1) * page);
        paged.put(at + 16, 0xfffff80000000000 + physical_page * page).put(at + 24, physical_page * page);
        paged.put(at + 32, pages * page).put(at + 40, pages * page);
    };
    segment(1, 1, 2);
    segment(3, 6, 1);
    segment(4, 2, 1);
    paged.put(0x38, std::uint16_t{5});
    auto image = open_bytes(paged);
    ASSERT_TRUE(image);
    EXPECT_EQ(read_pages(*image, 30), (Pages{1, 2, 3, 4, 5, 6, 20, 21}));
    EXPECT_TRUE(image->coverage.complete()) << image->coverage.sentence();
}

/// The notes of the core, and behind them one with the name VMCOREINFO: a header of a Microsoft dump for QEMU to
/// complete.
FileBuilder with_guest_header(FileBuilder file, const FileBuilder& header) {
    const std::size_t notes = *load<std::uint64_t>(file.bytes(), 64 + 8);
    const std::size_t bytes = *load<std::uint64_t>(file.bytes(), 64 + 32);
    const std::size_t start = file.size(), at = start + bytes;
    file.grow(at);
    for (std::size_t i = 0; i < bytes; ++i)
        file.put(start + i, file.bytes()[notes + i]);
    file.put(at, std::uint32_t{11}).put(at + 4, std::uint32_t{0x2000}).put(at + 8, std::uint32_t{0});
    file.put(at + 12, std::string_view("VMCOREINFO\0\0", 12));
    for (std::size_t i = 0; i < header.size(); ++i)
        file.put(at + 24 + i, header.bytes()[i]);
    file.put(64 + 8, std::uint64_t{start}).put(64 + 32, std::uint64_t{file.size() - start});
    return file;
}

TEST(ElfCore, AGuestHeaderOfAnotherMachineIsNotUsed) {
    for (const std::uint32_t machine : {0x1234u, 0x14cu, 0x45474150u}) {
        const FileBuilder header = crash_header(true, 1).put(0x30, machine);
        auto image = open_bytes(with_guest_header(elf_core(true, {1, 2, 9}), header));
        ASSERT_TRUE(image);
        EXPECT_EQ(image->facts.machine, &x64_machine());
        EXPECT_EQ(image->facts.processors.size(), 1u);
        EXPECT_EQ(image->facts.directory_table_base, 0x1ad000u);
        EXPECT_EQ(image->facts.loaded_module_list, std::nullopt);
        EXPECT_THAT(image->facts.remarks, ::testing::ElementsAre(HasSubstr("of another machine")));
    }
}

TEST(ElfCore, TakesTheHeaderThatTheGuestLeft) {
    auto image = open_bytes(with_guest_header(elf_core(true, {1, 2, 9}, false), crash_header(true, 1)));
    ASSERT_TRUE(image);
    EXPECT_EQ(image->facts.loaded_module_list, VirtAddr(0xfffff80012345670));
    EXPECT_EQ(image->facts.directory_table_base, 0x1ad002u);
    EXPECT_EQ(image->facts.container, "64-bit ELF core");
    EXPECT_EQ(read_pages(*image, 20), (Pages{1, 2, 9}));
}

TEST(ElfCore, WhatWasNotWrittenOfASegmentIsNotThere) {
    auto file = elf_core(true, {1, 2, 3}).put(64 + 56 + 40, std::uint64_t{10 * page});
    EXPECT_EQ(read_pages(*open_bytes(file), 20), (Pages{1, 2, 3}));
}

TEST(ElfCore, RefusesOtherElfFiles) {
    auto program = elf_core(true, {1}).put(0x10, std::uint16_t{2});
    EXPECT_THAT(open_bytes(program).error().message, HasSubstr("no core"));
    EXPECT_THAT(open_bytes(elf_core(true, {})).error().message, HasSubstr("no segments of memory"));
    auto big_endian = elf_core(true, {1}).put(5, std::uint8_t{2});
    EXPECT_EQ(open_bytes(big_endian).error().kind, ErrorKind::unsupported);
    auto absurd = elf_core(true, {1}).put(0x20, ~0ull);
    EXPECT_FALSE(open_bytes(absurd));
}

} // namespace
} // namespace poolkd::dumps::testing

#include "image_builder.h"

#include <gmock/gmock.h>

namespace poolkd::dumps::testing {
namespace {

using ::testing::HasSubstr;

constexpr std::uint64_t stack_64 = 0xfffff88000100000, kdbg_64 = 0xfffff80012300000, thread_64 = 0xffffa00000abc080;

void put_text(FileBuilder& file, std::size_t at, std::u16string_view text) {
    file.put(at, static_cast<std::uint32_t>(text.size() * 2));
    for (std::size_t i = 0; i <= text.size(); ++i)
        file.put(at + 4 + 2 * i, i < text.size() ? static_cast<std::uint16_t>(text[i]) : std::uint16_t{0});
}

/// A small dump with one of everything. Offsets of the parts are multiples of 0x1000.
FileBuilder triage_dump() {
    FileBuilder file = crash_header(true, 4);
    file.put(0x80, kdbg_64).put(0x1038, std::uint32_t{0xfff});
    file.put(0x348 + 0x30, std::uint32_t{0x10001f}).put(0x348 + 0x98, stack_64 + 0x100);
    auto field = [&](std::size_t at, std::uint32_t value) { file.put(0x2000 + at, value); };
    file.grow(0xf000);
    field(0x14, 0x3000); // memory manager
    for (std::uint64_t i = 0; i < 7; ++i)
        file.put(0x3018 + 8 * i, 1000 + i);
    field(0x18, 0x4000); // unloaded drivers
    file.put(0x4000, std::uint64_t{1});
    for (std::size_t i = 0; i < 8; ++i)
        file.put(0x4008 + 0x10 + 2 * i, static_cast<std::uint16_t>(u"gone.sys"[i]));
    file.put(0x4008 + 0x28, 0xfffff80020000000).put(0x4008 + 0x30, 0xfffff80020010000);
    field(0x1c, 0x5000); // KPRCB, with the current thread at 8
    file.put(0x5008, thread_64);
    field(0x20, 0x6000);
    field(0x24, 0x7000);
    file.put(0x7000, std::uint64_t{0x7ead});
    field(0x28, 0x8000), field(0x2c, 0x1000); // stack
    file.put(0x2048, stack_64).put(0x8100, std::uint64_t{0x57ac});
    field(0x30, 0x9000), field(0x34, 2); // drivers
    field(0x38, 0xa000), field(0x3c, 0x100);
    put_text(file, 0xa000, u"ntoskrnl.exe");
    put_text(file, 0xa030, u"leaky.sys");
    file.put(0x9000, std::uint32_t{0xa000}).put(0x9008 + 0x30, 0xfffff80012000000);
    file.put(0x9008 + 0x40, std::uint32_t{0xa00000}).put(0x9008 + 0x80, std::uint32_t{0x5eadbeef});
    file.put(0x9090, std::uint32_t{0xa030}).put(0x9098 + 0x30, 0xfffff80013000000);
    field(0x40, 0xa030);
    file.put(0x2060, std::uint64_t{0xfffff80013001000}); // data page
    field(0x68, 0xb000), field(0x6c, 0x1000);
    file.put(0xb010, std::uint64_t{0xda7a});
    field(0x70, 0xc000), field(0x74, 0x340); // KDBG
    file.put(0xc010, std::string_view("KDBG"));
    field(0x78, 0xd000), field(0x7c, 2); // data blocks
    file.put(0xd000, 0xfffff80055550000).put(0xd008, std::uint32_t{0xe000}).put(0xd00c, std::uint32_t{0x10});
    file.put(0xd010, 0xfffff80055550010).put(0xd018, std::uint32_t{0xe010}).put(0xd01c, std::uint32_t{0x10});
    file.put(0xe008, std::uint64_t{0xb10c}).put(0xe018, std::uint64_t{0xb10d});
    return file;
}

std::optional<std::uint64_t> word_at(const MemoryImage& image, std::uint64_t address) {
    auto value = memory::read_unsigned(*image.pieces, VirtAddr(address), 8);
    return value ? std::optional(*value) : std::nullopt;
}

TEST(Triage, MemoryThatIsTwiceInTheFileIsNoLoss) {
    FileBuilder file = triage_dump();
    file.put(0xd010, 0xfffff80055550008).put(0xd018, std::uint32_t{0xe010}); // over the end of the first block
    auto image = open_bytes(file);
    ASSERT_TRUE(image);
    EXPECT_TRUE(image->coverage.complete()) << image->coverage.sentence();
}

TEST(Triage, AMachineThatIsNotStatedIsAssumedByTheWidth) {
    auto image = open_bytes(triage_dump().put(0x30, std::uint32_t{0x45474150}));
    ASSERT_TRUE(image);
    EXPECT_EQ(image->facts.machine, &x64_machine());
    EXPECT_THAT(image->facts.remarks, ::testing::ElementsAre(HasSubstr("x64 is assumed")));
    EXPECT_EQ(open_bytes(small_triage_dump(false).put(0x20, std::uint32_t{0x45474150}))->facts.machine, &x86_machine());
}

TEST(Triage, ListsAndPiecesOfMemory) {
    auto image = open_bytes(triage_dump());
    ASSERT_TRUE(image) << image.error().message;
    EXPECT_EQ(image->facts.container, "64-bit triage dump (small memory dump)");
    EXPECT_EQ(image->physical, nullptr);
    ASSERT_TRUE(image->triage && image->pieces);
    const TriageRecords& records = *image->triage;
    ASSERT_EQ(records.drivers.size(), 2u);
    EXPECT_EQ(records.drivers[0].name, "ntoskrnl.exe");
    EXPECT_EQ(records.drivers[0].base, VirtAddr(0xfffff80012000000));
    EXPECT_EQ(records.drivers[0].size, 0xa00000u);
    EXPECT_EQ(records.drivers[0].timestamp, 0x5eadbeefu);
    EXPECT_EQ(records.drivers[1].name, "leaky.sys");
    EXPECT_EQ(records.broken_driver, "leaky.sys");
    ASSERT_EQ(records.unloaded.size(), 1u);
    EXPECT_EQ(records.unloaded[0].name, "gone.sys");
    EXPECT_EQ(records.unloaded[0].end, VirtAddr(0xfffff80020010000));
    ASSERT_TRUE(records.memory);
    EXPECT_EQ(records.memory->nonpaged_allocated, 1001u);
    EXPECT_EQ(records.memory->commit_limit, 1006u);
    EXPECT_FALSE(records.overflowed);
    EXPECT_EQ(load<std::uint64_t>(records.processor_block, 8), thread_64);

    EXPECT_EQ(word_at(*image, stack_64 + 0x100), 0x57acu);
    EXPECT_EQ(word_at(*image, stack_64 + 0x1000), std::nullopt);
    EXPECT_EQ(word_at(*image, thread_64), 0x7eadu);
    EXPECT_EQ(word_at(*image, 0xfffff80013001010), 0xda7au);
    EXPECT_EQ(word_at(*image, kdbg_64 + 0x10), 0x4742444bu);
    EXPECT_EQ(word_at(*image, 0xfffff80055550008), 0xb10cu);
    EXPECT_EQ(word_at(*image, 0xfffff80055550018), 0xb10du);
    EXPECT_EQ(image->pieces->read(VirtAddr(0xfffff80012000000), MutableBytes()).bytes, 0u);
    EXPECT_TRUE(image->facts.remarks.empty());
}

// The documentation calls TopOfStack the highest address; then the stack pointer lies below it.
TEST(Triage, TheStackPointerTellsWhichEndOfTheStackIsMeant) {
    auto file = triage_dump().put(0x2048, stack_64 + 0x1000);
    EXPECT_EQ(word_at(*open_bytes(file), stack_64 + 0x100), 0x57acu);
}

TEST(Triage, PartsThatAreNotValidAreNotUsed) {
    auto file = triage_dump().put(0x1038, std::uint32_t{0x21});
    auto image = open_bytes(file);
    ASSERT_TRUE(image);
    EXPECT_TRUE(image->triage->drivers.empty());
    EXPECT_FALSE(image->triage->memory);
    EXPECT_TRUE(image->triage->debugger_data.empty());
    EXPECT_EQ(word_at(*image, stack_64 + 0x100), 0x57acu);
    EXPECT_EQ(word_at(*image, 0xfffff80013001010), std::nullopt);
}

TEST(Triage, Of32BitsHasAddressesOfEitherWidth) {
    for (const bool wide : {false, true}) {
        FileBuilder file = crash_header(false, 4);
        file.put(0xf8c, std::uint32_t{0x841}).grow(0x5000);
        file.put(0x1000 + 0x30, std::uint32_t{0x2000}).put(0x1000 + 0x34, std::uint32_t{1});
        file.put(0x1000 + 0x38, std::uint32_t{0x3000}).put(0x1000 + 0x3c, std::uint32_t{0x100});
        put_text(file, 0x3000, u"ntkrnlpa.exe");
        file.put(0x2000, std::uint32_t{0x3000}).put(0x2004 + 0x18, std::uint32_t{0x82400000});
        file.put(0x2004 + 0x44, std::uint32_t{0x1234});
        file.put(0x1000 + 0x60, std::uint32_t{0x4000}).put(0x1000 + 0x64, std::uint32_t{2});
        for (std::uint32_t i = 0; i < 2; ++i) {
            const std::size_t width = wide ? 8 : 4, at = 0x4000 + i * (width + 8);
            file.put_pointer(at, 0x82500000 + i * 0x1000, wide);
            file.put(at + width, 0x4800 + i * 8).put(at + width + 4, std::uint32_t{8});
        }
        file.put(0x4800, std::uint64_t{0x600d}).put(0x4808, std::uint64_t{0x600e});
        auto image = open_bytes(file);
        ASSERT_TRUE(image);
        ASSERT_EQ(image->triage->drivers.size(), 1u);
        EXPECT_EQ(image->triage->drivers[0].name, "ntkrnlpa.exe");
        EXPECT_EQ(image->triage->drivers[0].base, VirtAddr(0xffffffff82400000));
        EXPECT_EQ(image->triage->drivers[0].timestamp, 0x1234u);
        EXPECT_EQ(word_at(*image, 0xffffffff82500000), 0x600du) << wide;
        EXPECT_EQ(word_at(*image, 0xffffffff82501000), 0x600eu) << wide;
        EXPECT_EQ(image->pieces->pointer_size(), 4u);
    }
}

TEST(Triage, CutOrDamagedItGivesWhatIsThere) {
    const ByteVector whole = triage_dump().bytes();
    for (std::size_t size = 0x2000; size < whole.size(); size += page) {
        auto image = open_image(
            ImageFile::from_bytes(ByteVector(whole.begin(), whole.begin() + static_cast<long>(size)), "cut"));
        if (!image) continue;
        EXPECT_FALSE(image->coverage.complete()) << size;
        EXPECT_EQ(word_at(*image, stack_64 + 0x100).has_value(), size > 0x8100) << size;
    }
    auto many = triage_dump().put(0x2034, ~0u).put(0x207c, ~0u).put(0x4000, ~0u);
    auto image = open_bytes(many);
    ASSERT_TRUE(image);
    EXPECT_THAT(image->facts.remarks, ::testing::Contains(HasSubstr("drivers in the dump")));
    for (std::size_t at = 0x2000; at < 0x2080; ++at)
        for (unsigned bit = 0; bit < 8; ++bit) {
            ByteVector damaged = whole;
            damaged[at] ^= static_cast<std::byte>(1u << bit);
            auto opened = open_image(ImageFile::from_bytes(std::move(damaged), "damaged"));
            if (opened && opened->pieces) (void)word_at(*opened, stack_64);
        }
}

} // namespace
} // namespace poolkd::dumps::testing

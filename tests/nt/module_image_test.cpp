#include "nt/module_image.h"
#include "support/fake_target.h"

#include <gtest/gtest.h>

namespace poolkd::nt {
namespace {

/// The file of an image with one section: at 400h of the file, 1000h in memory.
ByteVector image_file() {
    ByteVector file(0x600);
    auto put = [&](std::size_t at, auto value) { store(MutableBytes(file), at, value); };
    put(0, std::uint16_t{0x5a4d});
    put(0x3c, std::uint32_t{0x80});
    put(0x80, std::uint32_t{0x4550});
    put(0x84, std::uint16_t{0x8664});
    put(0x86, std::uint16_t{1});
    put(0x94, std::uint16_t{0xf0});
    put(0x98, std::uint16_t{0x20b});
    put(0x98 + 0x20, std::uint32_t{0x1000});
    put(0x98 + 0x24, std::uint32_t{0x200});
    put(0x98 + 0x38, std::uint32_t{0x3000});
    put(0x98 + 0x3c, std::uint32_t{0x400});
    put(0x98 + 0x6c, std::uint32_t{16});
    put(0x188 + 0x08, std::uint32_t{0x1200});
    put(0x188 + 0x0c, std::uint32_t{0x1000});
    put(0x188 + 0x10, std::uint32_t{0x200});
    put(0x188 + 0x14, std::uint32_t{0x400});
    put(0x400 + 0x20, std::uint64_t{0x1234});
    return file;
}

TEST(ModuleImage, TakesFromItsFileWhatMemoryLacks) {
    constexpr VirtAddr base{0xfffff80001000000};
    testing::FakeMemory memory;
    memory.map(base + 0x2000, 0x1000);
    memory.put_value(base + 0x2000, std::uint64_t{0x5678});
    ModuleImage image(memory, base, 0x3000, 4096);
    EXPECT_EQ(image.bytes(0x1020, 8).error().kind, ErrorKind::unreadable);
    int asked = 0;
    image.use_file([&]() -> Result<ByteVector> {
        ++asked;
        return image_file();
    });
    EXPECT_EQ(load<std::uint64_t>(*image.bytes(0x2000, 8), 0), 0x5678u);
    EXPECT_EQ(asked, 0);
    EXPECT_EQ(load<std::uint64_t>(*image.bytes(0x1020, 8), 0), 0x1234u);
    EXPECT_EQ(load<std::uint16_t>(*image.bytes(0, 2), 0), 0x5a4d);
    EXPECT_EQ(asked, 1);
}

TEST(ModuleImage, PagesThatMemoryHasAreNotTakenFromTheFile) {
    constexpr VirtAddr base{0xfffff80001000000};
    testing::FakeMemory memory;
    memory.map(base + 0x2000, 0x1000);
    memory.put_value(base + 0x2000, std::uint64_t{0x5678});
    ModuleImage image(memory, base, 0x3000, 4096);
    image.use_file([]() -> Result<ByteVector> { return image_file(); });
    const auto both = image.bytes(0x1000, 0x2000);
    ASSERT_TRUE(both);
    EXPECT_EQ(load<std::uint64_t>(*both, 0x20), 0x1234u);
    EXPECT_EQ(load<std::uint64_t>(*both, 0x1000), 0x5678u);
}

TEST(ModuleImage, WithoutAFileTheErrorIsThatOfTheMemory) {
    testing::FakeMemory memory;
    ModuleImage image(memory, VirtAddr(0xfffff80001000000), 0x3000, 4096);
    int asked = 0;
    image.use_file([&]() -> Result<ByteVector> {
        ++asked;
        return fail(ErrorKind::not_found, "no file");
    });
    for (int i = 0; i < 2; ++i)
        EXPECT_EQ(image.bytes(0x1020, 8).error().kind, ErrorKind::unreadable);
    EXPECT_EQ(asked, 1);
}

} // namespace
} // namespace poolkd::nt

#include "image_builder.h"
#include "pe/debug_directory.h"
#include "pe/image.h"

#include <gtest/gtest.h>

namespace poolkd::pe {
namespace {

using testing::ImageBuilder;

TEST(PeImage, ReadsTheHeadersOfBothFormats) {
    for (bool is_64 : {true, false}) {
        ImageBuilder builder(is_64);
        builder.directory(3, 0x2100, 0x60);
        SpanReader reader(builder.memory());
        auto image = Image::open(reader, ImageLayout::memory);
        ASSERT_TRUE(image) << image.error().message;
        EXPECT_EQ(image->is_64, is_64);
        EXPECT_EQ(image->machine, is_64 ? 0x8664 : 0x14c);
        EXPECT_EQ(image->timestamp, 0x4d3c2b1au);
        EXPECT_EQ(image->checksum, 0xabcdefu);
        EXPECT_EQ(image->size_of_image, 0x4000u);
        EXPECT_EQ(image->preferred_base, is_64 ? 0x140000000u : 0x400000u);
        ASSERT_EQ(image->sections().size(), 3u);
        EXPECT_EQ(image->sections()[1].name, ".rdata");
        EXPECT_FALSE(image->sections()[1].is_code());
        EXPECT_TRUE(image->sections()[2].is_discardable());
        ASSERT_NE(image->section_at(0x1010), nullptr);
        EXPECT_EQ(image->section_at(0x1010)->name, ".text");
        EXPECT_EQ(image->section_at(0x1380), nullptr);
        EXPECT_EQ(image->directory(Directory::exception).rva, 0x2100u);
        EXPECT_FALSE(image->directory(Directory::exports).present());
    }
}

TEST(PeImage, FileAndMemoryLayoutGiveTheSameBytes) {
    ImageBuilder builder;
    builder.put_text(0x2010, "hello");
    const ByteVector file = builder.file();
    SpanReader memory_reader(builder.memory());
    SpanReader file_reader(file);
    auto in_memory = Image::open(memory_reader, ImageLayout::memory);
    auto in_file = Image::open(file_reader, ImageLayout::file);
    ASSERT_TRUE(in_memory && in_file);
    EXPECT_EQ(in_memory->read_string(0x2010, 100).value(), "hello");
    EXPECT_EQ(in_file->read_string(0x2010, 100).value(), "hello");
    EXPECT_FALSE(in_file->read(0x23f0, 0x20)) << "reaches over the end of the section's data";
    EXPECT_FALSE(in_file->read(0x2800, 1));
    EXPECT_FALSE(in_memory->read_file(0, 4));
}

TEST(PeImage, RefusesWhatIsNoImage) {
    auto open = [](const ImageBuilder& builder, std::size_t bytes = 0x4000) {
        SpanReader reader(builder.memory().first(bytes));
        return Image::open(reader, ImageLayout::memory);
    };
    ImageBuilder builder;
    EXPECT_TRUE(open(builder));
    for (std::size_t size : {0u, 1u, 63u, 0x90u, 0x100u, 0x190u})
        EXPECT_FALSE(open(builder, size)) << size;
    builder.put<std::uint32_t>(0x3c, 0xfffffff0);
    EXPECT_EQ(open(builder).error().kind, ErrorKind::malformed);
    builder = ImageBuilder();
    builder.put<std::uint16_t>(ImageBuilder::pe + 6, 0xffff);
    EXPECT_NE(open(builder).error().message.find("65535 sections"), std::string::npos);
    builder = ImageBuilder();
    builder.put<std::uint16_t>(ImageBuilder::pe + 24, 0x107);
    EXPECT_FALSE(open(builder));
    builder = ImageBuilder();
    builder.put<std::uint16_t>(ImageBuilder::pe + 20, 40);
    EXPECT_FALSE(open(builder));
    builder = ImageBuilder();
    builder.put_text(0, "ZM");
    EXPECT_FALSE(open(builder));
}

TEST(PeImage, DirectoriesOutsideTheImageDoNotCount) {
    ImageBuilder builder;
    builder.directory(0, 0x3f00, 0x200);
    builder.directory(3, 0xffffff00, 0xffffffff);
    SpanReader reader(builder.memory());
    auto image = Image::open(reader, ImageLayout::memory);
    ASSERT_TRUE(image);
    EXPECT_FALSE(image->directory(Directory::exports).present());
    EXPECT_FALSE(image->directory(Directory::exception).present());
}

TEST(PeImage, StringsMustEnd) {
    ImageBuilder builder;
    builder.put_text(0x3ffb, "ABCDE"); // up to the last byte of the image
    builder.put_text(0x2000, "0123456789");
    SpanReader reader(builder.memory());
    auto image = Image::open(reader, ImageLayout::memory);
    ASSERT_TRUE(image);
    EXPECT_FALSE(image->read_string(0x3ffb, 100));
    EXPECT_FALSE(image->read_string(0x2000, 10));
    EXPECT_EQ(image->read_string(0x2000, 11).value(), "0123456789");
    EXPECT_FALSE(image->read_string(0xffffffff, 100));
}

std::optional<PdbReference> reference_of(Bytes bytes, ImageLayout layout) {
    SpanReader reader(bytes);
    auto image = Image::open(reader, layout);
    EXPECT_TRUE(image);
    auto found = find_pdb_reference(*image);
    EXPECT_TRUE(found) << found.error().message;
    return found.value_or(std::nullopt);
}

TEST(PeDebugDirectory, FindsRsdsBehindRecordsOfOtherKinds) {
    ImageBuilder builder;
    builder.directory(6, 0x2200, 3 * 28);
    builder.debug_entry(0, 20, 0x24, 0x2300); // extended DLL characteristics
    builder.debug_entry(1, 13, 0x40, 0);      // POGO, not in memory
    builder.debug_entry(2, 2, 24 + 40, 0x2310);
    builder.rsds(0x2310, 0x1f, "d:\\build\\x64\\leaky.pdb");
    for (const auto& found :
         {reference_of(builder.memory(), ImageLayout::memory), reference_of(builder.file(), ImageLayout::file)}) {
        ASSERT_TRUE(found);
        EXPECT_EQ(found->path, "d:\\build\\x64\\leaky.pdb");
        EXPECT_EQ(found->file_name(), "leaky.pdb");
        EXPECT_EQ(found->identity.text(), "0403020106050807090A0B0C0D0E0F101F");
    }
}

TEST(PeDebugDirectory, NoneIsAnAnswerAndDamageAnError) {
    ImageBuilder builder;
    EXPECT_FALSE(reference_of(builder.memory(), ImageLayout::memory));
    builder.directory(6, 0x2200, 28);
    builder.debug_entry(0, 2, 100, 0x2310); // CodeView, but NB10
    builder.put_text(0x2310, "NB10");
    EXPECT_FALSE(reference_of(builder.memory(), ImageLayout::memory));
    builder.debug_entry(0, 2, 100, 0xfffffff0);
    SpanReader reader(builder.memory());
    auto image = Image::open(reader, ImageLayout::memory);
    ASSERT_TRUE(image);
    EXPECT_FALSE(find_pdb_reference(*image));
}

TEST(PdbReference, FileNamesAreSafeToUse) {
    auto name = [](std::string path) { return PdbReference{{}, std::move(path)}.file_name(); };
    EXPECT_EQ(name("../../etc/passwd"), "passwd");
    EXPECT_EQ(name("c:\\.."), "");
    EXPECT_EQ(name(""), "");
    EXPECT_EQ(name("a\x1b[31m.pdb"), "a?[31m.pdb");
}

} // namespace
} // namespace poolkd::pe

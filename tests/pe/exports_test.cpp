#include "image_builder.h"
#include "pe/exports.h"

#include <gtest/gtest.h>

namespace poolkd::pe {
namespace {

using testing::ImageBuilder;

/// Three functions (ordinals 5, 6, 7): "Alpha", one without a name, and the forwarder "Beta".
ImageBuilder with_exports() {
    ImageBuilder builder;
    builder.directory(0, 0x2000, 0x100);
    builder.put<std::uint32_t>(0x2000 + 12, 0x2080);
    builder.put<std::uint32_t>(0x2000 + 16, 5);
    builder.put<std::uint32_t>(0x2000 + 20, 3);
    builder.put<std::uint32_t>(0x2000 + 24, 2);
    builder.put<std::uint32_t>(0x2000 + 28, 0x2030);
    builder.put<std::uint32_t>(0x2000 + 32, 0x2040);
    builder.put<std::uint32_t>(0x2000 + 36, 0x2050);
    builder.put<std::uint32_t>(0x2030, 0x1100);
    builder.put<std::uint32_t>(0x2034, 0x1200);
    builder.put<std::uint32_t>(0x2038, 0x20a0);
    builder.put<std::uint32_t>(0x2040, 0x2060);
    builder.put<std::uint32_t>(0x2044, 0x2068);
    builder.put<std::uint16_t>(0x2050, 0);
    builder.put<std::uint16_t>(0x2052, 2);
    builder.put_text(0x2060, "Alpha");
    builder.put_text(0x2068, "Beta");
    builder.put_text(0x2080, "made.sys");
    builder.put_text(0x20a0, "OTHER.Gamma");
    return builder;
}

Result<ExportTable> read(const ImageBuilder& builder) {
    SpanReader reader(builder.memory());
    auto image = Image::open(reader, ImageLayout::memory);
    if (!image) return std::unexpected(image.error());
    return ExportTable::read(*image);
}

TEST(PeExports, ReadsNamesOrdinalsAndForwarders) {
    auto table = read(with_exports());
    ASSERT_TRUE(table) << table.error().message;
    EXPECT_EQ(table->image_name(), "made.sys");
    ASSERT_EQ(table->all().size(), 3u);
    const Export* alpha = table->find("Alpha");
    ASSERT_NE(alpha, nullptr);
    EXPECT_EQ(alpha->rva, 0x1100u);
    EXPECT_EQ(alpha->ordinal, 5u);
    EXPECT_EQ(table->at(0x1200)->name, "");
    EXPECT_EQ(table->at(0x1200)->ordinal, 6u);
    EXPECT_EQ(table->find("Beta")->forwarder, "OTHER.Gamma");
    EXPECT_EQ(table->find("Beta")->rva, 0u);
    EXPECT_EQ(table->find("alpha"), nullptr);
    EXPECT_EQ(table->find(""), nullptr);
    EXPECT_EQ(table->unreadable(), 0u);
}

TEST(PeExports, NoTableIsEmpty) {
    auto table = read(ImageBuilder());
    ASSERT_TRUE(table);
    EXPECT_TRUE(table->all().empty());
}

TEST(PeExports, HostileCountsAreRefusedAndBadNamesCounted) {
    ImageBuilder builder = with_exports();
    builder.put<std::uint32_t>(0x2000 + 20, 0x7fffffff);
    EXPECT_EQ(read(builder).error().kind, ErrorKind::malformed);
    builder = with_exports();
    builder.put<std::uint32_t>(0x2000 + 24, 0x10001);
    EXPECT_FALSE(read(builder));
    builder = with_exports();
    builder.put<std::uint32_t>(0x2000 + 28, 0x3ffe); // addresses reach over the end of the image
    EXPECT_FALSE(read(builder));
    builder = with_exports();
    builder.put<std::uint32_t>(0x2040, 0xdead0000); // a name outside the image
    builder.put<std::uint16_t>(0x2052, 0x7777);     // an ordinal beyond the functions
    auto table = read(builder);
    ASSERT_TRUE(table);
    EXPECT_EQ(table->unreadable(), 2u);
    EXPECT_EQ(table->all().size(), 3u) << "still there by ordinal";
}

} // namespace
} // namespace poolkd::pe

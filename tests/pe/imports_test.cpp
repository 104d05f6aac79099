#include "image_builder.h"
#include "pe/imports.h"

#include <gtest/gtest.h>

namespace poolkd::pe {
namespace {

using poolkd::testing::ImageBuilder;

/// Two imports by name and one by ordinal from one module, in .rdata.
void write_imports(ImageBuilder& builder, bool wide) {
    builder.directory(1, 0x2000, 40);
    builder.put<std::uint32_t>(0x2000, 0x2100);
    builder.put<std::uint32_t>(0x200c, 0x2080);
    builder.put<std::uint32_t>(0x2010, 0x2200);
    builder.put_text(0x2080, "ntoskrnl.exe");
    builder.put_text(0x2302, "ExFreePool");
    builder.put_text(0x2322, "IoAllocateMdl");
    if (wide) {
        builder.put<std::uint64_t>(0x2100, 0x2300);
        builder.put<std::uint64_t>(0x2108, 0x8000000000000007);
        builder.put<std::uint64_t>(0x2110, 0x2320);
    } else {
        builder.put<std::uint32_t>(0x2100, 0x2300);
        builder.put<std::uint32_t>(0x2104, 0x80000007);
        builder.put<std::uint32_t>(0x2108, 0x2320);
    }
}

void expect_imports(const ImportTable& table, std::uint32_t width) {
    ASSERT_EQ(table.all().size(), 3u);
    EXPECT_EQ(table.unreadable(), 0u);
    EXPECT_EQ(table.all()[0].module, "ntoskrnl.exe");
    EXPECT_EQ(table.all()[0].name, "ExFreePool");
    EXPECT_EQ(table.all()[0].slot, 0x2200u);
    EXPECT_EQ(table.all()[1].name, "");
    EXPECT_EQ(table.all()[1].ordinal, 7u);
    const Import* last = table.at(0x2200 + 2 * width);
    ASSERT_TRUE(last);
    EXPECT_EQ(last->name, "IoAllocateMdl");
    EXPECT_FALSE(last->delayed);
    EXPECT_EQ(table.at(0x2300), nullptr);
}

TEST(Imports, ReadsBothWidthsInBothLayouts) {
    for (bool wide : {true, false}) {
        ImageBuilder builder(wide);
        write_imports(builder, wide);
        SpanReader memory(builder.memory());
        auto loaded = Image::open(memory, ImageLayout::memory);
        ASSERT_TRUE(loaded);
        expect_imports(ImportTable::read(*loaded), wide ? 8 : 4);
        const ByteVector bytes = builder.file();
        SpanReader reader(bytes);
        auto file = Image::open(reader, ImageLayout::file);
        ASSERT_TRUE(file);
        expect_imports(ImportTable::read(*file), wide ? 8 : 4);
    }
}

TEST(Imports, WithoutLookupsAFileNamesThemInItsSlots) {
    ImageBuilder builder;
    write_imports(builder, true);
    builder.put<std::uint32_t>(0x2000, 0);
    builder.put<std::uint64_t>(0x2200, 0x2300);
    const ByteVector bytes = builder.file();
    SpanReader reader(bytes);
    auto file = Image::open(reader, ImageLayout::file);
    ASSERT_TRUE(file);
    const ImportTable table = ImportTable::read(*file);
    ASSERT_EQ(table.all().size(), 1u);
    EXPECT_EQ(table.all()[0].name, "ExFreePool");
    SpanReader memory(builder.memory());
    auto loaded = Image::open(memory, ImageLayout::memory);
    ASSERT_TRUE(loaded);
    EXPECT_TRUE(ImportTable::read(*loaded).all().empty()) << "there the slots hold addresses";
}

TEST(Imports, ReadsDelayedOnes) {
    for (bool by_rva : {true, false}) {
        ImageBuilder builder(false);
        const std::uint32_t base = by_rva ? 0 : 0x400000;
        builder.directory(13, 0x2000, 64);
        builder.put<std::uint32_t>(0x2000, by_rva ? 1 : 0);
        builder.put<std::uint32_t>(0x2004, base + 0x2080);
        builder.put<std::uint32_t>(0x200c, base + 0x2200);
        builder.put<std::uint32_t>(0x2010, base + 0x2100);
        builder.put_text(0x2080, "ndis.sys");
        builder.put<std::uint32_t>(0x2100, base + 0x2300);
        builder.put_text(0x2302, "NdisFreeMemory");
        SpanReader memory(builder.memory());
        auto image = Image::open(memory, ImageLayout::memory);
        ASSERT_TRUE(image);
        const ImportTable table = ImportTable::read(*image);
        ASSERT_EQ(table.all().size(), 1u);
        EXPECT_EQ(table.all()[0].module, "ndis.sys");
        EXPECT_EQ(table.all()[0].name, "NdisFreeMemory");
        EXPECT_EQ(table.all()[0].slot, 0x2200u);
        EXPECT_TRUE(table.all()[0].delayed);
    }
}

TEST(Imports, WhatCannotBeReadIsCounted) {
    ImageBuilder builder;
    write_imports(builder, true);
    builder.put<std::uint64_t>(0x2100, 0x7fff0000); // the name of the first
    builder.put<std::uint32_t>(0x2014, 0x7fff0000); // a second module that is nowhere
    builder.put<std::uint32_t>(0x2020, 0x7fff0000);
    builder.put<std::uint32_t>(0x2024, 0x2280);
    SpanReader memory(builder.memory());
    auto image = Image::open(memory, ImageLayout::memory);
    ASSERT_TRUE(image);
    const ImportTable table = ImportTable::read(*image);
    EXPECT_EQ(table.all().size(), 2u);
    EXPECT_EQ(table.unreadable(), 3u);
    EXPECT_TRUE(table.at(0x2210));
}

TEST(Imports, TablesThatLieInOnePlaceEnd) {
    ImageBuilder builder(false);
    builder.directory(1, 0x2000, 40);
    for (std::uint32_t at = 0x2000; at + 20 <= 0x3000; at += 20) {
        builder.put<std::uint32_t>(at, 0x2000);
        builder.put<std::uint32_t>(at + 4, 0x7fff0000);
        builder.put<std::uint32_t>(at + 8, 0x7fff0000);
        builder.put<std::uint32_t>(at + 12, 0x7fff0000);
        builder.put<std::uint32_t>(at + 16, 0x2000);
    }
    SpanReader memory(builder.memory());
    auto image = Image::open(memory, ImageLayout::memory);
    ASSERT_TRUE(image);
    const ImportTable table = ImportTable::read(*image);
    EXPECT_LE(table.all().size() + table.unreadable(), ImportTable::max_imports + ImportTable::max_modules);
}

TEST(Imports, AnImageWithoutAnyHasNone) {
    ImageBuilder builder;
    SpanReader memory(builder.memory());
    auto image = Image::open(memory, ImageLayout::memory);
    ASSERT_TRUE(image);
    EXPECT_TRUE(ImportTable::read(*image).all().empty());
}

} // namespace
} // namespace poolkd::pe

#include "symbols/pdb/address_map.h"
#include "symbols/pdb/stream.h"

#include <gtest/gtest.h>

namespace poolkd::symbols {
namespace {

ByteVector section(std::uint32_t rva, std::uint32_t size, std::uint32_t flags) {
    ByteVector header(40);
    store(header, 8, size);
    store(header, 12, rva);
    store(header, 36, flags);
    return header;
}

ByteVector join(std::initializer_list<ByteVector> parts) {
    ByteVector out;
    for (const ByteVector& part : parts)
        out.insert(out.end(), part.begin(), part.end());
    return out;
}

ByteVector omap(std::initializer_list<std::uint32_t> numbers) {
    ByteVector out(numbers.size() * 4);
    std::size_t at = 0;
    for (std::uint32_t n : numbers) {
        store(out, at, n);
        at += 4;
    }
    return out;
}

TEST(AddressMap, SectionsAndTheirEdges) {
    const AddressMap map(join({section(0x1000, 0x500, 0x60000020), section(0x2000, 0x100, 0x40000040)}), {}, {}, {});
    EXPECT_EQ(map.rva({1, 0x10}), 0x1010u);
    EXPECT_EQ(map.rva({2, 0x100}), 0x2100u) << "a symbol for the end";
    EXPECT_EQ(map.rva({2, 0x101}), std::nullopt);
    EXPECT_EQ(map.rva({0, 0x10}), std::nullopt);
    EXPECT_EQ(map.rva({3, 0}), std::nullopt) << "absolute symbols have the number after the last section";
    EXPECT_EQ(map.rva({0xffff, 0xffffffff}), std::nullopt);
    EXPECT_EQ(map.place(0x1010), (SegmentOffset{1, 0x10}));
    EXPECT_EQ(map.place(0x1500), std::nullopt);
    EXPECT_EQ(map.place(0x200), std::nullopt);
    EXPECT_TRUE(map.is_code(1));
    EXPECT_FALSE(map.is_code(2));
    EXPECT_FALSE(map.is_code(0));
    EXPECT_FALSE(map.is_code(99));
    EXPECT_FALSE(map.moved());
}

TEST(AddressMap, RearrangedImagesAreTranslatedBothWays) {
    // Blocks of the original .text at 0x1000..0x1300: the first 0x100 bytes moved to 0x2200, the second dropped, the
    // third to 0x2000.
    const AddressMap map(section(0x2000, 0x300, 0x60000020), section(0x1000, 0x300, 0x60000020),
                         omap({0x2000, 0x1200, 0x2100, 0, 0x2200, 0x1000, 0x2300, 0}),
                         omap({0x1000, 0x2200, 0x1100, 0, 0x1200, 0x2000}));
    ASSERT_TRUE(map.moved());
    EXPECT_EQ(map.rva({1, 0x10}), 0x2210u);
    EXPECT_EQ(map.rva({1, 0x110}), std::nullopt);
    EXPECT_EQ(map.rva({1, 0x210}), 0x2010u);
    EXPECT_EQ(map.place(0x2210), (SegmentOffset{1, 0x10}));
    EXPECT_EQ(map.place(0x2110), std::nullopt);
    EXPECT_EQ(map.place(0x2010), (SegmentOffset{1, 0x210}));
}

TEST(PdbStream, ReadsAcrossScatteredBlocks) {
    ByteVector file(64);
    for (std::size_t i = 0; i < file.size(); ++i)
        file[i] = static_cast<std::byte>(i);
    const ByteVector blocks = omap({3, 4, 1}); // of 8 bytes each
    const PdbStream stream(file, 8, blocks, 20);
    ByteVector scratch;
    auto at = [&](std::uint64_t offset, std::size_t size) {
        Bytes view = stream.read(offset, size, scratch);
        return std::string(reinterpret_cast<const char*>(view.data()), view.size());
    };
    EXPECT_EQ(at(6, 4), (std::string{30, 31, 32, 33}));
    EXPECT_TRUE(scratch.empty()) << "neighbouring blocks need no copy";
    EXPECT_EQ(at(14, 4), (std::string{38, 39, 8, 9}));
    EXPECT_EQ(at(16, 4), (std::string{8, 9, 10, 11}));
    EXPECT_EQ(at(17, 4), "");
    EXPECT_EQ(at(~0ull, 4), "");
    EXPECT_EQ(stream.value<std::uint16_t>(15), 0x0827u);
    EXPECT_EQ(stream.copy().size(), 20u);
}

TEST(PdbStream, BlocksOutsideTheFileGiveNothing) {
    const ByteVector file(64);
    const ByteVector blocks = omap({7, 8});
    const PdbStream stream(file, 8, blocks, 0xffffffff);
    EXPECT_EQ(stream.size(), 16u) << "no more than its blocks hold";
    ByteVector scratch;
    EXPECT_EQ(stream.read(0, 8, scratch).size(), 8u);
    EXPECT_EQ(stream.read(8, 1, scratch).size(), 0u);
    EXPECT_EQ(stream.read(4, 8, scratch).size(), 0u);
}

} // namespace
} // namespace poolkd::symbols

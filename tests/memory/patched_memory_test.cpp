#include "memory/patched_memory.h"
#include "support/fake_target.h"

#include <gtest/gtest.h>

#include <array>

namespace poolkd::memory {
namespace {

TEST(PatchedMemory, ShowsTheBytesInPlaceOfItsOwn) {
    poolkd::testing::FakePhysicalMemory below;
    below.map(PhysAddr(0x1000), 0x1000);
    for (std::uint64_t at = 0x1000; at < 0x2000; at += 8)
        below.put_value(PhysAddr(at), at);
    PatchedMemory memory(below);
    const std::array patch{std::byte{1}, std::byte{2}, std::byte{3}, std::byte{4}};
    memory.put(PhysAddr(0x1ffe), patch); // reaches over the end
    memory.put(PhysAddr(0x1104), patch);
    memory.put(PhysAddr(0x1106), patch);
    auto read = [&](std::uint64_t at) {
        std::uint64_t value = 0;
        const auto got = memory.read(PhysAddr(at), std::as_writable_bytes(std::span(&value, 1)));
        return std::pair(got.bytes, value);
    };
    EXPECT_EQ(read(0x10f8), (std::pair<std::size_t, std::uint64_t>(8, 0x10f8)));
    EXPECT_EQ(read(0x1100), (std::pair<std::size_t, std::uint64_t>(8, 0x02010201'00001100)));
    EXPECT_EQ(read(0x1108), (std::pair<std::size_t, std::uint64_t>(8, 0x0403)));
    EXPECT_EQ(read(0x1ff8).second >> 48, 0x0201u);
    EXPECT_EQ(read(0x2000).first, 0u) << "it has no memory there";
    std::uint64_t own = 0;
    below.read(PhysAddr(0x1100), std::as_writable_bytes(std::span(&own, 1)));
    EXPECT_EQ(own, 0x1100u);
}

} // namespace
} // namespace poolkd::memory

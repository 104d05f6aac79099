#include "code/stack_reader.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace poolkd::code {
namespace {

/// Bytes from one address on and nothing in front of it, as a small dump has a stack.
class PartOfStack final : public memory::AddressSpace {
  public:
    static constexpr VirtAddr start{0xfffff88000054dd8};

    memory::ReadResult read(VirtAddr address, MutableBytes out, Work* /*work*/) override {
        if (address < start || address - start >= bytes.size()) return {0, GapReason::not_in_image};
        const std::size_t count = std::min<std::size_t>(out.size(), bytes.size() - (address - start));
        std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(address - start), count, out.begin());
        if (count == out.size()) return {count, std::nullopt};
        return {count, GapReason::not_in_image};
    }
    [[nodiscard]] unsigned pointer_size() const override { return 8; }

    ByteVector bytes = ByteVector(0x100);
};

TEST(StackReader, AStackMayBeginAnywhereInItsLine) {
    PartOfStack memory;
    store(MutableBytes(memory.bytes), 0, std::uint64_t{0x1111});
    store(MutableBytes(memory.bytes), 8, std::uint64_t{0x2222});
    store(MutableBytes(memory.bytes), 0xf8, std::uint64_t{0x3333});
    StackReader stack(memory, x64_machine());
    EXPECT_EQ(stack.word(PartOfStack::start).value_or(0), 0x1111u);
    EXPECT_EQ(stack.word(PartOfStack::start + 8).value_or(0), 0x2222u);
    EXPECT_EQ(stack.word(PartOfStack::start + 0xf8).value_or(0), 0x3333u);
    EXPECT_FALSE(stack.word(PartOfStack::start + 0x100));
    EXPECT_FALSE(stack.word(PartOfStack::start - 8));
}

} // namespace
} // namespace poolkd::code

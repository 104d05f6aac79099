#include "nt/bug_check.h"
#include "support/fake_symbols.h"
#include "support/fake_target.h"

#include <gtest/gtest.h>

namespace poolkd::nt {
namespace {

TEST(BugCheck, HasTheNameOfItsCode) {
    EXPECT_EQ(bug_check_name(0x19), "BAD_POOL_HEADER");
    EXPECT_EQ(bug_check_name(0xc2), "BAD_POOL_CALLER");
    EXPECT_EQ(bug_check_name(0x13a), "KERNEL_MODE_HEAP_CORRUPTION");
    EXPECT_EQ(bug_check_name(0x01), "APC_INDEX_MISMATCH");
    EXPECT_EQ(bug_check_name(0x1ca), "SYNTHETIC_WATCHDOG_TIMEOUT");
    EXPECT_EQ(bug_check_name(0x02), "");
    EXPECT_EQ(bug_check_name(~0ull), "");
}

TEST(BugCheck, IsReadFromTheKernelsVariable) {
    testing::FakeTarget target;
    const VirtAddr base(0xfffff80000000000);
    target.edit_identity().kernel_base = base;
    target.virtual_memory().map(base, 0x2000);
    auto symbols = std::make_shared<testing::FakeSymbols>();
    symbols->add("KiBugCheckData", 0x1000);
    Kernel kernel(target, [&](Module& module) {
        module.symbols = symbols;
        module.symbol_state = SymbolState::loaded;
    });
    EXPECT_FALSE(read_bug_check(kernel));
    for (std::uint64_t i = 0; i < 5; ++i)
        target.virtual_memory().put_value(base + 0x1000 + 8 * i, 0xc2 + i);
    const auto found = read_bug_check(kernel);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->code, 0xc2u);
    EXPECT_EQ(found->parameters, (std::array<std::uint64_t, 4>{0xc3, 0xc4, 0xc5, 0xc6}));
    EXPECT_FALSE(found->from_header);
    target.virtual_memory().unmap(base + 0x1000);
    EXPECT_FALSE(read_bug_check(kernel));
}

} // namespace
} // namespace poolkd::nt

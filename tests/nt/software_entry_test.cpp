#include "base/machine.h"
#include "nt/software_entry.h"

#include <gtest/gtest.h>

namespace poolkd::nt {
namespace {

TEST(SoftwareEntry, OnlyTransitionHasItsPageInMemory) {
    const memory::PagingMode& x64 = memory::paging_mode(x64_machine(), 0x20);
    EXPECT_EQ(transition_page(x64, 0x123456880), PhysAddr(0x123456000));
    EXPECT_EQ(transition_page(x64, 0x200123456880), PhysAddr(0x123456000)); // with bit 45 flipped
    EXPECT_EQ(transition_page(x64, 0x8000000123456880), PhysAddr(0x123456000));
    for (const std::uint64_t entry : {std::uint64_t{0x123456881}, // present
                                      std::uint64_t{0x123456c80}, // prototype
                                      std::uint64_t{0x1234567800000080}, std::uint64_t{0}})
        EXPECT_FALSE(transition_page(x64, entry)) << entry;
    EXPECT_EQ(transition_page(memory::paging_mode(x86_machine(), 0), 0xfffff880), PhysAddr(0xfffff000));
}

} // namespace
} // namespace poolkd::nt

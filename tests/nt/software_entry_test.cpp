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

TEST(SoftwareEntry, WhatIsNotThereIsNamed) {
    const memory::PagingMode& x64 = memory::paging_mode(x64_machine(), 0x20);
    EXPECT_EQ(software_entry_text(x64, 0), "nothing is there");
    EXPECT_EQ(software_entry_text(x64, 0x80), "demand zero");
    EXPECT_EQ(software_entry_text(x64, 0x200000000080), "demand zero"); // with bit 45 flipped
    EXPECT_EQ(software_entry_text(x64, 0x123456880), "in transition (pfn 123456)");
    EXPECT_EQ(software_entry_text(x64, 0x1234567800000080), "in a page file");
    EXPECT_EQ(software_entry_text(x64, 0xf8a0001234560480), "by a prototype entry");
    EXPECT_EQ(software_entry_text(x64, 0xffffffff00000080), "by the memory's descriptor");
    const memory::PagingMode& x86 = memory::paging_mode(x86_machine(), 0);
    EXPECT_EQ(software_entry_text(x86, 0x80), "demand zero");
    EXPECT_EQ(software_entry_text(x86, 0x12345080), "in a page file");
    EXPECT_EQ(software_entry_text(x86, 0x12345880), "in transition (pfn 12345)");
}

TEST(SoftwareEntry, SaysWhyAPageIsInNoMemory) {
    const memory::PagingMode& x64 = memory::paging_mode(x64_machine(), 0x20);
    EXPECT_EQ(software_page(x64, 0x123456880).page, PhysAddr(0x123456000));
    EXPECT_EQ(software_page(x64, 0x80).gap, GapReason::demand_zero);
    EXPECT_EQ(software_page(x64, 0x1234567800000080).gap, GapReason::paged_out);
    EXPECT_EQ(software_page(x64, 0).gap, GapReason::unmapped);
    EXPECT_EQ(software_page(x64, 0xffffffff00000080).gap, GapReason::unmapped); // only the process's descriptors know
}

TEST(SoftwareEntry, TellsWhereThePrototypeIs) {
    const memory::PagingMode& x64 = memory::paging_mode(x64_machine(), 0x20);
    EXPECT_EQ(software_page(x64, 0xf8a0001234580480).prototype, VirtAddr(0xfffff8a000123458));
    EXPECT_FALSE(software_page(x64, 0xf8a0001234540480).prototype); // not aligned
    EXPECT_FALSE(software_page(x64, 0x0000001234580480).prototype); // a user's address
    const memory::PagingMode& pae = memory::paging_mode(x86_machine(), 0x20);
    EXPECT_EQ(software_page(pae, 0xe100123800000480).prototype, VirtAddr(0xffffffffe1001238));
    EXPECT_FALSE(software_page(memory::paging_mode(x86_machine(), 0), 0x12345480).prototype);
}

} // namespace
} // namespace poolkd::nt

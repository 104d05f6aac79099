#include "control/journal.h"
#include "support/fake_pool.h"
#include "support/temporary_directory.h"

#include <gtest/gtest.h>

#include <fstream>

namespace poolkd::control {
namespace {

using testing::FakePoolKernel;

constexpr VirtAddr place(FakePoolKernel::base + 0x1800);

std::uint32_t value_at(FakePoolKernel& fake, VirtAddr address) {
    return fake.target.virtual_memory().value<std::uint32_t>(address).value_or(0xdeaddead);
}

ByteVector bytes_of(std::uint32_t value) {
    ByteVector bytes(4);
    store(MutableBytes(bytes), 0, value);
    return bytes;
}

TEST(Journal, WritesAndUndoes) {
    FakePoolKernel fake;
    testing::TemporaryDirectory folder;
    fake.target.virtual_memory().put_value(place, 0x11111111u);
    Journal journal(*fake.kernel, folder.path());
    ASSERT_TRUE(journal.attach());
    ASSERT_TRUE(journal.write(place, bytes_of(0x22222222), "ed"));
    EXPECT_EQ(value_at(fake, place), 0x22222222u);
    ASSERT_EQ(journal.open_writes().size(), 1u);
    EXPECT_EQ(journal.entries()[0].note, "ed");
    ASSERT_TRUE(journal.undo(journal.open_writes()[0]));
    EXPECT_EQ(value_at(fake, place), 0x11111111u);
    EXPECT_TRUE(journal.open_writes().empty());
}

TEST(Journal, ALaterDebuggerFindsWhatAKilledOneLeft) {
    FakePoolKernel fake;
    testing::TemporaryDirectory folder;
    fake.target.virtual_memory().put_value(place, 0x11111111u);
    fake.target.virtual_memory().put_value(place + 8, 0x33333333u);
    {
        Journal journal(*fake.kernel, folder.path());
        ASSERT_TRUE(journal.attach());
        ASSERT_TRUE(journal.write(place, bytes_of(0x22222222), "first"));
        ASSERT_TRUE(journal.write(place + 8, bytes_of(0x44444444), "second"));
        ASSERT_TRUE(journal.undo(2));
    }
    Journal journal(*fake.kernel, folder.path());
    auto left = journal.attach();
    ASSERT_TRUE(left);
    ASSERT_EQ(*left, 1u);
    EXPECT_TRUE(journal.entries()[0].inherited);
    ASSERT_TRUE(journal.undo(journal.entries()[0].id));
    EXPECT_EQ(value_at(fake, place), 0x11111111u);
    // Ids go on where they were, so that a line of the file names one write only.
    ASSERT_TRUE(journal.write(place, bytes_of(1), "third"));
    EXPECT_EQ(journal.entries().back().id, 3u);
}

TEST(Journal, WhatWasBegunBeforeTheKernelKnewItsBootTimeIsOfThisBoot) {
    constexpr std::uint32_t boot_time = 0x1900, bias = 0x1908;
    FakePoolKernel fake;
    fake.symbols->add("KeBootTime", boot_time);
    fake.symbols->add("KeBootTimeBias", bias);
    testing::TemporaryDirectory folder;
    {
        Journal journal(*fake.kernel, folder.path());
        ASSERT_TRUE(journal.attach()); // at the first stop of a boot
        fake.set(boot_time, 0x01d9'0000'0000'0000);
        ASSERT_TRUE(journal.write(place, bytes_of(0x22222222), "ed"));
    }
    Journal journal(*fake.kernel, folder.path());
    EXPECT_EQ(journal.attach().value_or(0), 1u);
    // Somebody sets the clock.
    fake.set(boot_time, 0x01d9'0000'0000'1000);
    fake.set(bias, 0x1000);
    EXPECT_EQ(journal.attach().value_or(0), 1u);
    // The same kernel at the same place, another boot.
    fake.set(boot_time, 0x01da'0000'0000'0000);
    fake.set(bias, 0);
    EXPECT_EQ(journal.attach().value_or(9), 0u);
}

TEST(Journal, BytesThatSomebodyElseChangedAreLeftAlone) {
    FakePoolKernel fake;
    testing::TemporaryDirectory folder;
    {
        Journal journal(*fake.kernel, folder.path());
        ASSERT_TRUE(journal.attach());
        ASSERT_TRUE(journal.write(place, bytes_of(0x22222222), "ed"));
        fake.target.virtual_memory().put_value(place, 0x55555555u);
        auto undone = journal.undo(1);
        ASSERT_FALSE(undone);
        EXPECT_EQ(undone.error().kind, ErrorKind::refused);
        EXPECT_EQ(value_at(fake, place), 0x55555555u);
    }
    Journal journal(*fake.kernel, folder.path());
    EXPECT_EQ(journal.attach().value_or(99), 0u); // after a restart nothing of ours is in memory
}

TEST(Journal, TwoWritesToOnePlaceAreBothTakenOver) {
    FakePoolKernel fake;
    testing::TemporaryDirectory folder;
    fake.target.virtual_memory().put_value(place, 0x11111111u);
    {
        Journal journal(*fake.kernel, folder.path());
        ASSERT_TRUE(journal.attach());
        ASSERT_TRUE(journal.write(place, bytes_of(0x22222222), "a"));
        ASSERT_TRUE(journal.write(place, bytes_of(0x33333333), "b"));
    }
    Journal journal(*fake.kernel, folder.path());
    ASSERT_EQ(journal.attach().value_or(0), 2u);
    ASSERT_TRUE(journal.undo(2));
    ASSERT_TRUE(journal.undo(1));
    EXPECT_EQ(value_at(fake, place), 0x11111111u);
}

TEST(Journal, BreakpointsThatAKilledDebuggerLeftAreTakenOut) {
    FakePoolKernel fake;
    testing::TemporaryDirectory folder;
    const std::uint32_t handle = fake.target.set_breakpoint(place).value();
    {
        Journal journal(*fake.kernel, folder.path());
        ASSERT_TRUE(journal.attach());
        ASSERT_TRUE(journal.note_breakpoint(place, handle));
    }
    Journal journal(*fake.kernel, folder.path());
    EXPECT_EQ(journal.attach().value_or(9), 0u);
    EXPECT_EQ(journal.removed_breakpoints(), 1u);
    EXPECT_TRUE(fake.target.slots().empty());
    Journal third(*fake.kernel, folder.path());
    ASSERT_TRUE(third.attach());
    EXPECT_EQ(third.removed_breakpoints(), 0u);
}

TEST(Journal, ADamagedFileCostsOnlyTheDamagedLines) {
    FakePoolKernel fake;
    testing::TemporaryDirectory folder;
    std::filesystem::path file;
    {
        Journal journal(*fake.kernel, folder.path());
        ASSERT_TRUE(journal.attach());
        ASSERT_TRUE(journal.write(place, bytes_of(0x22222222), "ed"));
        file = journal.file();
    }
    std::ofstream(file, std::ios::app)
        << "{\"id\": \"seven\"}\nnot "
           "json\n{\"id\":9,\"address\":1,\"before\":\"zz\",\"after\":\"00\"}\n{\"id\":10,\"addr";
    Journal journal(*fake.kernel, folder.path());
    auto left = journal.attach();
    ASSERT_TRUE(left) << left.error().message;
    EXPECT_EQ(*left, 1u);
}

TEST(Journal, NothingIsWrittenThatCannotBeUndone) {
    FakePoolKernel fake;
    testing::TemporaryDirectory folder;
    Journal journal(*fake.kernel, folder.path());
    ASSERT_TRUE(journal.attach());
    auto unreadable = journal.write(VirtAddr(0x1000), bytes_of(1), "ed");
    ASSERT_FALSE(unreadable);
    EXPECT_EQ(unreadable.error().kind, ErrorKind::unreadable);
    EXPECT_TRUE(fake.target.writes().empty());
    // A folder that cannot be made: the write is refused as well.
    Journal blocked(*fake.kernel, "/proc/none/poolkd");
    ASSERT_TRUE(blocked.attach());
    EXPECT_FALSE(blocked.write(place, bytes_of(1), "ed"));
    EXPECT_TRUE(fake.target.writes().empty());
}

TEST(Journal, AWriteThatStopsHalfWayIsPutBack) {
    FakePoolKernel fake;
    testing::TemporaryDirectory folder;
    constexpr VirtAddr edge(FakePoolKernel::base + 0x1ffc); // the next page is unmapped for the write alone
    fake.target.virtual_memory().map(edge, 8);
    fake.target.virtual_memory().put(edge, {1, 1, 1, 1, 2, 2, 2, 2});
    Journal journal(*fake.kernel, folder.path());
    ASSERT_TRUE(journal.attach());
    fake.target.protect_from(edge + 4);
    auto written = journal.write(edge, ByteVector(8, std::byte{9}), "eb");
    ASSERT_FALSE(written);
    EXPECT_EQ(value_at(fake, edge), 0x01010101u);
    EXPECT_TRUE(journal.open_writes().empty());
}

TEST(Journal, AMixtureOfOldAndNewBytesCanBeUndone) {
    FakePoolKernel fake;
    testing::TemporaryDirectory folder;
    fake.target.virtual_memory().put(place, {1, 1, 1, 1});
    {
        Journal journal(*fake.kernel, folder.path());
        ASSERT_TRUE(journal.attach());
        ASSERT_TRUE(journal.write(place, ByteVector(4, std::byte{9}), "eb"));
        // An undo that was cut off: half of the bytes are old again.
        fake.target.virtual_memory().put(place, {1, 1});
    }
    Journal journal(*fake.kernel, folder.path());
    ASSERT_EQ(journal.attach().value_or(0), 1u);
    ASSERT_TRUE(journal.undo(1));
    EXPECT_EQ(value_at(fake, place), 0x01010101u);
}

TEST(Journal, ABreakpointThatComesBackWithItsHandleIsWrittenDownOnce) {
    FakePoolKernel fake;
    testing::TemporaryDirectory folder;
    Journal journal(*fake.kernel, folder.path());
    ASSERT_TRUE(journal.attach());
    for (int i = 0; i < 3; ++i)
        ASSERT_TRUE(journal.note_breakpoint(place, 1));
    EXPECT_EQ(journal.entries().size(), 1u);
    ASSERT_TRUE(journal.forget_breakpoints());
    EXPECT_TRUE(journal.entries().empty());
    Journal next(*fake.kernel, folder.path());
    ASSERT_TRUE(next.attach());
    EXPECT_EQ(next.removed_breakpoints(), 0u);
}

} // namespace
} // namespace poolkd::control

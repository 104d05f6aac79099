#include "base/exception_codes.h"
#include "hunt/live.h"
#include "support/fake_pool.h"

#include <gmock/gmock.h>

namespace poolkd::hunt {
namespace {

using namespace std::chrono_literals;
using testing::FakePoolKernel;
using testing::FakeTarget;
using ::testing::HasSubstr;

constexpr VirtAddr code(FakePoolKernel::base + 0x400), shared_data(0xfffff78000000000);
constexpr std::uint32_t access_violation = 0xc0000005;

target::Stop stop_with(FakeTarget& fake, VirtAddr ip, std::uint32_t exception) {
    fake.edit_registers().set_ip(ip);
    target::Stop stop;
    stop.ip = ip;
    stop.instruction_stream = ByteVector(16, std::byte{0xcc});
    stop.reason = target::ExceptionStop{.code = exception, .flags = 0, .address = ip, .parameters = {}};
    return stop;
}

class Live : public ::testing::Test {
  protected:
    Live() : journal(*fake.kernel, {}), controller(*fake.kernel, journal) {
        fake.target.virtual_memory().put(code, Bytes(ByteVector(64, std::byte{0x90})));
        fake.target.edit_stop() = stop_with(fake.target, code, status_breakpoint);
        fake.put_row(FakePoolKernel::tracker, 3, {"Leak", 10, 4, 600, 0, 0, 0});
        fake.put_row(FakePoolKernel::tracker, 4, {"Both", 2, 2, 0, 5, 1, 64});
        auto& memory = fake.target.virtual_memory();
        memory.map(shared_data, 0x1000);
        memory.put_value<std::uint64_t>(shared_data + 0x8, 36'000'000'000);           // an hour
        memory.put_value<std::uint64_t>(shared_data + 0x14, 132'539'328'000'000'000); // 2021-01-01
        memory.put_value<std::uint32_t>(shared_data + 0x2e8, 1024);
        EXPECT_TRUE(controller.adopt_stop());
    }
    FakePoolKernel fake;
    control::Journal journal;
    control::Controller controller;
    Work work;
    Snapshot snapshot;
};

TEST_F(Live, ASnapshotHasTheRowsAndTheTargetsClock) {
    auto taken = take_snapshot(*fake.kernel, work);
    ASSERT_TRUE(taken) << taken.error().message;
    ASSERT_EQ(taken->rows.size(), 3u);
    EXPECT_EQ(taken->rows[0], (TagCounts{{*PoolTag::from_text("Both"), PoolKind::nonpaged}, 2, 2, 0}));
    EXPECT_EQ(taken->rows[1], (TagCounts{{*PoolTag::from_text("Both"), PoolKind::paged}, 5, 1, 64}));
    EXPECT_EQ(taken->rows[2], (TagCounts{{*PoolTag::from_text("Leak"), PoolKind::nonpaged}, 10, 4, 600}));
    EXPECT_EQ(taken->uptime, 1h);
    EXPECT_EQ(taken->time, Time(std::chrono::sys_days(std::chrono::year(2021) / 1 / 1)));
    EXPECT_EQ(taken->memory.physical, 4u << 20);
    EXPECT_EQ(taken->memory.commit, std::nullopt);
    EXPECT_EQ(taken->machine, "memory");
}

TEST_F(Live, WithoutItsClockASnapshotHasNoTime) {
    fake.target.virtual_memory().unmap(shared_data);
    auto taken = take_snapshot(*fake.kernel, work);
    ASSERT_TRUE(taken);
    EXPECT_EQ(taken->time, std::nullopt);
    EXPECT_EQ(taken->uptime, std::nullopt);
}

TEST_F(Live, TheTargetRunsBetweenSnapshotsAndAfterThem) {
    LiveSource source(*fake.kernel, controller, {.interval = 5ms, .count = 3, .period = {}, .machine = "lab:x"});
    for (int i = 0; i < 3; ++i) {
        auto more = source.next(snapshot, work);
        ASSERT_TRUE(more) << more.error().message;
        EXPECT_TRUE(*more);
        EXPECT_TRUE(controller.running());
        EXPECT_EQ(snapshot.machine, "lab:x");
    }
    EXPECT_EQ(source.next(snapshot, work), false);
    EXPECT_EQ(source.end(), SeriesEnd::planned);
    EXPECT_EQ(source.cost().snapshots, 3u);
    EXPECT_GT(source.cost().elapsed, 10ms);
    EXPECT_LT(source.cost().share(), 1.0);
    EXPECT_EQ(fake.target.resumes().size(), 3u);
}

TEST_F(Live, APeriodEndsIt) {
    LiveSource source(*fake.kernel, controller, {.interval = 5ms, .count = {}, .period = 20ms, .machine = {}});
    std::size_t count = 0;
    while (source.next(snapshot, work).value_or(false))
        ++count;
    EXPECT_GE(count, 2u);
    EXPECT_LE(count, 5u);
    EXPECT_EQ(source.end(), SeriesEnd::planned);
}

TEST_F(Live, TheUserEndsItWithTheTargetRunning) {
    LiveSource source(*fake.kernel, controller, {.interval = 1h, .count = {}, .period = {}, .machine = {}});
    ASSERT_EQ(source.next(snapshot, work), true);
    work.request_stop();
    EXPECT_EQ(source.next(snapshot, work), false);
    EXPECT_EQ(source.end(), SeriesEnd::user);
    EXPECT_TRUE(controller.running());
    EXPECT_FALSE(work.stop_requested());
}

TEST_F(Live, AReadThatTheUserCutsOffIsNoSnapshot) {
    LiveSource source(*fake.kernel, controller, {.interval = 1h, .count = {}, .period = {}, .machine = {}});
    work.request_stop();
    EXPECT_EQ(source.next(snapshot, work), false);
    EXPECT_EQ(source.end(), SeriesEnd::user);
    EXPECT_TRUE(controller.running());
}

TEST_F(Live, ATickCanAskForTheNextOne) {
    LiveSource source(*fake.kernel, controller, {.interval = 1h, .count = {}, .period = {}, .machine = {}});
    int ticks = 0;
    source.on_tick([&] { return ++ticks % 3 == 0; });
    for (int i = 0; i < 3; ++i)
        ASSERT_EQ(source.next(snapshot, work), true);
    EXPECT_EQ(ticks, 6);
}

TEST_F(Live, AnExceptionEndsItWithTheTargetAsItStands) {
    LiveSource source(*fake.kernel, controller, {.interval = 1h, .count = {}, .period = {}, .machine = {}});
    ASSERT_EQ(source.next(snapshot, work), true);
    fake.target.on_resume(
        [](FakeTarget& self, const target::Resume&) { return stop_with(self, code + 8, access_violation); });
    EXPECT_EQ(source.next(snapshot, work), false);
    EXPECT_EQ(source.end(), SeriesEnd::foreign_stop);
    EXPECT_FALSE(controller.running());
    ASSERT_EQ(source.notes().size(), 1u);
    EXPECT_THAT(source.notes()[0], HasSubstr("c0000005"));
}

TEST_F(Live, AStopThatComesWithTheBreakInEndsItToo) {
    LiveSource source(*fake.kernel, controller, {.interval = 1ms, .count = {}, .period = {}, .machine = {}});
    ASSERT_EQ(source.next(snapshot, work), true);
    fake.target.on_break_in(
        [](FakeTarget& self, const target::Resume&) { return stop_with(self, code + 8, access_violation); });
    EXPECT_EQ(source.next(snapshot, work), false);
    EXPECT_EQ(source.end(), SeriesEnd::foreign_stop);
    EXPECT_FALSE(controller.running());
}

TEST_F(Live, ModuleEventsAndRestartsPass) {
    LiveSource source(*fake.kernel, controller, {.interval = 5ms, .count = {}, .period = {}, .machine = {}});
    ASSERT_EQ(source.next(snapshot, work), true);
    fake.target.on_resume([](FakeTarget& self, const target::Resume&) {
        target::Stop stop = stop_with(self, code + 8, 0);
        stop.reason = target::ModuleChange{.loaded = true, .path = "late.sys", .base = code, .size = 0x1000};
        return stop;
    });
    fake.target.on_resume([](FakeTarget& self, const target::Resume&) {
        target::Stop stop = stop_with(self, code + 8, status_breakpoint);
        stop.after_restart = true;
        return stop;
    });
    fake.target.on_break_in(
        [](FakeTarget& self, const target::Resume&) { return stop_with(self, code + 8, status_breakpoint); });
    EXPECT_EQ(source.next(snapshot, work), true);
    EXPECT_EQ(source.end(), SeriesEnd::none);
    ASSERT_EQ(source.notes().size(), 1u);
    EXPECT_THAT(source.notes()[0], HasSubstr("restarted"));
}

TEST_F(Live, WithoutTaggingTheTargetGoesOnAndTheErrorIsTold) {
    fake.set(FakePoolKernel::var_track, 0);
    LiveSource source(*fake.kernel, controller, {});
    auto more = source.next(snapshot, work);
    ASSERT_FALSE(more);
    EXPECT_EQ(more.error().kind, ErrorKind::unsupported);
    EXPECT_TRUE(controller.running());
}

} // namespace
} // namespace poolkd::hunt

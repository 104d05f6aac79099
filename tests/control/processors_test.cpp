#include "control_machine.h"

namespace poolkd::control {
namespace {

TEST(Processors, SwitchingShowsTheOtherOneAndGoingLetsTheFirstOneGo) {
    Machine m(2);
    m.fake.target.edit_registers(1).set_ip(code + 0x30);
    ASSERT_TRUE(m.controller.switch_processor(1));
    EXPECT_EQ(m.controller.last()->stop.processor, 1);
    EXPECT_EQ(m.controller.last()->stop.ip, code + 0x30);
    m.fake.target.on_resume([](FakeTarget& self, const target::Resume&) {
        EXPECT_EQ(self.last_stop().processor, 0);
        EXPECT_EQ(self.edit_registers(0).ip(), code + 1); // past its own int 3
        EXPECT_EQ(self.edit_registers(1).ip(), code + 0x30);
        return stop_at(self, code + 8, status_breakpoint, std::byte{0xcc});
    });
    auto report = m.controller.go_and_wait(m.work);
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(m.fake.target.switches(), (std::vector<std::uint32_t>{1, 0}));
}

TEST(Processors, SwitchingBackIsTheSameStop) {
    Machine m(2);
    ASSERT_TRUE(m.controller.switch_processor(1));
    ASSERT_TRUE(m.controller.switch_processor(0));
    EXPECT_EQ(m.controller.last()->kind, StopKind::hard_breakpoint);
    EXPECT_EQ(m.controller.last()->stop.ip, code);
}

TEST(Processors, AStepIsOfTheOneThatReports) {
    Machine m(2);
    m.fake.target.edit_registers(1).set_ip(code + 0x30);
    ASSERT_TRUE(m.controller.switch_processor(1));
    m.fake.target.on_resume([](FakeTarget& self, const target::Resume& how) {
        EXPECT_TRUE(how.trace);
        EXPECT_EQ(self.last_stop().processor, 1);
        EXPECT_EQ(self.edit_registers(0).ip(), code + 1); // it goes, too: past its own int 3
        return stop_at(self, code + 0x31, status_single_step, std::byte{0x90}, traced, 1);
    });
    auto report = m.controller.step(Step::into, m.work);
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(report->kind, StopKind::step_done);
    EXPECT_EQ(report->stop.processor, 1);
    EXPECT_EQ(report->stop.ip, code + 0x31);
}

TEST(Processors, TheOwnerMayReportOnceMoreBeforeTheStep) {
    Machine m(2);
    m.fake.target.edit_registers(1).set_ip(code + 0x30);
    ASSERT_TRUE(m.controller.switch_processor(1));
    m.fake.target.on_resume([](FakeTarget& self, const target::Resume&) {
        return stop_at(self, code + 1, status_breakpoint, std::byte{0x90}); // reselected
    });
    m.fake.target.on_resume([](FakeTarget& self, const target::Resume& how) {
        EXPECT_FALSE(how.trace);
        return stop_at(self, code + 0x31, status_single_step, std::byte{0x90}, traced, 1);
    });
    auto report = m.controller.step(Step::into, m.work);
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(report->stop.processor, 1);
    EXPECT_EQ(report->kind, StopKind::step_done);
}

TEST(Processors, AStepOfOneLeavesTheBreakpointThatTheOwnerStandsAt) {
    Machine m(2);
    m.add_breakpoint(code + 0x20);
    m.then_hit(code + 0x20);
    ASSERT_TRUE(m.controller.go_and_wait(m.work));
    ASSERT_TRUE(m.controller.switch_processor(1));
    m.fake.target.edit_registers(1).set_ip(code + 0x30);
    m.fake.target.on_resume([](FakeTarget& self, const target::Resume&) {
        EXPECT_TRUE(self.slots().empty()); // it would be hit once more at once
        return stop_at(self, code + 0x31, status_single_step, std::byte{0x90}, traced, 1);
    });
    ASSERT_TRUE(m.controller.step(Step::into, m.work));
}

TEST(Processors, ThereIsNoThird) {
    Machine m(2);
    auto switched = m.controller.switch_processor(2);
    ASSERT_FALSE(switched);
    EXPECT_EQ(switched.error().kind, ErrorKind::not_found);
    EXPECT_EQ(m.controller.last()->stop.processor, 0);
}

} // namespace
} // namespace poolkd::control

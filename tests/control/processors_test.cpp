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

TEST(Processors, TheOwnersSecondReportTakesNoBreakpointAway) {
    Machine m(2);
    m.add_breakpoint(code + 8); // within the 16 bytes of the report
    m.fake.target.edit_registers(1).set_ip(code + 0x30);
    ASSERT_TRUE(m.controller.switch_processor(1));
    m.fake.target.on_resume([](FakeTarget& self, const target::Resume&) {
        return stop_at(self, code + 1, status_breakpoint, std::byte{0x90}); // reselected
    });
    m.fake.target.on_resume([](FakeTarget& self, const target::Resume&) {
        EXPECT_EQ(self.slots().size(), 1u);
        return stop_at(self, code + 0x31, status_single_step, std::byte{0x90}, traced, 1);
    });
    ASSERT_TRUE(m.controller.step(Step::into, m.work));
}

TEST(Processors, AStepEndsWhereTheOwnerStands) {
    Machine m(2);
    m.fake.target.virtual_memory().put(code + 0x20, {0xe8, 0x10, 0x00, 0x00, 0x00}); // call +0x10
    m.then_own_int3(code + 0x24, 0);
    ASSERT_TRUE(m.controller.go_and_wait(m.work)); // goes on at the instruction behind the call
    m.fake.target.edit_registers(1).set_ip(code + 0x20);
    m.fake.target.edit_registers(1).set("rsp", 0xffffd00000001000);
    ASSERT_TRUE(m.controller.switch_processor(1));
    m.fake.target.on_resume([](FakeTarget& self, const target::Resume& how) {
        EXPECT_TRUE(how.trace);
        self.edit_registers(1).set("rsp", 0xffffd00000000ff8);
        return stop_at(self, code + 0x35, status_single_step, std::byte{0x90}, traced, 1);
    });
    m.fake.target.on_resume([](FakeTarget& self, const target::Resume& how) {
        EXPECT_FALSE(how.trace);
        EXPECT_EQ(self.slots().size(), 1u);
        self.edit_registers(1).set("rsp", 0xffffd00000001000);
        return stop_at(self, code + 0x25, status_breakpoint, std::byte{0x90}, 0, 1);
    });
    auto report = m.controller.step(Step::over, m.work);
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(report->kind, StopKind::step_done);
    EXPECT_EQ(report->stop.ip, code + 0x25);
}

TEST(Processors, AHitThatHadToWaitForAnotherOneIsTold) {
    Machine m(2);
    m.add_watch(WatchKind::write, 8, VirtAddr(FakePoolKernel::base + 0x100));
    m.add_watch(WatchKind::write, 8, VirtAddr(FakePoolKernel::base + 0x108));
    m.then_trap(code + 0x10, 1);
    auto report = m.controller.go_and_wait(m.work);
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(report->breakpoint_id, 0u);
    // Processor 1 has met the other one meanwhile. The next continue clears DR6 on both.
    ASSERT_TRUE(store_unsigned(m.fake.target.edit_special(1), 0x40, 8, 0xffff0ff2));
    m.fake.target.on_resume([](FakeTarget& self, const target::Resume&) {
        for (std::uint32_t processor : {0u, 1u})
            EXPECT_TRUE(store_unsigned(self.edit_special(processor), 0x40, 8, 0));
        return stop_at(self, code + 0x12, status_single_step, std::byte{0x90}, 1, 0); // it must wait once more
    });
    report = m.controller.go_and_wait(m.work);
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(report->breakpoint_id, 0u);
    m.then_trap(code + 0x30, 0, 1);
    report = m.controller.go_and_wait(m.work);
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(report->kind, StopKind::breakpoint);
    EXPECT_EQ(report->breakpoint_id, 1u);
    EXPECT_EQ(report->stop.processor, 1);
    // It is told once.
    m.then_trap(code + 0x32, 0, 1);
    m.then_own_int3(code + 8);
    report = m.controller.go_and_wait(m.work);
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(report->kind, StopKind::hard_breakpoint);
}

TEST(Processors, OneThatRanIntoABreakpointBeforeItWasTakenOutGoesOn) {
    Machine m(2);
    m.add_breakpoint(code + 0x20);
    m.then_hit(code + 0x20);
    ASSERT_TRUE(m.controller.go_and_wait(m.work));
    ASSERT_TRUE(m.controller.breakpoints().remove(0));
    m.then_hit(code + 0x20, 1); // its turn comes now; the int 3 is gone
    m.then_own_int3(code + 8);
    auto report = m.controller.go_and_wait(m.work);
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(report->stop.ip, code + 8);
    EXPECT_EQ(m.fake.target.edit_registers(1).ip(), code + 0x20);
}

TEST(Processors, OneThatWaitsWithItsHitIsSeenOff) {
    Machine m(2);
    m.add_breakpoint(code + 0x20);
    m.then_hit(code + 0x20);
    ASSERT_TRUE(m.controller.go_and_wait(m.work));
    m.then_hit(code + 0x20, 1);
    ASSERT_TRUE(m.controller.detach());
    EXPECT_TRUE(m.controller.running());
    EXPECT_EQ(m.resumes().size(), 3u);
    EXPECT_TRUE(m.fake.target.slots().empty());
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

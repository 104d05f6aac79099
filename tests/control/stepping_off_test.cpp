// Going on from a breakpoint takes an instruction without it. Whatever comes in between is an event like any other.
#include "control_machine.h"

namespace poolkd::control {
namespace {

constexpr VirtAddr hot = code + 0x20;

bool planted(Machine& m, VirtAddr address) {
    for (auto& [handle, at] : m.fake.target.slots())
        if (at == address) return true;
    return false;
}

struct HotMachine : Machine {
    explicit HotMachine(std::uint32_t processors = 1) : Machine(processors) {
        add_breakpoint(hot);
        then_hit(hot);
        EXPECT_TRUE(controller.go_and_wait(work));
    }
};

TEST(SteppingOff, ACtrlCInTheMiddleOfItStopsTheTargetAndKeepsTheBreakpoint) {
    HotMachine m;
    ASSERT_TRUE(m.controller.go());
    EXPECT_TRUE(m.resumes().back().trace);
    m.work.request_stop();
    // The trace ends first; the break-in comes when the target runs again.
    m.fake.target.on_break_in([](FakeTarget& self, const target::Resume&) {
        return stop_at(self, hot + 1, status_single_step, std::byte{0x90}, traced);
    });
    m.fake.target.on_resume([](FakeTarget& self, const target::Resume& how) {
        EXPECT_FALSE(how.trace);
        return stop_at(self, code + 0x38, status_breakpoint, std::byte{0xcc});
    });
    auto report = m.controller.wait(m.work);
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_TRUE(report->requested);
    EXPECT_FALSE(m.controller.running());
    EXPECT_EQ(m.controller.breakpoints().all().size(), 1u);
}

TEST(SteppingOff, AnotherProcessorsStopIsToldAsWhatItIs) {
    HotMachine m(2);
    m.then_own_int3(code + 8, 1); // while processor 0 gets off
    auto report = m.controller.go_and_wait(m.work);
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(report->kind, StopKind::hard_breakpoint);
    EXPECT_EQ(report->stop.processor, 1);
    // Processor 0 still stands at the breakpoint, which is planted again: the same hit is not told twice.
    m.then_hit(hot, 0);
    m.then_trap(hot + 1, traced, 0);
    m.then_own_int3(code + 0x10, 1);
    report = m.controller.go_and_wait(m.work);
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(report->kind, StopKind::hard_breakpoint);
    EXPECT_EQ(report->stop.ip, code + 0x10);
    ASSERT_EQ(m.resumes().size(), 5u);
    EXPECT_TRUE(m.resumes()[3].trace);
}

TEST(SteppingOff, AnotherThreadAtTheSamePlaceIsANewHit) {
    HotMachine m(2);
    m.then_own_int3(code + 8, 1);
    ASSERT_TRUE(m.controller.go_and_wait(m.work));
    m.then_hit(hot, 1);
    auto report = m.controller.go_and_wait(m.work);
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(report->kind, StopKind::breakpoint);
}

TEST(SteppingOff, AStepThatAnotherProcessorInterruptsIsDoneLater) {
    Machine m(2);
    m.add_breakpoint(hot);
    m.then_hit(hot, 1);
    auto report = m.controller.step(Step::into, m.work);
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(report->kind, StopKind::breakpoint);
    EXPECT_EQ(report->stop.processor, 1);
    m.then_trap(hot + 1, traced, 1); // processor 1 gets off its breakpoint
    m.then_trap(code + 2, traced, 0);
    report = m.controller.go_on(m.work); // `gc`: the step goes on
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(report->kind, StopKind::step_done);
    EXPECT_EQ(report->stop.processor, 0);
}

TEST(SteppingOff, AfterGoAStepThatWasInterruptedIsNotWantedAnyMore) {
    Machine m(2);
    m.then_own_int3(code + 8, 1);
    auto report = m.controller.step(Step::into, m.work);
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(report->kind, StopKind::hard_breakpoint);
    m.then_trap(code + 2, traced, 0);
    m.then_own_int3(code + 0x10, 1);
    report = m.controller.go_and_wait(m.work);
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(report->kind, StopKind::hard_breakpoint);
}

TEST(SteppingOff, ATemporaryBreakpointOfAStepIsForItsThreadAlone) {
    Machine m(2);
    m.fake.target.virtual_memory().put(code + 0x20, {0xe8, 0x10, 0x00, 0x00, 0x00}); // call +0x10
    m.fake.target.edit_stop() = stop_at(m.fake.target, code + 0x20, status_single_step, std::byte{0xe8});
    m.fake.target.edit_registers().set("rsp", 0xffffd00000001000);
    m.fake.target.edit_registers(1).set("rsp", 0xffffd00000009000);
    ASSERT_TRUE(m.controller.adopt_stop());
    m.then_hit(code + 0x25, 1);
    m.then_trap(code + 0x26, traced, 1);
    m.then_hit(code + 0x25, 0);
    auto report = m.controller.step(Step::over, m.work);
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(report->kind, StopKind::step_done);
    EXPECT_EQ(report->stop.processor, 0);
    EXPECT_TRUE(m.controller.breakpoints().all().empty());
}

TEST(SteppingOff, AStepThatABreakpointInterruptsGoesOn) {
    Machine m;
    m.fake.target.virtual_memory().put(code + 0x20, {0xe8, 0x10, 0x00, 0x00, 0x00}); // call +0x10
    m.fake.target.edit_stop() = stop_at(m.fake.target, code + 0x20, status_single_step, std::byte{0xe8});
    m.fake.target.edit_registers().set("rsp", 0xffffd00000001000);
    ASSERT_TRUE(m.controller.adopt_stop());
    m.add_breakpoint(code + 0x35);
    m.then_hit(code + 0x35); // in the function that is stepped over
    auto report = m.controller.step(Step::over, m.work);
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(report->kind, StopKind::breakpoint);
    m.then_trap(code + 0x36);
    m.then_hit(code + 0x25);
    report = m.controller.go_on(m.work);
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(report->kind, StopKind::step_done);
    EXPECT_EQ(report->stop.ip, code + 0x25);
}

TEST(SteppingOff, AHitThatPassesByCostsNoReadOfRegisters) {
    Machine m;
    m.add_breakpoint(hot, 3);
    for (int i = 0; i < 2; ++i) {
        m.then_hit(hot);
        m.then_trap(hot + 1);
    }
    m.then_hit(hot);
    const unsigned before = m.fake.target.register_reads();
    ASSERT_TRUE(m.controller.go_and_wait(m.work));
    EXPECT_EQ(m.fake.target.register_reads() - before, 2u); // for the int 3 that the run began at
    EXPECT_EQ(m.fake.target.slots_set(), 3u);               // once, and once more after each hit
}

TEST(SteppingOff, NoTrapFlagStaysBehind) {
    Machine m(2);
    m.then_own_int3(code + 8, 1);
    ASSERT_TRUE(m.controller.step(Step::into, m.work)); // processor 0 still has its trap flag
    m.fake.target.edit_registers(0).set("efl", 0x302);
    ASSERT_TRUE(m.controller.detach());
    EXPECT_TRUE(m.controller.running());
    EXPECT_EQ(m.fake.target.edit_registers(0).get("efl"), 0x202u);
}

TEST(SteppingOff, ATracedInstructionThatAnInterruptHoldsUpIsWaitedFor) {
    Machine m;
    m.then_own_int3(code + 8); // in the interrupt's code, where the trap flag is off
    ASSERT_TRUE(m.controller.step(Step::into, m.work));
    m.then_trap(code + 2); // behind the interrupt it is on again
    ASSERT_TRUE(m.controller.detach());
    EXPECT_TRUE(m.controller.running());
    ASSERT_EQ(m.resumes().size(), 3u);
    EXPECT_FALSE(m.resumes().back().trace);
}

TEST(SteppingOff, TheNextInstructionsBreakpointIsHit) {
    HotMachine m;
    m.add_breakpoint(hot + 1);
    m.then_trap(hot + 1);
    m.then_own_int3(code + 0x38);
    auto report = m.controller.go_and_wait(m.work);
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(report->kind, StopKind::breakpoint);
    EXPECT_EQ(report->breakpoint_id, 1u);
}

TEST(SteppingOff, ARunToTheNextInstructionEndsThere) {
    HotMachine m;
    m.then_trap(hot + 1);
    m.then_own_int3(code + 0x38);
    auto report = m.controller.run(Goal{.addresses = {hot + 1}, .above_sp = {}, .thread = {}, .until = {}}, m.work);
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(report->kind, StopKind::step_done);
    EXPECT_EQ(report->stop.ip, hot + 1);
    EXPECT_EQ(m.controller.breakpoints().all().size(), 1u);
}

TEST(SteppingOff, AProcessorsBreakpointThatItWasToGetOffIsNotToldTwice) {
    Machine m(2);
    m.add_watch(WatchKind::execute, 1, hot);
    m.then_trap(hot, 1); // DR6: slot 0
    ASSERT_TRUE(m.controller.go_and_wait(m.work));
    m.then_own_int3(code + 8, 1); // while processor 0 gets off
    ASSERT_TRUE(m.controller.go_and_wait(m.work));
    m.then_trap(hot, 1); // it still stands there
    m.then_trap(hot + 1);
    m.then_own_int3(code + 0x10, 1);
    auto report = m.controller.go_and_wait(m.work);
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(report->kind, StopKind::hard_breakpoint);
    EXPECT_EQ(report->stop.ip, code + 0x10);
    ASSERT_EQ(m.resumes().size(), 5u);
    EXPECT_TRUE(m.resumes()[3].trace);
    EXPECT_FALSE(m.resumes()[4].trace);
}

TEST(SteppingOff, TheBreakpointsAreInNoStandingTarget) {
    HotMachine m;
    m.add_breakpoint(code + 0x28);
    m.then_trap(hot + 1);
    m.then_own_int3(code + 0x30);
    ASSERT_TRUE(m.controller.go_and_wait(m.work));
    EXPECT_FALSE(planted(m, hot));
    EXPECT_FALSE(planted(m, code + 0x28));
}

} // namespace
} // namespace poolkd::control

#include "control_machine.h"

namespace poolkd::control {
namespace {

TEST(Controller, GoStepsPastAnInt3CompiledIntoTheTarget) {
    Machine m;
    m.fake.target.on_resume([](FakeTarget& self, const target::Resume&) {
        EXPECT_EQ(self.edit_registers().ip(), code + 1);
        return stop_at(self, code + 8, status_breakpoint, std::byte{0xcc});
    });
    auto report = m.controller.go_and_wait(m.work);
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(report->kind, StopKind::hard_breakpoint);
    EXPECT_EQ(report->stop.ip, code + 8);
}

TEST(Controller, TheInstructionPointerIsLeftAloneWhereTheUserMovedIt) {
    Machine m;
    m.fake.target.edit_registers().set_ip(code + 32);
    m.fake.target.on_resume([](FakeTarget& self, const target::Resume&) {
        EXPECT_EQ(self.edit_registers().ip(), code + 32);
        return stop_at(self, code + 8, status_breakpoint, std::byte{0xcc});
    });
    ASSERT_TRUE(m.controller.go_and_wait(m.work));
}

TEST(Controller, ABreakpointHitIsToldAndLeavesNoTrace) {
    Machine m;
    m.add_breakpoint(code + 0x20);
    m.fake.target.on_resume([](FakeTarget& self, const target::Resume&) {
        EXPECT_EQ(self.slots().size(), 1u);
        return stop_at(self, code + 0x20, status_breakpoint, std::byte{0x90});
    });
    auto report = m.controller.go_and_wait(m.work);
    ASSERT_TRUE(report);
    EXPECT_EQ(report->kind, StopKind::breakpoint);
    EXPECT_EQ(report->breakpoint_id, 0u);
}

TEST(Controller, GoFromABreakpointStepsOverItFirst) {
    Machine m;
    m.add_breakpoint(code + 0x20);
    m.fake.target.on_resume([](FakeTarget& self, const target::Resume&) {
        return stop_at(self, code + 0x20, status_breakpoint, std::byte{0x90});
    });
    ASSERT_TRUE(m.controller.go_and_wait(m.work));
    // The rip must not be moved here: the byte under it is the original one.
    m.fake.target.on_resume([](FakeTarget& self, const target::Resume& how) {
        EXPECT_TRUE(how.trace);
        EXPECT_EQ(self.edit_registers().ip(), code + 0x20);
        return stop_at(self, code + 0x21, status_single_step, std::byte{0x90});
    });
    m.fake.target.on_resume([](FakeTarget& self, const target::Resume& how) {
        EXPECT_FALSE(how.trace);
        bool planted = false;
        for (auto& [handle, address] : self.slots())
            planted = planted || address == code + 0x20;
        EXPECT_TRUE(planted);
        return stop_at(self, code + 0x30, status_breakpoint, std::byte{0xcc});
    });
    auto report = m.controller.go_and_wait(m.work);
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(report->kind, StopKind::hard_breakpoint);
}

TEST(Controller, PassCountsAreCountedInSilence) {
    Machine m;
    m.add_breakpoint(code + 0x20, 3);
    for (int i = 0; i < 2; ++i) {
        m.fake.target.on_resume([](FakeTarget& self, const target::Resume&) {
            return stop_at(self, code + 0x20, status_breakpoint, std::byte{0x90});
        });
        m.fake.target.on_resume([](FakeTarget& self, const target::Resume&) {
            return stop_at(self, code + 0x21, status_single_step, std::byte{0x90});
        });
    }
    m.fake.target.on_resume([](FakeTarget& self, const target::Resume&) {
        return stop_at(self, code + 0x20, status_breakpoint, std::byte{0x90});
    });
    auto report = m.controller.go_and_wait(m.work);
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(report->kind, StopKind::breakpoint);
    EXPECT_EQ(m.fake.target.resumes().size(), 5u);
}

TEST(Controller, ModuleEventsPassByAndAreNoticed) {
    Machine m;
    std::string seen;
    m.controller.filters().find("ld")->reaction = Reaction::tell;
    m.controller.on_event([&](const target::Stop& stop) { seen = std::get<target::ModuleChange>(stop.reason).path; });
    m.fake.target.on_resume([](FakeTarget& self, const target::Resume&) {
        // At a module event the byte under rip is CC, and rip must not be moved.
        target::Stop stop = stop_at(self, code + 0x10, 0, std::byte{0xcc});
        stop.reason = target::ModuleChange{
            .loaded = true, .path = "\\drivers\\late.sys", .base = VirtAddr(0xfffff80000100000), .size = 0x1000};
        return stop;
    });
    m.fake.target.on_resume([](FakeTarget& self, const target::Resume&) {
        EXPECT_EQ(self.edit_registers().ip(), code + 0x10);
        return stop_at(self, code + 0x30, status_breakpoint, std::byte{0xcc});
    });
    auto report = m.controller.go_and_wait(m.work);
    ASSERT_TRUE(report);
    EXPECT_EQ(seen, "\\drivers\\late.sys");
}

TEST(Controller, AStopRequestBreaksIn) {
    Machine m;
    ASSERT_TRUE(m.controller.go());
    m.work.request_stop();
    auto report = m.controller.wait(m.work);
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_FALSE(m.work.stop_requested());
}

TEST(Controller, StopBreaksInByItself) {
    Machine m;
    ASSERT_TRUE(m.controller.go());
    auto report = m.controller.stop(m.work);
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_TRUE(report->requested);
    EXPECT_FALSE(m.controller.running());
    EXPECT_FALSE(m.controller.stop(m.work)); // it stands already
}

TEST(Controller, StopReportsWhateverCameFirst) {
    Machine m;
    m.add_breakpoint(code + 0x20);
    ASSERT_TRUE(m.controller.go());
    m.fake.target.on_break_in([](FakeTarget& self, const target::Resume&) {
        return stop_at(self, code + 0x20, status_breakpoint, std::byte{0x90});
    });
    auto report = m.controller.stop(m.work);
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(report->kind, StopKind::breakpoint);
    EXPECT_FALSE(report->requested);
    EXPECT_TRUE(report->overtook);
}

TEST(Controller, AHitThatOvertakesABreakInLeavesThePromptToTheUser) {
    Machine m;
    Breakpoint breakpoint;
    breakpoint.address = code + 0x20;
    breakpoint.command = "gc";
    ASSERT_TRUE(m.controller.breakpoints().add(breakpoint, std::nullopt));
    ASSERT_TRUE(m.controller.go());
    m.fake.target.on_break_in([](FakeTarget& self, const target::Resume&) {
        return stop_at(self, code + 0x20, status_breakpoint, std::byte{0x90});
    });
    m.work.request_stop();
    auto report = m.controller.wait(m.work);
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_TRUE(report->overtook);
    EXPECT_EQ(report->command, "");
    m.then_trap(code + 0x21);
    m.then_own_int3(code + 0x38);
    report = m.controller.go_and_wait(m.work);
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_FALSE(report->overtook);
}

TEST(Controller, WhatCannotGoOnHasNoBreakpointInIt) {
    Machine m;
    m.add_breakpoint(code + 0x20);
    m.fake.target.refuse_resume(true);
    ASSERT_FALSE(m.controller.go_and_wait(m.work));
    EXPECT_TRUE(m.fake.target.slots().empty());
    ASSERT_FALSE(m.controller.step(Step::into, m.work));
    EXPECT_TRUE(m.fake.target.slots().empty());
    ASSERT_FALSE(m.controller.run(Goal{.addresses = {code + 0x30}, .above_sp = {}, .thread = {}, .until = {}}, m.work));
    EXPECT_TRUE(m.fake.target.slots().empty());
    EXPECT_EQ(m.controller.breakpoints().all().size(), 1u);
    // Also where it fails at a hit that passes by.
    m.fake.target.refuse_resume(false);
    m.add_breakpoint(code + 0x30, 3);
    m.fake.target.on_resume([](FakeTarget& self, const target::Resume&) {
        self.refuse_resume(true);
        return stop_at(self, code + 0x30, status_breakpoint, std::byte{0x90});
    });
    ASSERT_FALSE(m.controller.go_and_wait(m.work));
    EXPECT_FALSE(m.controller.running());
    EXPECT_TRUE(m.fake.target.slots().empty());
}

TEST(Controller, ACtrlCInTheMiddleOfGoingLeavesNoBreakpoint) {
    Machine m;
    m.add_breakpoint(code + 0x20);
    m.add_breakpoint(code + 0x28);
    ASSERT_TRUE(m.controller.breakpoints().plant({}));
    m.fake.target.cut_off_by(m.work);
    m.work.request_stop();
    auto report = m.controller.go_and_wait(m.work);
    ASSERT_FALSE(report);
    EXPECT_EQ(report.error().kind, ErrorKind::stopped);
    EXPECT_TRUE(m.fake.target.slots().empty());
    ASSERT_TRUE(m.controller.breakpoints().plant({}));
    m.work.request_stop();
    ASSERT_FALSE(m.controller.step(Step::into, m.work));
    EXPECT_TRUE(m.fake.target.slots().empty());
}

TEST(Controller, AStopThatTheUserCutsOffCanBeAskedAgain) {
    Machine m;
    ASSERT_TRUE(m.controller.go());
    m.work.request_stop();
    auto cut_off = m.controller.stop(m.work);
    ASSERT_FALSE(cut_off);
    EXPECT_EQ(cut_off.error().kind, ErrorKind::stopped);
    EXPECT_TRUE(m.controller.running());
    ASSERT_TRUE(m.controller.stop(m.work));
}

TEST(Controller, LettingItRunNeverBreaksIn) {
    Machine m;
    ASSERT_TRUE(m.controller.go());
    auto report = m.controller.let_run(m.work, std::chrono::milliseconds(5));
    ASSERT_TRUE(report);
    EXPECT_FALSE(*report);
    m.work.request_stop();
    report = m.controller.let_run(m.work, std::chrono::hours(1));
    ASSERT_FALSE(report);
    EXPECT_EQ(report.error().kind, ErrorKind::stopped);
    EXPECT_TRUE(m.work.stop_requested());
    EXPECT_TRUE(m.controller.running());
}

TEST(Controller, StepOverACallRunsToItsEnd) {
    Machine m;
    m.fake.target.virtual_memory().put(code + 0x20, {0xe8, 0x10, 0x00, 0x00, 0x00}); // call +0x10
    m.fake.target.edit_stop() = stop_at(m.fake.target, code + 0x20, status_single_step, std::byte{0xe8});
    m.fake.target.edit_registers().set("rsp", 0xffffd00000001000);
    ASSERT_TRUE(m.controller.adopt_stop());
    m.fake.target.on_resume([](FakeTarget& self, const target::Resume& how) {
        EXPECT_FALSE(how.trace);
        // A deeper activation comes by first, with a lower stack.
        self.edit_registers().set("rsp", 0xffffd00000000800);
        return stop_at(self, code + 0x25, status_breakpoint, std::byte{0x90});
    });
    m.fake.target.on_resume([](FakeTarget& self, const target::Resume& how) {
        EXPECT_TRUE(how.trace);
        return stop_at(self, code + 0x26, status_single_step, std::byte{0x90});
    });
    m.fake.target.on_resume([](FakeTarget& self, const target::Resume&) {
        self.edit_registers().set("rsp", 0xffffd00000001000);
        return stop_at(self, code + 0x25, status_breakpoint, std::byte{0x90});
    });
    auto report = m.controller.step(Step::over, m.work);
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(report->kind, StopKind::step_done);
    EXPECT_EQ(report->stop.ip, code + 0x25);
    EXPECT_TRUE(m.fake.target.slots().empty());
    EXPECT_TRUE(m.controller.breakpoints().all().empty());
}

TEST(Controller, AStepEndsAtAPlaceThatAPassCountOnlyCounts) {
    Machine m;
    m.add_breakpoint(code + 0x25, 3);
    m.fake.target.virtual_memory().put(code + 0x20, {0xe8, 0x10, 0x00, 0x00, 0x00}); // call +0x10
    m.fake.target.edit_stop() = stop_at(m.fake.target, code + 0x20, status_single_step, std::byte{0xe8});
    m.fake.target.edit_registers().set("rsp", 0xffffd00000001000);
    ASSERT_TRUE(m.controller.adopt_stop());
    m.fake.target.on_resume([](FakeTarget& self, const target::Resume&) {
        return stop_at(self, code + 0x25, status_breakpoint, std::byte{0x90});
    });
    auto report = m.controller.step(Step::over, m.work);
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(report->kind, StopKind::step_done);
    EXPECT_EQ(report->stop.ip, code + 0x25);
    ASSERT_EQ(m.controller.breakpoints().all().size(), 1u);
    EXPECT_EQ(m.controller.breakpoints().all()[0].passes_left, 3u); // passes count under `g` alone
}

TEST(Controller, ARestartDuringAStepIsReported) {
    Machine m;
    m.fake.target.virtual_memory().put(code + 0x20, {0xe8, 0x10, 0x00, 0x00, 0x00}); // call +0x10
    m.fake.target.edit_stop() = stop_at(m.fake.target, code + 0x20, status_single_step, std::byte{0xe8});
    m.fake.target.edit_registers().set("rsp", 0xffffd00000001000);
    ASSERT_TRUE(m.controller.adopt_stop());
    m.fake.target.on_resume([](FakeTarget& self, const target::Resume&) {
        target::Stop stop = stop_at(self, code + 0x38, status_breakpoint, std::byte{0xcc});
        stop.after_restart = true;
        return stop;
    });
    auto report = m.controller.step(Step::over, m.work);
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_TRUE(report->target_restarted);
}

TEST(Controller, AFaultAtABreakpointIsPassedOnWithoutAStep) {
    Machine m;
    m.add_breakpoint(code + 0x20);
    constexpr std::uint32_t access_violation = 0xc0000005;
    m.fake.target.edit_stop() = stop_at(m.fake.target, code + 0x20, access_violation, std::byte{0x90});
    ASSERT_TRUE(m.controller.adopt_stop());
    m.fake.target.on_resume([](FakeTarget& self, const target::Resume& how) {
        EXPECT_FALSE(how.trace);
        EXPECT_FALSE(how.handled);
        return stop_at(self, code + 0x38, status_breakpoint, std::byte{0xcc});
    });
    auto report = m.controller.go_and_wait(m.work, false);
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(m.fake.target.resumes().size(), 1u);
}

TEST(Controller, AModuleEventIsNoAnswerToABreakIn) {
    Machine m;
    ASSERT_TRUE(m.controller.go());
    m.fake.target.on_break_in([](FakeTarget& self, const target::Resume&) {
        target::Stop stop = stop_at(self, code + 0x10, 0, std::byte{0xcc});
        stop.reason = target::ModuleChange{.loaded = false, .path = "late.sys", .base = code, .size = 0x1000};
        return stop;
    });
    m.fake.target.on_resume([](FakeTarget& self, const target::Resume&) {
        return stop_at(self, code + 0x38, status_breakpoint, std::byte{0xcc});
    });
    m.work.request_stop();
    auto report = m.controller.wait(m.work);
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_TRUE(report->requested);
}

TEST(Controller, AnInt3ThatTheUserPatchedAwayIsNotSkipped) {
    Machine m;
    m.fake.target.virtual_memory().put(code, {0xcc});
    ASSERT_TRUE(m.journal.write(code, Bytes(ByteVector(1, std::byte{0x90})), "eb"));
    m.fake.target.on_resume([](FakeTarget& self, const target::Resume&) {
        EXPECT_EQ(self.edit_registers().ip(), code);
        return stop_at(self, code + 0x38, status_breakpoint, std::byte{0xcc});
    });
    ASSERT_TRUE(m.controller.go_and_wait(m.work));
}

TEST(Controller, DetachLeavesNothingBehindAndRuns) {
    Machine m;
    m.add_breakpoint(code + 0x20);
    ASSERT_TRUE(m.controller.detach());
    EXPECT_TRUE(m.controller.running());
    EXPECT_TRUE(m.fake.target.slots().empty());
}

TEST(Controller, DetachLetsAStopOfAnotherProcessorPass) {
    Machine m(2);
    m.then_own_int3(code + 8, 1);
    ASSERT_TRUE(m.controller.detach());
    EXPECT_TRUE(m.controller.running());
    EXPECT_EQ(m.resumes().size(), 2u);
}

TEST(Controller, DetachLetsATargetGoThatStandsBehindALineThatBroke) {
    Machine m;
    m.then_own_int3(code + 8);
    ASSERT_TRUE(m.controller.go_and_wait(m.work));
    m.fake.target.set_running(true); // so it looks: nothing can be asked
    ASSERT_TRUE(m.controller.detach());
    EXPECT_TRUE(m.controller.running());
    EXPECT_EQ(m.resumes().size(), 2u);
}

} // namespace
} // namespace poolkd::control

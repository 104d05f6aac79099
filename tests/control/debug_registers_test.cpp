#include "control_machine.h"

namespace poolkd::control {
namespace {

constexpr VirtAddr data(FakePoolKernel::base + 0x1800);

std::uint64_t special(Machine& m, std::string_view name, std::uint32_t processor = 0) {
    return m.fake.kernel->machine().special(m.fake.target.edit_special(processor), name).value_or(0);
}

TEST(DebugRegisters, Dr7SaysWhatIsWatched) {
    DebugRegisters registers;
    registers.enable(0, {WatchKind::execute, 1}, code);
    EXPECT_EQ(registers.control, 0x402u);
    registers.enable(1, {WatchKind::write, 4}, data);
    EXPECT_EQ(registers.control, 0xd0040au);
    registers.enable(3, {WatchKind::access, 8}, data);
    EXPECT_EQ(registers.control, 0xb0d0048aull);
    EXPECT_TRUE(registers.enabled(3));
    EXPECT_FALSE(registers.enabled(2));
}

TEST(DebugRegisters, SizesAndAddressesThatAProcessorCannotWatchAreRefused) {
    EXPECT_TRUE(check_watch({WatchKind::write, 8}, data, x64_machine()));
    EXPECT_FALSE(check_watch({WatchKind::write, 8}, data, x86_machine()));
    EXPECT_FALSE(check_watch({WatchKind::write, 3}, data, x64_machine()));
    EXPECT_FALSE(check_watch({WatchKind::write, 0}, data, x64_machine()));
    EXPECT_FALSE(check_watch({WatchKind::write, 4}, data + 2, x64_machine()));
    EXPECT_FALSE(check_watch({WatchKind::execute, 4}, code, x64_machine()));
    EXPECT_FALSE(check_watch({WatchKind::io, 1}, VirtAddr(0x3f8), x64_machine()));
    EXPECT_TRUE(check_watch({WatchKind::io, 1}, VirtAddr(0x3f8), x86_machine()));
}

TEST(DebugRegisters, AWatchIsToldAsABreakpointAndNotAsAStep) {
    Machine m;
    m.add_watch(WatchKind::write, 4, data);
    m.then_trap(code + 8, 1);
    auto report = m.controller.go_and_wait(m.work);
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(report->kind, StopKind::breakpoint);
    EXPECT_EQ(report->breakpoint_id, 0u);
    EXPECT_EQ(m.resumes().back().dr7, 0xd0402u);
    EXPECT_EQ(special(m, "dr0"), data.value);
    EXPECT_TRUE(m.fake.target.slots().empty());
}

TEST(DebugRegisters, EveryProcessorGetsThemOnce) {
    Machine m(2);
    m.add_watch(WatchKind::access, 2, data);
    m.then_trap(code + 8, 1, 1);
    auto report = m.controller.go_and_wait(m.work);
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(report->stop.processor, 1);
    EXPECT_EQ(special(m, "dr0", 0), data.value);
    EXPECT_EQ(special(m, "dr0", 1), data.value);
    m.then_own_int3(code + 16);
    ASSERT_TRUE(m.controller.go_and_wait(m.work));
    EXPECT_EQ(m.fake.target.special_writes(), 2u); // what is there needs no second round trip
}

TEST(DebugRegisters, WhatOneProcessorRefusesNoneKeeps) {
    Machine m(2);
    m.fake.target.refuse_special_writes(1);
    m.add_watch(WatchKind::write, 4, data);
    auto report = m.controller.go_and_wait(m.work);
    ASSERT_FALSE(report);
    EXPECT_NE(report.error().message.find("processor 1"), std::string::npos) << report.error().message;
    EXPECT_EQ(special(m, "dr0", 0), 0u);
    EXPECT_FALSE(m.controller.running());
}

TEST(DebugRegisters, GoingOnFromAnExecuteWatchTracesOneInstructionWithoutIt) {
    Machine m;
    m.add_watch(WatchKind::execute, 1, code + 8);
    m.add_watch(WatchKind::write, 1, data);
    m.then_trap(code + 8, 1);
    auto report = m.controller.go_and_wait(m.work);
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(report->kind, StopKind::breakpoint);
    m.then_trap(code + 9);
    m.then_own_int3(code + 16);
    report = m.controller.go_and_wait(m.work);
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(report->kind, StopKind::hard_breakpoint);
    ASSERT_EQ(m.resumes().size(), 3u);
    EXPECT_TRUE(m.resumes()[1].trace);
    EXPECT_EQ(m.resumes()[1].dr7 & 3, 0u); // the other one stays
    EXPECT_NE(m.resumes()[1].dr7 & 0xc, 0u);
    EXPECT_FALSE(m.resumes()[2].trace);
    EXPECT_NE(m.resumes()[2].dr7 & 3, 0u);
}

TEST(DebugRegisters, AnInstructionThatIsSteppedAndWatchedIsAHit) {
    Machine m;
    m.add_watch(WatchKind::write, 4, data);
    m.then_trap(code + 2, traced | 1);
    auto report = m.controller.step(Step::into, m.work);
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(report->kind, StopKind::breakpoint);
}

TEST(DebugRegisters, BitsOfDisabledRegistersMeanNothing) {
    Machine m;
    m.add_watch(WatchKind::write, 4, data);
    m.then_trap(code + 2, traced | 2);
    auto report = m.controller.step(Step::into, m.work);
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(report->kind, StopKind::step_done);
}

TEST(DebugRegisters, ThereAreFour) {
    Machine m;
    for (unsigned i = 0; i < 4; ++i)
        m.add_watch(WatchKind::write, 4, data + 4 * i);
    Breakpoint fifth;
    fifth.address = data + 16;
    fifth.watch = Watch{WatchKind::write, 4};
    EXPECT_FALSE(m.controller.breakpoints().add(fifth, std::nullopt));
    ASSERT_TRUE(m.controller.breakpoints().enable(2, false));
    EXPECT_TRUE(m.controller.breakpoints().add(fifth, std::nullopt));
    EXPECT_FALSE(m.controller.breakpoints().enable(2, true));
}

TEST(DebugRegisters, NothingOfThemStaysBehind) {
    Machine m;
    m.add_watch(WatchKind::write, 4, data);
    m.then_trap(code + 8, 1);
    ASSERT_TRUE(m.controller.go_and_wait(m.work));
    ASSERT_TRUE(m.controller.leave_as_it_is());
    EXPECT_EQ(special(m, "dr0"), 0u);
    EXPECT_EQ(special(m, "dr7"), 0x400u);
    EXPECT_FALSE(m.controller.running());
}

TEST(DebugRegisters, WhatAnEarlierDebuggerLeftIsCountedAndDisarmed) {
    Machine m;
    m.fake.target.edit_stop().dr7 = 0x40a;
    ASSERT_TRUE(store_unsigned(m.fake.target.edit_special(), 0x48, 8, 0x400));
    EXPECT_EQ(m.controller.adopt_stop().value_or(9), 0u) << "the report is older than what was disarmed";
    ASSERT_TRUE(store_unsigned(m.fake.target.edit_special(), 0x48, 8, 0x40a));
    ASSERT_TRUE(store_unsigned(m.fake.target.edit_special(), 0x20, 8, 0xfffff80400001000));
    EXPECT_EQ(m.controller.adopt_stop().value_or(9), 2u);
    ASSERT_TRUE(m.controller.detach());
    EXPECT_EQ(m.resumes().back().dr7, 0x400u);
    EXPECT_EQ(special(m, "dr0"), 0u);
}

} // namespace
} // namespace poolkd::control

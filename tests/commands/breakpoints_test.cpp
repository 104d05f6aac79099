#include "support/stopped_session_fixture.h"

#include <algorithm>

namespace poolkd {
namespace {

using testing::FakeTarget;

using BreakpointCommands = testing::StoppedSessionFixture;

TEST_F(BreakpointCommands, AHitThatOvertakesACtrlCEndsAScriptAllTheSame) {
    run("bp nt!Worker");
    target->on_break_in([](FakeTarget& self, const target::Resume&) { return stop(self, at(0x500), std::byte{0x90}); });
    target->on_resume([this](FakeTarget& self, const target::Resume&) {
        session.work().request_stop(); // while a module's event passes by
        target::Stop event = stop(self, at(0x420), std::byte{0xcc});
        event.reason = target::ModuleChange{.loaded = false, .path = "late.sys", .base = at(0x1000), .size = 0x1000};
        return event;
    });
    const std::string text = run(".for (r $t0 = 0; @$t0 < 3; r $t0 = @$t0 + 1) { g; .echo on }");
    EXPECT_TRUE(failed);
    EXPECT_NE(text.find("Breakpoint 0 hit\n"), std::string::npos) << text;
    EXPECT_NE(text.find("Stopped by the user"), std::string::npos) << text;
    EXPECT_EQ(text.find("on\n"), std::string::npos) << text;
}

TEST_F(BreakpointCommands, APatternSetsAllOfItsBreakpointsOrNone) {
    for (unsigned i = 0; i < 31; ++i)
        run(fmt::format("bp nt!DbgBreakPoint + {:x}", 0x40 + i));
    EXPECT_EQ(run("bm nt!*"), "Only 32 breakpoints are possible in kernel mode: disable or clear one\n");
    EXPECT_TRUE(failed);
    const std::string list = run("bl");
    EXPECT_EQ(std::ranges::count(list, '\n'), 31) << list;
}

TEST_F(BreakpointCommands, WithoutAnAddressNoneIsSetInAProcessThatIsLookedAtOnly) {
    session.look_at_process(debugger::ProcessContext{
        VirtAddr(0xffffe00000020000), {&x64_machine(), 0x7000, 0}, VirtAddr(0x8000'0000'0000'0000)});
    RegisterFile registers(x64_machine(), ByteVector(x64_machine().context_size));
    registers.set_ip(VirtAddr(0x400000));
    session.look_at(debugger::RegisterContext{registers, {}});
    EXPECT_NE(run("bp").find("a write would go to the process that runs"), std::string::npos);
    EXPECT_TRUE(failed);
    EXPECT_EQ(run("bl"), "");
}

} // namespace
} // namespace poolkd

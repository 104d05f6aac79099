#include "support/stopped_session_fixture.h"

#include <nlohmann/json.hpp>

namespace poolkd {
namespace {

using testing::FakeTarget;

class ExecutionCommands : public testing::StoppedSessionFixture {
  protected:
    void next_stop(std::uint64_t rva, std::byte first) {
        target->on_resume([rva, first](FakeTarget& self, const target::Resume&) { return stop(self, at(rva), first); });
    }
};

TEST_F(ExecutionCommands, GoShowsTheEventAndWhereItStands) {
    next_stop(0x400, std::byte{0xcc});
    EXPECT_EQ(run("g"), "Break instruction exception - code 80000003 (first chance)\n"
                        "nt!DbgBreakPoint:\n"
                        "fffff804`00000400 cc              int     3\n");
    next_stop(0x400, std::byte{0xcc});
    auto json = nlohmann::json::parse(run("g --json"));
    EXPECT_EQ(json["stop"]["kind"], "hard_breakpoint");
    EXPECT_EQ(json["stop"]["symbol"], "nt!DbgBreakPoint");
}

TEST_F(ExecutionCommands, ExceptionsHaveTheNamesOfTheirFilters) {
    const std::pair<std::uint32_t, std::string_view> known[] = {{0x80000001, "Guard page violation"},
                                                                {0x80000002, "Data misaligned"},
                                                                {0xc0000005, "Access violation"},
                                                                {0xc0000123, "Unknown exception"}};
    run("sxe c0000123");
    for (const auto& [code, name] : known) {
        target->on_resume([exception = code](FakeTarget& self, const target::Resume&) {
            target::Stop faulted = stop(self, at(0x500), std::byte{0x90});
            std::get<target::ExceptionStop>(faulted.reason).code = exception;
            return faulted;
        });
        EXPECT_THAT(run("g"), ::testing::StartsWith(fmt::format("{} - code {:08x} (first chance)\n", name, code)));
    }
}

TEST_F(ExecutionCommands, WhatBpcmdsPrintsSetsTheSameAgain) {
    const std::string typed[] = {R"x(bp1 nt!Worker ".echo \"C:\\\\\"; .printf \"a\\n\"")x",
                                 R"x(bp2 nt!Worker+1 "a\b\\")x",
                                 R"x(bp3 /w "$spat(\"a\\\\\", \"b\\\\\")" nt!Worker+2)x"};
    for (const std::string& line : typed)
        EXPECT_EQ(run(line), "");
    const std::string listing = run("bl --json");
    std::string commands = run(".bpcmds");
    run("bc *");
    for (std::string_view line : split(trim(commands), '\n')) {
        EXPECT_TRUE(line.ends_with(" ;"));
        EXPECT_EQ(run(line.substr(0, line.size() - 2)), "") << line;
    }
    auto again = nlohmann::json::parse(run("bl --json"))["breakpoints"];
    auto before = nlohmann::json::parse(listing)["breakpoints"];
    ASSERT_EQ(again.size(), 3u);
    for (std::size_t i = 0; i < again.size(); ++i)
        for (const char* member : {"command", "condition"})
            EXPECT_EQ(again[i].value(member, ""), before[i].value(member, "")) << commands;
}

TEST_F(ExecutionCommands, BreakpointsAreListedHitAndForgotten) {
    EXPECT_EQ(run("bp nt!Worker"), "");
    EXPECT_EQ(run("bl"), " 0 e fffff804`00000500     0001 (0001) nt!Worker\n");
    EXPECT_EQ(run("bp nt!Worker"), "breakpoint 0 redefined\n");
    next_stop(0x500, std::byte{0x90});
    EXPECT_EQ(run("g"), "Breakpoint 0 hit\nnt!Worker:\nfffff804`00000500 90              nop\n");
    EXPECT_EQ(run("bd 0; bl"), " 0 d fffff804`00000500     0001 (0001) nt!Worker\n");
    EXPECT_EQ(run("bc *; bl"), "");
    run("bc 7");
    EXPECT_TRUE(failed);
}

TEST_F(ExecutionCommands, CommandsOfABreakpointRunAndMayLetItGoOn) {
    run("bp nt!Worker \".echo seen; g\"");
    next_stop(0x500, std::byte{0x90});
    // From the breakpoint: one step over it, then on.
    target->on_resume([](FakeTarget& self, const target::Resume& how) {
        EXPECT_TRUE(how.trace);
        target::Stop stepped = stop(self, at(0x501), std::byte{0x90});
        std::get<target::ExceptionStop>(stepped.reason).code = 0x80000004;
        return stepped;
    });
    next_stop(0x400, std::byte{0xcc});
    std::string text = run("g");
    EXPECT_TRUE(text.starts_with("seen\nBreak instruction exception")) << text;
}

TEST_F(ExecutionCommands, ANameThatIsNotKnownYetIsKept) {
    EXPECT_EQ(run("bp late!DriverEntry"),
              "Bp expression 'late!DriverEntry' could not be resolved, adding deferred bp\n");
    EXPECT_EQ(run("bl"), " 0 eu                      0001 (0001) (late!DriverEntry)\n");
}

TEST_F(ExecutionCommands, ABreakpointOfAProcessAndAThread) {
    EXPECT_EQ(run("bp /1 /p ffffe000`00020010 /t (ffffe000`0012ae00 + 10) nt!Worker; bl"),
              " 0 e fffff804`00000500     0001 (0001) nt!Worker\n"
              "     Match thread data ffffe000`0012ae10\n"
              "     Match process data ffffe000`00020010\n");
}

TEST_F(ExecutionCommands, ExceptionsAreKnownByNameAndCode) {
    EXPECT_EQ(run("sxi c0000420; sxe 4000001f; sxe 0"), "'0' is no event that a kernel reports; sx lists them\n");
    const std::string list = run("sx");
    EXPECT_NE(list.find("asrt - Assertion failure - ignore - not handled\n"), std::string::npos) << list;
    EXPECT_NE(list.find("4000001f"), std::string::npos) << list;
}

TEST_F(ExecutionCommands, WhatNeedsAStandingTargetSaysSo) {
    target->set_running(true);
    EXPECT_NE(run("r").find("running"), std::string::npos);
    EXPECT_TRUE(failed);
}

} // namespace
} // namespace poolkd

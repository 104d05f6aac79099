#include "app/completion.h"
#include "app/connection.h"
#include "app/interrupt.h"
#include "app/program.h"
#include "support/session_fixture.h"

#include <csignal>
#include <filesystem>
#include <fstream>

namespace poolkd::app {
namespace {

/// Lines that a test wrote down.
class ScriptedReader final : public LineReader {
  public:
    explicit ScriptedReader(std::vector<std::string> lines, bool interactive = false)
        : lines_(std::move(lines)), interactive_(interactive) {}
    InputLine read(std::string_view prompt) override {
        prompts.emplace_back(prompt);
        if (next_ == lines_.size()) return {};
        std::string line = lines_[next_++];
        if (line == "^C") return {InputLine::Kind::interrupted};
        return {InputLine::Kind::line, line};
    }
    bool interactive() const override { return interactive_; }
    std::vector<std::string> prompts;

  private:
    std::vector<std::string> lines_;
    std::size_t next_ = 0;
    bool interactive_;
};

class Program : public testing::SessionFixture {
  protected:
    bool commands(const Options& options, std::vector<std::string> lines, bool interactive = false) {
        ScriptedReader reader(std::move(lines), interactive);
        bool good = run_commands(session, options, reader);
        prompts = reader.prompts;
        return good;
    }
    std::vector<std::string> prompts;
};

TEST_F(Program, CommandsOfTheCommandLineComeFirst) {
    Options options;
    options.commands = ".echo one; .echo two";
    EXPECT_TRUE(commands(options, {".echo three", "q", ".echo never"}));
    EXPECT_EQ(console.take(), "one\ntwo\nthree\n");
    EXPECT_EQ(session.quit(), debugger::Quit::frozen);
    options.commands = "q";
}

TEST_F(Program, WhatStoodBehindAFailureIsTold) {
    Options options;
    options.commands = ".echo one; nosuch; .echo two; .echo three; q";
    EXPECT_FALSE(commands(options, {".echo never"}));
    const std::string shown = console.take();
    EXPECT_NE(shown.find("Not run, because of that error: .echo two; .echo three\n"), std::string::npos) << shown;
    EXPECT_EQ(shown.find("q\n"), std::string::npos) << "the last one is run in any case";
    EXPECT_EQ(session.quit(), debugger::Quit::frozen);
}

TEST_F(Program, QuitInTheCommandsReadsNoInput) {
    Options options;
    options.commands = ".echo one; q";
    EXPECT_TRUE(commands(options, {".echo three"}));
    EXPECT_EQ(console.take(), "one\n");
    EXPECT_TRUE(prompts.empty());
}

TEST_F(Program, AFailedCommandShowsInTheResultButDoesNotEndTheInput) {
    EXPECT_FALSE(commands({}, {"bogus", ".echo after"}));
    EXPECT_NE(console.take().find("after\n"), std::string::npos);
    EXPECT_TRUE(commands({}, {"bogus"}, true)) << "a person sees it fail";
    Options options;
    options.commands = "bogus; q";
    EXPECT_FALSE(commands(options, {}, true));
}

TEST_F(Program, AScriptEndsAtItsFirstError) {
    auto file = std::filesystem::path(::testing::TempDir()) / fmt::format("poolkd-script-{}", getpid());
    std::ofstream(file) << ".echo one\n\n$$ comment\nbogus\n.echo two\n";
    Options options;
    options.script = file.string();
    EXPECT_FALSE(commands(options, {".echo three"}));
    EXPECT_EQ(console.take(), "one\n    ^ Syntax error in 'bogus'\nthree\n");
    std::filesystem::remove(file);
    EXPECT_FALSE(commands(options, {}));
    EXPECT_NE(console.take().find("Unable to open script file"), std::string::npos);
}

TEST_F(Program, EmptyLinesRepeatOnlyForPeople) {
    EXPECT_TRUE(commands({}, {".tag Abc", ""}, false));
    std::string once = console.take();
    EXPECT_TRUE(commands({}, {".tag Abc", ""}, true));
    EXPECT_EQ(console.take(), once + once + "\n");
}

TEST_F(Program, CtrlCAtThePromptOnlyDropsTheLine) {
    EXPECT_TRUE(commands({}, {".tag Abc", "^C", "q"}, true));
    EXPECT_EQ(prompts, (std::vector<std::string>{"kd> ", "kd> ", "kd> "}));
    EXPECT_EQ(std::ranges::count(console.take(), '\n'), 6) << "the command ran once";
}

TEST_F(Program, CommandsThatAskReadTheSameInput) {
    memory().put(kernel_base, {1, 2, 3});
    EXPECT_TRUE(commands({}, {"eb nt", "77", "", "q"}));
    EXPECT_EQ(memory().value<std::uint8_t>(kernel_base), 0x77);
    EXPECT_EQ(prompts[1], "Input> ");
}

TEST_F(Program, AnInterruptAsksTheWorkToStopAndNothingElse) {
    {
        InterruptHandler handler(session.work());
        EXPECT_FALSE(session.work().stop_requested());
        std::raise(SIGINT);
        EXPECT_TRUE(session.work().stop_requested());
        EXPECT_TRUE(session.execute_line(".echo on")) << "the next line begins anew";
    }
    EXPECT_FALSE(session.work().stop_requested());
}

TEST_F(Program, AnInterruptEndsWhatHasNothingToTellYet) {
    InterruptHandler handler(session.work());
    handler.ctrl_c_ends(true);
    std::raise(SIGINT);
    EXPECT_TRUE(session.work().stop_requested());
    session.work().clear_stop(); // as what was under way does when it has answered
    EXPECT_TRUE(session.work().end_requested());
    handler.ctrl_c_ends(false);
    std::raise(SIGINT);
    EXPECT_TRUE(session.work().stop_requested());
}

TEST_F(Program, ASignalThatEndsTheProcessEndsTheSessionAndLetsTheTargetGo) {
    for (int number : {SIGTERM, SIGHUP}) {
        debugger::Session ended(console, table);
        InterruptHandler handler(ended.work(), InterruptHandler::Signals::all_endings);
        EXPECT_EQ(ended.quit(), debugger::Quit::no);
        std::raise(number);
        EXPECT_TRUE(ended.work().stop_requested());
        EXPECT_EQ(ended.quit(), debugger::Quit::running) << "as qd does";
        ended.work().clear_stop();
        std::raise(number);
        EXPECT_FALSE(ended.work().stop_requested()) << "a second one does not disturb the leaving";
        ScriptedReader reader({".echo never"});
        EXPECT_TRUE(run_commands(ended, {}, reader));
        EXPECT_TRUE(reader.prompts.empty());
        int pipe_ends[2];
        ASSERT_EQ(pipe(pipe_ends), 0);
        EXPECT_EQ(StreamReader(pipe_ends[0], ended.work()).read("").kind, InputLine::Kind::end) << "it does not wait";
        close(pipe_ends[0]);
        close(pipe_ends[1]);
    }
}

TEST_F(Program, AHangUpThatIsIgnoredStaysIgnored) {
    auto* before = std::signal(SIGHUP, SIG_IGN); // as nohup does
    {
        InterruptHandler handler(session.work(), InterruptHandler::Signals::all_endings);
        std::raise(SIGHUP);
        EXPECT_FALSE(session.work().stop_requested());
    }
    EXPECT_EQ(std::signal(SIGHUP, before), SIG_IGN);
}

TEST_F(Program, CompletionOfCommandsModulesAndSymbols) {
    symbols->add("PoolHitTag", 0x1000);
    symbols->add("PoolTrackTable", 0x1010);
    symbols->add("Other", 0x1020);
    auto candidates = [&](std::string_view before) { return complete(session, before).candidates; };
    EXPECT_EQ(candidates(".loga"), std::vector<std::string>{".logappend"});
    EXPECT_EQ(candidates("r; !gf"), std::vector<std::string>{"!gflag"});
    EXPECT_EQ(candidates("db n"), std::vector<std::string>{"nt!"});
    EXPECT_EQ(candidates("db nt!pool"), (std::vector<std::string>{"nt!PoolHitTag", "nt!PoolTrackTable"}));
    EXPECT_EQ(candidates("db poi(nt!pooltr"), std::vector<std::string>{"nt!PoolTrackTable"});
    EXPECT_EQ(complete(session, "db poi(nt!pooltr").start, 7u);
    EXPECT_TRUE(candidates("db nosuch!x").empty());
}

TEST(ConnectionText, FallsBackOnTheEnvironment) {
    setenv("_NT_DEBUG_PORT", "/dev/ttyS1", 1);
    setenv("_NT_DEBUG_BAUD_RATE", "57600", 1);
    Options options;
    EXPECT_EQ(connection_text(options), "com:port=/dev/ttyS1,baud=57600");
    options.connection = "unix:x";
    EXPECT_EQ(connection_text(options), "unix:x");
    unsetenv("_NT_DEBUG_PORT");
    unsetenv("_NT_DEBUG_BAUD_RATE");
    options.connection = "";
    EXPECT_EQ(connection_text(options), "");
}

TEST(Connect, AMissingTargetIsAnError) {
    debugger::TextOutput console;
    debugger::CommandTable table = commands::all_commands();
    debugger::Session session(console, table);
    Options options;
    auto none = connect(session, options);
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().kind, ErrorKind::usage);
    options.connection = "unix:/nonexistent/socket";
    auto gone = connect(session, options);
    ASSERT_FALSE(gone);
    EXPECT_EQ(gone.error().kind, ErrorKind::link);
    options.connection = "lab:nosuch";
    auto lab = connect(session, options);
    ASSERT_FALSE(lab);
    EXPECT_EQ(lab.error().kind, ErrorKind::not_found);
    EXPECT_FALSE(session.has_target());
}

TEST(StreamReader, ReadsLinesAndDropsTheirEnds) {
    std::FILE* file = std::tmpfile();
    ASSERT_TRUE(file);
    std::fputs("one\r\n\ntwo", file);
    std::rewind(file);
    Work work;
    StreamReader reader(fileno(file), work);
    EXPECT_EQ(reader.read("").text, "one");
    EXPECT_EQ(reader.read("").text, "");
    EXPECT_EQ(reader.read("").text, "two");
    EXPECT_EQ(reader.read("").kind, InputLine::Kind::end);
    std::fclose(file);
}

TEST(RunProgram, WordsThatAreWrongGiveTheirExitCode) {
    std::vector<std::string> bogus{"-bogus"};
    EXPECT_EQ(run_program(bogus), exit_usage);
    std::vector<std::string> nothing{"-k", "unix:/nonexistent/socket", "--quiet"};
    EXPECT_EQ(run_program(nothing), exit_no_connection);
    std::vector<std::string> image{"-z", "/nonexistent/memory.dmp", "--quiet"};
    EXPECT_EQ(run_program(image), exit_command_failed) << "as of evidence that is not there";
    std::vector<std::string> version{"-version"};
    EXPECT_EQ(run_program(version), exit_good);
}

} // namespace
} // namespace poolkd::app

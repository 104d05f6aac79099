#include "support/session_fixture.h"
#include "support/temporary_directory.h"

#include <nlohmann/json.hpp>

#include <cstdlib>
#include <fstream>

namespace poolkd {
namespace {

using ::testing::HasSubstr;

class Scripts : public testing::SessionFixture {
  protected:
    /// A script file; its name for `$$>a<`.
    std::string script(std::string_view text, const std::string& name = "script") {
        std::ofstream(folder.path() / name) << text;
        return (folder.path() / name).string();
    }
    void add_command(std::string_view name, Result<void> (*does)(debugger::Session&, debugger::Arguments&)) {
        debugger::Command command;
        command.names = {name};
        command.needs_target = false;
        command.run = does;
        table.add(std::move(command));
    }
    testing::TemporaryDirectory folder;
};

TEST_F(Scripts, IfChoosesOneBlock) {
    EXPECT_EQ(run(".if (1) {.echo a} .else {.echo b}"), "a\n");
    EXPECT_EQ(run(".if (0) {.echo a} .else {.echo b}"), "b\n");
    EXPECT_EQ(run(".if (0) {.echo a} .elsif 1=1 {.echo b} .else {.echo c}"), "b\n") << "brackets may be left out";
    EXPECT_EQ(run(".if (0) {.echo a}; .echo after"), "after\n");
    EXPECT_EQ(run(".if (1) {.echo a} .echo after"), "a\nafter\n") << "a block needs no ; behind it";
    EXPECT_EQ(run(".if (1) {.if (0) {.echo x} .else {.echo y; .echo z}}"), "y\nz\n");
    EXPECT_EQ(run(".if(1){.echo tight}.else{.echo b}"), "tight\n");
}

TEST_F(Scripts, BranchesThatAreNotTakenAreNotEvaluated) {
    EXPECT_EQ(run(".if (1) {.echo a} .elsif (nosuchname) {.echo b}"), "a\n");
    EXPECT_EQ(run(".if (0) {nosuchcommand} .else {.echo b}"), "b\n");
}

TEST_F(Scripts, ErrorsOfFlow) {
    for (const char* line : {".if (1)", ".if (1) {.echo a", ".if {.echo a}", ".for (1;2) {.echo a}", ".for {.echo a}",
                             ".do {.echo a}", ".else {.echo a}", "{.echo a}", "}", ".while (1 {.echo a}", ".block",
                             ".foreach (x) {.echo a}", ".foreach (x \"a\")", ".catch", "j", "j 1 2 3"}) {
        const std::string text = run(line);
        EXPECT_TRUE(failed) << line << ": " << text;
        EXPECT_THAT(text, ::testing::AnyOf(HasSubstr("rror"), HasSubstr("expression missing"))) << line;
    }
    EXPECT_EQ(run(".break"), ".break stands in no loop\n");
    EXPECT_EQ(run(".leave"), ".leave stands in no .catch block\n");
    EXPECT_EQ(run(".if (nosuchname) {.echo a}"), "Couldn't resolve error at 'nosuchname)'\n");
}

TEST_F(Scripts, Loops) {
    EXPECT_EQ(run(".for (r $t0 = 0; @$t0 < 3; r $t0 = @$t0 + 1) {.printf \"%d \", @$t0}"), "0 1 2 ");
    EXPECT_EQ(run("r $t0=3; .while (@$t0) {.printf \"%d \", @$t0; r $t0=@$t0-1}"), "3 2 1 ");
    EXPECT_EQ(run("r $t0=0; .do {.printf \"%d \", @$t0; r $t0=@$t0+1} (@$t0 < 2); .echo end"), "0 1 end\n");
    EXPECT_EQ(run(".for (r $t0=0; @$t0<5; r $t0=@$t0+1) {.if (@$t0=1) {.continue}; .if (@$t0=3) {.break}; .printf "
                  "\"%d\", @$t0}"),
              "02");
    EXPECT_EQ(run(".for (r $t0=0; @$t0<2; r $t0=@$t0+1; r $t1=@$t1+2) {}; ? @$t1"),
              "Evaluate expression: 4 = 00000000`00000004\n");
    EXPECT_EQ(run(".for (r $t0=0; @$t0<2; r $t0=@$t0+1) { .while (1) { .printf \"x\"; .break }; .printf \"y\" }"),
              "xyxy")
        << ".break leaves the inner loop alone";
}

TEST_F(Scripts, AnErrorEndsEverythingUpToACatch) {
    EXPECT_THAT(run(".while (1) {nosuch}; .echo after"), HasSubstr("Syntax error in 'nosuch'"));
    EXPECT_TRUE(failed);
    const std::string text = run(".catch {.echo a; nosuch; .echo b}; .echo after");
    EXPECT_FALSE(failed);
    EXPECT_TRUE(text.starts_with("a\n")) << text;
    EXPECT_TRUE(text.ends_with("'nosuch'\nafter\n")) << text;
    EXPECT_EQ(run(".catch {.echo a; .if (1) {.leave}; .echo b}; .echo after"), "a\nafter\n");
}

TEST_F(Scripts, ForeachGoesThroughWords) {
    EXPECT_EQ(run(".foreach (w {.echo one two}) {.echo <${w}> w}"), "<one> one\n<two> two\n");
    EXPECT_EQ(run(".foreach /s (w \"a b\") {.printf \"[${w}]\"}"), "[a][b]");
    EXPECT_EQ(run(".foreach (w \"a b\") {.printf \"[${w}]\"}"), "[a][b]");
    EXPECT_EQ(run(".foreach /pS 1 /ps 1 (w \"0 1 2 3 4\") {.printf \"${w} \"}"), "1 3 ");
    EXPECT_EQ(run(".foreach /ps ffffffffffffffff (w \"0 1\") {.printf \"${w} \"}"), "0 ");
    EXPECT_EQ(run(".foreach (a \"1 2\") {.foreach (b \"x y\") {.printf \"${a}${b} \"}}"), "1x 1y 2x 2y ");
    EXPECT_EQ(run(".foreach (w \"a b c\") {.if ($scmp(\"${w}\",\"b\")=0) {.break}; .echo ${w}}"), "a\n");
    EXPECT_EQ(run(".foreach (w {}) {.echo ${w}}"), "");
    EXPECT_EQ(run(".foreach /f (w \"" + script("x y\nz\n") + "\") {.printf \"[${w}]\"}"), "[x][y][z]");
    EXPECT_THAT(run(".foreach (w {.echo a; nosuch}) {.echo ${w}}"), HasSubstr("Syntax error"))
        << "the error is shown, not gone through";
    EXPECT_TRUE(failed);
}

TEST_F(Scripts, JAndZ) {
    EXPECT_EQ(run("j (1=1) '.echo a; .echo b'; '.echo c'"), "a\nb\n");
    EXPECT_EQ(run("j 1=2 '.echo a'; '.echo c'"), "c\n");
    EXPECT_EQ(run("j 0 .echo a ; .echo c"), "c\n");
    EXPECT_EQ(run("j 1 '.echo a'"), "a\n");
    EXPECT_EQ(run("j 1 ''; '.echo b'"), "");
    EXPECT_EQ(run("r $t0=0; r $t0=0"), "");
    EXPECT_EQ(run("r $t1=@$t1+1; .printf \"%d\", @$t1; z(@$t1<3); .echo end"), "123end\n");
}

TEST_F(Scripts, AliasesAreReplacedWhenABlockIsEntered) {
    EXPECT_EQ(run("as /x n 1+f; .echo ${n}"), "${n}\n") << "the line was entered before";
    EXPECT_EQ(run(".echo ${n}"), "0x10\n");
    EXPECT_EQ(run("as /x m 5; .block {.echo ${m}}"), "0x5\n");
    EXPECT_EQ(run(".for (r $t0=0; @$t0<2; r $t0=@$t0+1) {as /x ${/v:i} @$t0; .block {.printf \"${i} \"}; ad ${/v:i}}"),
              "0x0 0x1 ");
    EXPECT_EQ(run("ad *; al"), "No aliases\n");
}

TEST_F(Scripts, FormsOfAs) {
    memory().put(kernel_base + 0x100, "ascii text\0");
    memory().put(kernel_base + 0x200, {'w', 0, 'i', 0, 'd', 0, 'e', 0, 0, 0});
    memory().put_value<std::uint32_t>(kernel_base + 0x300, 0x000a0008);
    memory().put_value<std::uint64_t>(kernel_base + 0x308, (kernel_base + 0x200).value);
    memory().put_value<std::uint32_t>(kernel_base + 0x320, 0x00060005);
    memory().put_value<std::uint64_t>(kernel_base + 0x328, (kernel_base + 0x100).value);
    ::setenv("POOLKD_TEST_VARIABLE", "from outside", 1);
    run("as /ma a nt+100");
    run("as /mu b nt+200");
    run("as /msu c nt+300");
    run("as /msa d nt+320");
    run("as /e e POOLKD_TEST_VARIABLE");
    run("as /c f .echo one; .echo two");
    run("as /f g " + script("file text\n"));
    run("aS h phrase; .echo not part");
    run("aS i \"a; b\"");
    EXPECT_EQ(run(".echo ${a}|${b}|${c}|${d}|${e}|${g}|${h}|\"${i}\""),
              "ascii text|wide|wide|ascii|from outside|file text|phrase|\"a; b\"\n");
    EXPECT_EQ(run(".foreach (w \"${f}\") {.printf \"${w}.\"}"), "one.two.");
    EXPECT_THAT(run("as /q x 1"), HasSubstr("Syntax error"));
    EXPECT_THAT(run("as x"), HasSubstr("Syntax error"));
    EXPECT_THAT(run("as /ma x 10"), HasSubstr("cannot be read"));
    run("r $.u0=.echo; r $.u1=\"quoted; text\"");
    EXPECT_EQ(run("$u0 \"$u1\""), "quoted; text\n");
    EXPECT_THAT(run("r $.ux=1"), HasSubstr("Bad register error"));
}

TEST_F(Scripts, Printf) {
    EXPECT_EQ(run(".printf \"%d %i %u %x %X %o|%5d|%-5d|%05d|%+d\\n\", 0n10, -1, -1, abc, abc, 8, 1, 2, 3, 4"),
              "10 -1 4294967295 abc ABC 10|    1|2    |00003|+4\n");
    EXPECT_EQ(run(".printf \"%x %I64x %I64d %p %N\", ffffffff, ffffffff, -2, 1234, 1"),
              "ffffffff ffffffffffffffff -2 0000000000001234 0000000000000001");
    EXPECT_EQ(run(".printf \"%c%c %% \\t\\\"\\\\ %s|%8s|%.2s\", 41, 42, \"text\", \"pad\", \"cut\""),
              "AB % \t\"\\ text|     pad|cu");
    EXPECT_EQ(run(".printf \"%#x %#x %*d\", 10, 0, 4, 7"), "0x10 0    7");
    memory().put(kernel_base + 0x100, "some text\0");
    EXPECT_EQ(run(".printf \"%ma|%12ma|%s\", nt+100, nt+100, nt+100"), "some text|   some text|some text");
    symbols->add("Worker", 0x500, true);
    EXPECT_EQ(run(".printf \"%y %ly\", nt!Worker+2, nt!Worker"),
              "nt!Worker+0x2 (fffff804`00000502) nt!Worker (fffff804`00000500)");
    EXPECT_EQ(run(".printf /D \"<link cmd=\\\"r\\\">a &lt; b</link>\""), "a < b");
    EXPECT_EQ(run(".printf \"%f %lle\", 3f800000, 4000000000000000"), "1.000000 2.000000e+00");
    EXPECT_THAT(run(".printf \"%d\""), HasSubstr("A value is missing"));
    EXPECT_THAT(run(".printf \"%q\", 1"), HasSubstr("'%q' is no conversion"));
    EXPECT_THAT(run(".printf \"%\", 1"), HasSubstr("no conversion"));
    EXPECT_THAT(run(".printf %d, 1"), HasSubstr("Syntax error"));
    EXPECT_THAT(run(".printf \"%ma\", 10"), HasSubstr("cannot be read"));
    EXPECT_EQ(run(".printf \"%99999999999d\", 1").size(), 1024u) << "no width fills the memory";
    EXPECT_EQ(nlohmann::json::parse(run(".printf \"%d\\n\", 5 --json")),
              (nlohmann::json{{"command", ".printf"}, {"text", "5\n"}}));
}

TEST_F(Scripts, FilesRunWithArguments) {
    const std::string args =
        script("$$ it's a note\n.if (${/d:$arg2})\n{\n  .echo two: ${$arg1} ${$arg2}\n}\n.else\n{\n"
               "  .echo one: ${$arg1} ${$arg2}\n}\n");
    EXPECT_EQ(run("$$>a<" + args + " a b; .echo after"), "two: a b\nafter\n");
    EXPECT_EQ(run("$$>a<\"" + args + "\" \"a b\""), "one: a b ${$arg2}\n") << "missing arguments stay";
    const std::string plain = script("as n 5\n.echo n\n", "plain");
    EXPECT_EQ(run("$$><" + plain), "kd> as n 5;.echo n\nn\n") << "one block: the alias comes too late";
    EXPECT_EQ(run("$$<" + plain + "; .echo after"), "kd> as n 5\nkd> .echo n\n5\nafter\n")
        << "lines are entered one by one";
    EXPECT_EQ(run("$<" + plain), "kd> as n 5\nkd> .echo n\n5\n");
    run("ad n");
    EXPECT_EQ(run("$><" + plain), "kd> as n 5;.echo n\nn\n");
    EXPECT_THAT(run("$$>a<nosuchfile"), HasSubstr("Unable to open script file 'nosuchfile'"));
    EXPECT_THAT(run("$$>a</dev/zero"), HasSubstr("it is no file"));
    EXPECT_THAT(run("$$>a<" + script(std::string("a\0b", 3), "binary")), HasSubstr("no text"));
    EXPECT_THAT(run("$$>a<"), HasSubstr("Which script file?"));
}

TEST_F(Scripts, FilesAreFoundAmongTheScripts) {
    script(".echo found ${$arg1}\n", "some.kd");
    session.set_script_folders({"/nonexistent", folder.path()});
    EXPECT_EQ(run("$$>a<some.kd 7"), "found 7\n");
    EXPECT_THAT(run("$$>a<./some.kd 7"), HasSubstr("Unable to open")) << "a name with a folder is a path";
}

TEST_F(Scripts, AScriptMayCallItselfButNotForEver) {
    const std::string self = folder.path() / "self";
    script(".if (${$arg1}) {.printf \"${$arg1} \"; r $t0=${$arg1}-1; as /x k @$t0; .block {$$>a<" + self + " ${k}}}\n",
           "self");
    EXPECT_EQ(run("$$>a<" + self + " 2"), "2 0x1 ");
    script("$$>a<" + self + "\n", "self");
    EXPECT_THAT(run("$$>a<" + self), HasSubstr("nested too deeply"));
    EXPECT_TRUE(failed);
    EXPECT_EQ(run(".echo alive"), "alive\n");
}

TEST_F(Scripts, DeepNestingIsRefused) {
    std::string line = ".echo inside";
    for (int i = 0; i < 100; ++i)
        line = ".if (1) {" + line + "}";
    EXPECT_THAT(run(line), HasSubstr("nested too deeply"));
    EXPECT_THAT(run(std::string(100'000, '{')), HasSubstr("Syntax error"));
    EXPECT_THAT(run(".if " + std::string(100'000, '(')), HasSubstr("yntax error"));
}

TEST_F(Scripts, AnAliasThatDoublesItselfEnds) {
    EXPECT_THAT(run(".while (1) {aS ${/v:x} ${x}${x}}"), HasSubstr("longer than 8 MB"));
    EXPECT_TRUE(failed);
}

TEST_F(Scripts, CtrlCEndsALoop) {
    add_command(".test_stop", [](debugger::Session& s, debugger::Arguments&) -> Result<void> {
        s.work().request_stop();
        return {};
    });
    EXPECT_EQ(run(".while (1) {.test_stop}; .echo after"), "Stopped by the user\n");
    EXPECT_TRUE(failed);
    EXPECT_EQ(run(".catch {.while (1) {.test_stop}}; .echo after"), "Stopped by the user\n") << ".catch holds no stop";
    EXPECT_EQ(run(".test_stop; .while (1) {}"), "Stopped by the user\n");
    EXPECT_EQ(run(".test_stop; z(1)"), "Stopped by the user\n");
    EXPECT_EQ(run(".echo alive"), "alive\n");
}

TEST_F(Scripts, AnExceptionInACommandIsAnError) {
    add_command(".test_throw",
                [](debugger::Session&, debugger::Arguments&) -> Result<void> { throw std::runtime_error("oops"); });
    EXPECT_EQ(run(".test_throw"), ".test_throw failed inside poolkd: oops\n");
    EXPECT_TRUE(failed);
    EXPECT_EQ(run(".echo alive"), "alive\n");
}

TEST_F(Scripts, CommandsOfAStopTellWhatResumes) {
    auto& interpreter = session.interpreter();
    auto outcome = [&](std::string_view commands) { return interpreter.run_at_stop(commands); };
    EXPECT_EQ(outcome(".echo a"), "");
    EXPECT_EQ(outcome("g; .echo never"), "g");
    EXPECT_EQ(outcome("j (1=1) '.echo b; gu'; 'g'"), "gu");
    EXPECT_EQ(outcome(".for (r $t0=0; @$t0<9; r $t0=@$t0+1) {.if (@$t0=3) {g}}"), "g");
    EXPECT_EQ(run("? @$t0"), "a\nb\nEvaluate expression: 3 = 00000000`00000003\n");
    EXPECT_EQ(target->resumes().size(), 0u) << "the caller resumes";
    EXPECT_EQ(outcome("nosuch; g"), "");
    EXPECT_EQ(outcome("q; g"), "");
}

TEST_F(Scripts, JsonOfCommandsWithinAScript) {
    const std::string text = run(".for (r $t0=0; @$t0<2; r $t0=@$t0+1) {bl --json}");
    EXPECT_EQ(text, "{\"breakpoints\":[],\"command\":\"bl\"}\n{\"breakpoints\":[],\"command\":\"bl\"}\n");
    session.set_json(true);
    EXPECT_EQ(run(".foreach (w {.echo a b}) {.echo ${w}}"),
              "{\"command\":\".echo\",\"text\":\"a\"}\n{\"command\":\".echo\",\"text\":\"b\"}\n");
    EXPECT_EQ(run(".if (1) {? nosuchname}"),
              "{\"command\":\"? nosuchname\",\"error\":\"Couldn't resolve error at 'nosuchname'\"}\n");
}

TEST_F(Scripts, EnterRepeatsTheWholeLoop) {
    EXPECT_EQ(run(".for (r $t0=0; @$t0<2; r $t0=@$t0+1) {.echo x}"), "x\nx\n");
    EXPECT_EQ(run(""), "x\nx\n");
}

TEST_F(Scripts, SleepAndTime) {
    EXPECT_EQ(run(".sleep 1"), "");
    EXPECT_THAT(run(".sleep ffffffff`ffffffff"), HasSubstr("at most a day"));
    EXPECT_THAT(run(".echotime"),
                ::testing::MatchesRegex("Debugger \\(not debuggee\\) time: .* 20[0-9][0-9] \\(UTC .*\n"));
}

TEST_F(Scripts, LogFile) {
    const std::string log = folder.path() / "log";
    EXPECT_EQ(run(".logfile"), "No log file open\n");
    run(".logopen " + log);
    EXPECT_EQ(run(".logfile; .logclose"), "Log '" + log + "' open\nClosing open log file " + log + "\n");
    EXPECT_THAT(run(".logopen /d " + log), HasSubstr("Extra character error"));
}

} // namespace
} // namespace poolkd

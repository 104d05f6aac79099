#include "support/session_fixture.h"

#include <nlohmann/json.hpp>

#include <filesystem>
#include <fstream>

namespace poolkd {
namespace {

class GeneralCommands : public testing::SessionFixture {
  protected:
    GeneralCommands() {
        symbols->add("NtGlobalFlag", 0x1000);
        symbols->add("PoolHitTag", 0x1010);
    }
    ~GeneralCommands() override { std::filesystem::remove_all(folder); }
    std::filesystem::path folder =
        std::filesystem::path(::testing::TempDir()) / fmt::format("poolkd-general-{}", getpid());

    std::filesystem::path file(std::string_view name) {
        std::filesystem::create_directories(folder);
        return folder / name;
    }
    static std::string content(const std::filesystem::path& path) {
        std::ifstream stream(path);
        return {std::istreambuf_iterator<char>(stream), {}};
    }
};

TEST_F(GeneralCommands, Evaluate) {
    EXPECT_EQ(run("? ' atZ'"), "Evaluate expression: 543257690 = 00000000`2061745a\n");
    EXPECT_EQ(run("? fffff804`7ac15e40"), "Evaluate expression: -8776853660096 = fffff804`7ac15e40\n");
    EXPECT_EQ(run("?1+1"), "Evaluate expression: 2 = 00000000`00000002\n");
    EXPECT_EQ(run("? nt!poolhittag - nt"), "Evaluate expression: 4112 = 00000000`00001010\n");
    EXPECT_EQ(run("? 5; ? $exp + 1"),
              "Evaluate expression: 5 = 00000000`00000005\nEvaluate expression: 6 = 00000000`00000006\n");
    EXPECT_EQ(run("? 1 2"), "        ^ Extra character error in '? 1 2'\n");
    EXPECT_EQ(run("? 1+"), "Numeric expression missing from '<EOL>'\n");
    EXPECT_EQ(run("? @foo"), "Bad register error at '@foo'\n");
}

TEST_F(GeneralCommands, Formats) {
    EXPECT_EQ(run(".formats 6174655a"),
              "Evaluate expression:\n"
              "  Hex:     00000000`6174655a\n"
              "  Decimal: 1635018074\n"
              "  Octal:   0000000000014135062532\n"
              "  Binary:  00000000 00000000 00000000 00000000 01100001 01110100 01100101 01011010\n"
              "  Chars:   ....ateZ\n"
              "  Time:    Sat Oct 23 19:41:14 2021\n"
              "  Float:   low 2.81769e+020 high 0\n"
              "  Double:  8.07806e-315\n");
    EXPECT_NE(run(".formats -1").find("  Time:    ***** Invalid FILETIME\n"), std::string::npos);
    EXPECT_NE(run(".formats 01d7c5f2`1c5f8000").find("2021 (UTC)\n"), std::string::npos);
}

TEST_F(GeneralCommands, NumberBase) {
    EXPECT_EQ(run("n"), "base is 16\n");
    EXPECT_EQ(run("n 10; ? 10"), "base is 10\nEvaluate expression: 10 = 00000000`0000000a\n");
    EXPECT_EQ(run("n 16"), "base is 16\n") << "the argument is decimal in every base";
    EXPECT_NE(run("n 7").find("^ Syntax error"), std::string::npos);
}

TEST_F(GeneralCommands, UnknownCommands) {
    EXPECT_EQ(run("bogus"), "    ^ Syntax error in 'bogus'\n");
    EXPECT_EQ(run("!nosuch 1"), "No export nosuch found\n");
    EXPECT_EQ(run(".nosuch"), "    ^ Syntax error in '.nosuch'\n");
    EXPECT_TRUE(failed);
    EXPECT_EQ(run("quit"), "    ^ Syntax error in 'quit'\n");
    EXPECT_EQ(session.quit(), debugger::Quit::no);
}

TEST_F(GeneralCommands, AnErrorEndsTheLine) {
    EXPECT_EQ(run("? 1; bogus; ? 2"), "Evaluate expression: 1 = 00000000`00000001\n    ^ Syntax error in 'bogus'\n");
}

TEST_F(GeneralCommands, Echo) {
    EXPECT_EQ(run(".echo one  two; .echo \"a; b\""), "one  two\na; b\n");
    EXPECT_EQ(run(".echo"), "\n");
}

TEST_F(GeneralCommands, SwitchesOfKdAreAccepted) {
    for (const char* line : {".asm no_code_bytes", ".cls", ".echocpunum 1", ".echotimestamps 1", ".enable_unicode 1",
                             ".enable_long_status 0", ".force_radix_output 1", ".prompt_allow -reg +dis",
                             ".srcpath+ /src", ".srcpath", ".symopt+ 0x40", "so NOEXTWARNING", "sq d"}) {
        EXPECT_EQ(run(line), "") << line;
        EXPECT_FALSE(failed) << line;
    }
    EXPECT_EQ(run(".cache 2800"), run(".cache flushall"));
}

TEST_F(GeneralCommands, Pauses) {
    EXPECT_EQ(run(".sleep 1; .echo done"), "done\n");
    EXPECT_EQ(run(".sleep 0n100000000"), ".sleep takes at most a day\n");
    EXPECT_THAT(run(".echotime"), ::testing::StartsWith("Debugger (not debuggee) time: "));
}

TEST_F(GeneralCommands, Quit) {
    EXPECT_EQ(run("q; .echo not reached"), "");
    EXPECT_EQ(session.quit(), debugger::Quit::frozen);
    run("qd");
    EXPECT_EQ(session.quit(), debugger::Quit::running);
    run("qq");
    EXPECT_EQ(session.quit(), debugger::Quit::frozen);
}

TEST_F(GeneralCommands, LogFiles) {
    std::string path = file("a.log").string();
    EXPECT_EQ(run(".logopen " + path), "Opened log file '" + path + "'\n");
    run(".echo in the log");
    EXPECT_EQ(run(".logclose"), "Closing open log file " + path + "\n");
    run(".echo not in the log");
    EXPECT_EQ(content(path), "Opened log file '" + path + "'\nin the log\nClosing open log file " + path + "\n");
    run(".logappend " + path + "; .logclose");
    EXPECT_TRUE(content(path).starts_with("Opened log file '" + path + "'\nin the log\n"));
    run(".logopen " + path + "; .logclose");
    EXPECT_EQ(content(path).find("in the log"), std::string::npos);
    EXPECT_EQ(run(".logclose"), "No log file open\n");
    EXPECT_NE(run(".logopen " + folder.string() + "/no/such/folder/x").find("Unable to open log file"),
              std::string::npos);
    EXPECT_TRUE(failed);
}

TEST_F(GeneralCommands, LogFilesWithATimeStamp) {
    std::string text = run(".logopen /t " + file("hits.log").string());
    EXPECT_THAT(text, ::testing::MatchesRegex("Opened log file '.*/hits_[0-9a-f]{4,}_[0-9-]+_[0-9-]+\\.log'\n"));
    run(".logclose");
}

TEST_F(GeneralCommands, Aliases) {
    EXPECT_EQ(run("as hello .echo good day; x"), "");
    EXPECT_EQ(run("al"), "  Alias            Value\n -------          -------\n hello            .echo good day; x\n");
    run("as hello .echo good day");
    EXPECT_EQ(run("hello"), "good day\n");
    EXPECT_EQ(run(".echo a${hello}b"), "a.echo good dayb\n");
    EXPECT_EQ(run(".echo hellos"), "hellos\n");
    EXPECT_EQ(run("ad hello"), "");
    EXPECT_EQ(run("ad hello"), "There is no alias 'hello'\n");
}

TEST_F(GeneralCommands, EmptyLinesRepeat) {
    EXPECT_EQ(run("? 1; .tag Abc").substr(0, 10), "Evaluate e");
    EXPECT_TRUE(run("").starts_with("Tag ")) << "the last command of the line";
    EXPECT_EQ(run(".echo x"), "x\n");
    EXPECT_EQ(run(""), "");
}

TEST_F(GeneralCommands, GlobalFlags) {
    memory().put_value<std::uint32_t>(kernel_base + 0x1000, 0x400);
    EXPECT_EQ(run("!gflag"), "Current NtGlobalFlag contents: 0x00000400\n    ptg - Enable pool tagging\n");
    EXPECT_EQ(run("!gflag +soe"), "New NtGlobalFlag contents: 0x00000401\n    soe - Stop on exception\n"
                                  "    ptg - Enable pool tagging\n");
    EXPECT_EQ(memory().value<std::uint32_t>(kernel_base + 0x1000), 0x401u);
    std::string text = run("!gflag -ptg");
    EXPECT_TRUE(text.starts_with("New NtGlobalFlag contents: 0x00000001\n")) << text;
    EXPECT_NE(text.find("ptg takes effect only while the target starts"), std::string::npos) << text;
    EXPECT_EQ(run("!gflag -FFFFFFFF"), "New NtGlobalFlag contents: 0x00000000\n");
    EXPECT_EQ(run("!gflag 0x400").substr(0, 41), "New NtGlobalFlag contents: 0x00000400\n   ");
    EXPECT_NE(run("!gflag ptg").find("needs a sign"), std::string::npos);
    EXPECT_NE(run("!gflag +xyz").find("neither"), std::string::npos);
    auto json = nlohmann::json::parse(run("!gflag --json"));
    EXPECT_EQ(json["value"], 0x400);
    EXPECT_EQ(json["flags"], nlohmann::json({"ptg"}));
}

TEST_F(GeneralCommands, GlobalFlagsWithoutTheSymbol) {
    symbols = nullptr;
    auto fake = std::make_unique<testing::FakeTarget>();
    session.attach(std::make_unique<debugger::Debuggee>(std::move(fake), [](nt::Module&) {}, ""));
    EXPECT_FALSE(run("!gflag").empty());
    EXPECT_TRUE(failed);
}

TEST_F(GeneralCommands, WritesAreListedAndUndone) {
    memory().put_value<std::uint32_t>(kernel_base + 0x1010, 0xffffff0f);
    EXPECT_EQ(run(".writes"), "Nothing was written to the target.\n");
    EXPECT_EQ(run(".undo"), "There is nothing to undo\n");
    run("ed nt!poolhittag ' cbA'; eb nt!poolhittag+3 31");
    std::string list = run(".writes");
    EXPECT_NE(list.find("fffff804`00001010  0f ff ff ff -> 41 62 63 20\n"), std::string::npos) << list;
    EXPECT_NE(list.find("nt!PoolHitTag  by: ed nt!poolhittag ' cbA'\n"), std::string::npos) << list;
    EXPECT_NE(list.find("nt!PoolHitTag+0x3  by: eb nt!poolhittag+3 31\n"), std::string::npos) << list;
    auto json = nlohmann::json::parse(run(".writes --json"));
    ASSERT_EQ(json["writes"].size(), 2u);
    EXPECT_EQ(json["writes"][0]["before"], "0f ff ff ff");
    EXPECT_EQ(run(".undo *"), "Write 2 undone.\nWrite 1 undone.\n");
    EXPECT_EQ(memory().value<std::uint32_t>(kernel_base + 0x1010), 0xffffff0fu);
    EXPECT_NE(run(".writes").find("undone"), std::string::npos);
}

TEST_F(GeneralCommands, UndoByNumberAndItsRefusal) {
    run("eb nt!poolhittag 1; eb nt!poolhittag+1 2");
    EXPECT_EQ(run(".undo 1"), "Write 1 undone.\n");
    EXPECT_EQ(memory().value<std::uint16_t>(kernel_base + 0x1010), 0x0200u);
    memory().put(kernel_base + 0x1011, {0x77});
    run(".undo");
    EXPECT_TRUE(failed) << "somebody else changed it";
    EXPECT_EQ(memory().value<std::uint16_t>(kernel_base + 0x1010), 0x7700u);
    run(".undo 99");
    EXPECT_TRUE(failed);
    run(".undo x");
    EXPECT_TRUE(failed);
}

TEST_F(GeneralCommands, Tags) {
    const std::string zta = "Tag        \"Zta \"\n"
                            "Bytes      5a 74 61 20\n"
                            "Number     2061745a\n"
                            "Protected  a061745a\n"
                            "To write   ed nt!PoolHitTag ' atZ'\n"
                            "To find    !poolfind -tag \"Zta \"\n";
    EXPECT_EQ(run(".tag Zta"), zta);
    EXPECT_EQ(run(".tag \"Zta \""), zta);
    EXPECT_EQ(run(".tag ' atZ'"), zta);
    EXPECT_EQ(run(".tag 2061745a"), zta);
    EXPECT_EQ(run(".tag 0x2061745a"), zta);
    EXPECT_TRUE(run(".tag a061745a").starts_with("Tag        \"Zta \" (Protected)\n"));
    EXPECT_NE(run(".tag 'Zta'").find("Warning: this tag reads backwards. For \"Zta \" write ' atZ'.\n"),
              std::string::npos);
    EXPECT_NE(run(".tag 'Zta '").find("Warning: this tag reads backwards. For \"Zta \" write ' atZ'.\n"),
              std::string::npos);
    EXPECT_EQ(run(".tag Tron").find("Warning"), std::string::npos);
    EXPECT_EQ(run(".tag IoN7").find("Warning"), std::string::npos);
    EXPECT_NE(run(".tag norT").find("Warning"), std::string::npos);
    EXPECT_NE(run(".tag toolong").find("^ Syntax error"), std::string::npos);
}

TEST_F(GeneralCommands, TagsInTheTarget) {
    memory().put(kernel_base + 0x1010, " cbA");
    std::string text = run(".tag");
    EXPECT_TRUE(text.starts_with("nt!PoolHitTag holds:\nTag        \" cbA\"\n")) << text;
    EXPECT_NE(text.find("reads backwards"), std::string::npos);
    EXPECT_EQ(run(".tag nt!poolhittag").substr(0, 18), "Tag        \" cbA\"\n");
    auto json = nlohmann::json::parse(run(".tag Abc --json"));
    EXPECT_EQ(json["constant"], "' cbA'");
}

TEST_F(GeneralCommands, Help) {
    EXPECT_NE(run(".help").find("db                           show bytes and ASCII characters\n"), std::string::npos);
    EXPECT_EQ(run("?"), run(".help"));
    std::string text = run(".help db");
    EXPECT_TRUE(text.starts_with("db - show bytes and ASCII characters\n\n  d{")) << text;
    EXPECT_EQ(run("db -?"), text);
    EXPECT_EQ(run(".help gflag"), run("!gflag -?"));
    EXPECT_EQ(run(".help nosuch"), "There is no command 'nosuch'; .help lists them\n");
    EXPECT_NE(run(".help poolusd").find("near to it: !poolused"), std::string::npos);
    EXPECT_NE(run(".help relaod").find("near to it: .reload"), std::string::npos);
}

TEST_F(GeneralCommands, EveryCommandHasItsHelp) {
    for (const auto& command : table.all()) {
        ASSERT_FALSE(command->names.empty());
        EXPECT_FALSE(command->summary.empty()) << command->names.front();
        EXPECT_FALSE(command->syntax.empty()) << command->names.front();
        EXPECT_FALSE(command->family.empty()) << command->names.front();
        EXPECT_TRUE(command->run != nullptr) << command->names.front();
        EXPECT_FALSE(command->summary.ends_with('.')) << command->names.front();
    }
}

TEST_F(GeneralCommands, NoNameIsTakenTwice) {
    std::map<std::string_view, int> names;
    for (const auto& command : table.all())
        for (std::string_view name : command->names)
            EXPECT_EQ(++names[name], 1) << name;
}

TEST_F(GeneralCommands, Vertarget) {
    EXPECT_EQ(run("vertarget"), "Windows 7 Kernel Version 7601 UP Free x64\n"
                                "Kernel base = 0xfffff804`00000000 PsLoadedModuleList = 0xfffff804`00100000\n")
        << "what the target does not tell is left out";
    constexpr VirtAddr shared{0xfffff78000000000};
    memory().map(shared, 0x1000);
    memory().put_value<std::uint64_t>(shared + 0x8, 93'784'005ull * 10'000);
    memory().put_value<std::uint64_t>(shared + 0x14, 132'794'916'740'000'000ull);
    memory().put_value<std::uint32_t>(shared + 0x264, 1);
    memory().put_value<std::uint8_t>(shared + 0x268, 1);
    memory().put_value<std::uint32_t>(shared + 0x2d0, 0x110);
    symbols->add("NtBuildLab", 0x1100);
    memory().put(kernel_base + 0x1100, std::string_view("7601.lab\0", 9));
    std::string text = run("vertarget");
    EXPECT_NE(text.find("Product: WinNt, suite: TerminalServer SingleUserTS\nBuilt by: 7601.lab\n"), std::string::npos)
        << text;
    EXPECT_NE(text.find("System Uptime: 1 days 2:03:04.005\n"), std::string::npos) << text;
    EXPECT_NE(text.find("Debug session time: "), std::string::npos);
    EXPECT_NE(run("version").find("poolkd "), std::string::npos);
    EXPECT_NE(run(".time").find("System Uptime: 1 days"), std::string::npos);
}

TEST_F(GeneralCommands, ErrorsInJsonMode) {
    session.set_json(true);
    auto json = nlohmann::json::parse(run("? nosuch"));
    EXPECT_EQ(json["error"], "Couldn't resolve error at 'nosuch'");
    EXPECT_EQ(json["command"], "? nosuch");
}

} // namespace
} // namespace poolkd

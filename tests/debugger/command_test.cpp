#include "debugger/arguments.h"
#include "debugger/command.h"
#include "debugger/global_flags.h"

#include <gtest/gtest.h>

namespace poolkd::debugger {
namespace {

CommandTable table_of(std::initializer_list<std::pair<std::string_view, bool>> names) {
    CommandTable table;
    for (auto [name, touches] : names)
        table.add({.names = {name},
                   .family = "F",
                   .summary = "s",
                   .syntax = name,
                   .may_touch = touches,
                   .takes_processor = name == "k" || name == "r"});
    return table;
}

class Commands : public testing::Test {
  protected:
    CommandTable table = table_of({{"d", true},
                                   {"db", true},
                                   {"dd", true},
                                   {"dD", true},
                                   {"dt", true},
                                   {"k", true},
                                   {"kb", true},
                                   {"lm", true},
                                   {"q", false},
                                   {"qd", false},
                                   {"r", true},
                                   {"?", true},
                                   {"version", false},
                                   {".logopen", false},
                                   {"!poolused", false}});

    /// "name|arguments" or the error.
    std::string found(std::string_view text) {
        auto result = table.find(text);
        if (!result) return result.error().message;
        std::string processor = result->processor ? std::to_string(*result->processor) + ":" : "";
        return processor + std::string(result->command->names.front()) + "|" +
               std::string(text.substr(result->arguments));
    }
};

TEST_F(Commands, TheLongestNameWins) {
    EXPECT_EQ(found("db820f2ba4"), "db|820f2ba4");
    EXPECT_EQ(found("d 1000"), "d| 1000");
    EXPECT_EQ(found("lmv m nt"), "lm|v m nt");
    EXPECT_EQ(found("kb"), "kb|");
    EXPECT_EQ(found("k5"), "k|5");
    EXPECT_EQ(found("?1+1"), "?|1+1");
}

TEST_F(Commands, CaseMattersOnlyWhereTwoNamesDifferByIt) {
    EXPECT_EQ(found("dD 1"), "dD| 1");
    EXPECT_EQ(found("dd 1"), "dd| 1");
    EXPECT_EQ(found("DD 1"), "dd| 1");
    EXPECT_EQ(found("DB 1"), "db| 1");
    EXPECT_EQ(found("!PoolUsed 4"), "!poolused| 4");
    EXPECT_EQ(found(".LOGOPEN x"), ".logopen| x");
}

TEST_F(Commands, WholeWordsWhereArgumentsMayNotTouch) {
    EXPECT_EQ(found("q"), "q|");
    EXPECT_EQ(found("qd"), "qd|");
    EXPECT_EQ(found("quit"), "^ Syntax error in 'quit'");
    EXPECT_EQ(found("versions"), "^ Syntax error in 'versions'");
}

TEST_F(Commands, Extensions) {
    EXPECT_EQ(found("!poolused/t 10"), "!poolused|/t 10");
    EXPECT_EQ(found("!kdexts.poolused 4"), "!poolused| 4");
    EXPECT_EQ(found("!poolusedx"), "No export poolusedx found");
    EXPECT_EQ(found("!kdexts.nosuch"), "No export nosuch found");
    EXPECT_EQ(found("!"), "^ Syntax error in '!'");
}

TEST_F(Commands, ProcessorPrefixes) {
    EXPECT_EQ(found("2k"), "2:k|");
    EXPECT_EQ(found("0r rax"), "0:r| rax");
    EXPECT_EQ(found("2db 1"), "^ Syntax error in '2db 1'");
    EXPECT_EQ(found("2"), "^ Syntax error in '2'");
    EXPECT_EQ(found("2!poolused"), "No export poolused found");
}

TEST_F(Commands, Help) {
    EXPECT_EQ(table.named("logopen"), table.named(".logopen"));
    EXPECT_EQ(table.named("nosuch"), nullptr);
    EXPECT_EQ(table.completions("q"), (std::vector<std::string>{"q", "qd"}));
    std::string overview = help_overview(table);
    EXPECT_TRUE(overview.starts_with("F:\n  d "));
}

TEST(Arguments, WordsAndQuotes) {
    Arguments a("cmd one, \"two \\\"x\\\" 3\" 'a b' rest of", 3);
    EXPECT_FALSE(a.touches_name());
    EXPECT_EQ(a.word(), "one,");
    EXPECT_EQ(a.quoted(), "two \"x\" 3");
    EXPECT_EQ(a.word(), "'a b'");
    EXPECT_EQ(a.rest(), "rest of");
    EXPECT_EQ(a.take_rest(), "rest of");
    EXPECT_TRUE(a.done());
    EXPECT_EQ(a.word(), "");
    EXPECT_EQ(a.peek(), '\0');
}

TEST(Arguments, Options) {
    Arguments a("cmd /t 5 -x /p[c] y", 3);
    EXPECT_FALSE(a.take_option("x"));
    EXPECT_TRUE(a.take_option("t"));
    EXPECT_TRUE(a.take("5"));
    EXPECT_TRUE(a.take_option("x"));
    EXPECT_FALSE(a.take_option("p")) << "a longer option is another one";
    EXPECT_TRUE(a.take_option("p[c]"));
    EXPECT_EQ(a.text(), "y");
}

TEST(Arguments, AnOpenQuoteReachesToTheEnd) {
    Arguments a("c \"open", 1);
    EXPECT_EQ(a.quoted(), "open");
    Arguments only("c \"", 1);
    EXPECT_EQ(only.quoted(), "");
    Arguments escaped("c \"open \\\"", 1);
    EXPECT_EQ(escaped.quoted(), "open \"") << "the last quote belongs to the text";
    Arguments twice(R"(c "a \"b\\n\" \\" rest)", 1);
    EXPECT_EQ(twice.quoted_commands(), R"(a "b\n" \)");
    EXPECT_EQ(twice.rest(), "rest");
    EXPECT_TRUE(Arguments("lmv", 2).touches_name());
}

TEST(GlobalFlags, Words) {
    EXPECT_EQ(apply_global_flag(0, "+ptg"), 0x400u);
    EXPECT_EQ(apply_global_flag(0x401, "-PTG"), 1u);
    EXPECT_EQ(apply_global_flag(1, "400"), 0x401u);
    EXPECT_EQ(apply_global_flag(0x401, "-0x1"), 0x400u);
    EXPECT_EQ(apply_global_flag(0x401, "-FFFFFFFF"), 0u);
    for (const char* bad : {"ptg", "+", "", "+zzz", "0x", "100000000", "4 0"})
        EXPECT_FALSE(apply_global_flag(0, bad)) << bad;
    EXPECT_EQ(global_flag_lines(0x400), "    ptg - Enable pool tagging\n");
}

TEST(GlobalFlags, EveryBitHasOneName) {
    std::uint32_t seen = 0;
    for (const GlobalFlag& flag : global_flags()) {
        EXPECT_EQ(seen & flag.bit, 0u) << flag.abbreviation;
        EXPECT_EQ(find_global_flag(flag.abbreviation), &flag);
        seen |= flag.bit;
    }
    EXPECT_EQ(seen, 0xffffffffu);
}

} // namespace
} // namespace poolkd::debugger

#include "debugger/lexer.h"

#include <gmock/gmock.h>

namespace poolkd::debugger {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<std::string> pieces(std::string_view line) {
    std::vector<std::string> out;
    for (const CommandText& command : split_commands(line))
        out.emplace_back(command.text);
    return out;
}

TEST(Lexer, SeparatesCommandsAtSemicolons) {
    EXPECT_THAT(pieces("r; kb ;;  g"), ElementsAre("r", "kb", "g"));
    EXPECT_THAT(pieces("  ;  "), IsEmpty());
    EXPECT_THAT(pieces("!poolused 4 "), ElementsAre("!poolused 4"));
}

TEST(Lexer, TellsWhereACommandStands) {
    auto commands = split_commands(" r;  kb");
    ASSERT_EQ(commands.size(), 2u);
    EXPECT_EQ(commands[0].offset, 1u);
    EXPECT_EQ(commands[1].offset, 5u);
}

TEST(Lexer, KeepsQuotedTextWhole) {
    EXPECT_THAT(pieces("bp nt!X \"kb; gc\"; g"), ElementsAre("bp nt!X \"kb; gc\"", "g"));
    EXPECT_THAT(pieces("ed nt!poolhittag ' ;bA'; g"), ElementsAre("ed nt!poolhittag ' ;bA'", "g"));
    EXPECT_THAT(pieces(R"(bp x "a \"b;c\" d"; g)"), ElementsAre(R"(bp x "a \"b;c\" d")", "g"));
    EXPECT_THAT(pieces("bp x \"open; end"), ElementsAre("bp x \"open; end"));
}

TEST(Lexer, AnApostropheInsideAWordIsNoQuote) {
    EXPECT_THAT(pieces(".echo don't; .echo won't"), ElementsAre(".echo don't", ".echo won't"));
    EXPECT_THAT(pieces("? 'ab; g"), ElementsAre("? 'ab", "g"));
}

TEST(Lexer, BracesHoldTheirSemicolons) {
    EXPECT_THAT(pieces(".if (1) { r; kb }; g"), ElementsAre(".if (1) { r; kb }", "g"));
}

TEST(Lexer, CommentsAreDropped) {
    EXPECT_THAT(pieces("r; $$ a comment 'x; kb"), ElementsAre("r", "kb"));
    EXPECT_THAT(pieces("r; * all of it; kb"), ElementsAre("r"));
    EXPECT_THAT(pieces("* only"), IsEmpty());
}

TEST(Lexer, SomeCommandsTakeTheRestOfTheLine) {
    EXPECT_THAT(pieces("r; as x kb; g"), ElementsAre("r", "as x kb; g"));
    EXPECT_THAT(pieces(".shell ls; date"), ElementsAre(".shell ls; date"));
    EXPECT_THAT(pieces("$<file;name"), ElementsAre("$<file;name"));
    EXPECT_THAT(pieces("assert; g"), ElementsAre("assert", "g"));
    EXPECT_THAT(pieces("$$><f; g"), ElementsAre("$$><f", "g"));
}

TEST(Lexer, LineEndsSeparateAsSemicolonsDo) {
    EXPECT_THAT(pieces("r\nkb\n\n g"), ElementsAre("r", "kb", "g"));
    EXPECT_THAT(pieces("* a star's line\nkb"), ElementsAre("kb"));
    EXPECT_THAT(pieces("$$ it's a \"note\nkb"), ElementsAre("kb"));
    EXPECT_THAT(pieces("as x kb; g\nr"), ElementsAre("as x kb; g", "r"));
    EXPECT_THAT(pieces(".echo \"open; \nkb"), ElementsAre(".echo \"open;", "kb"));
}

TEST(Lexer, FormsOfAsThatEndAtASemicolon) {
    EXPECT_THAT(pieces("as /x n 1+1; g"), ElementsAre("as /x n 1+1", "g"));
    EXPECT_THAT(pieces("aS n kb; g"), ElementsAre("aS n kb", "g"));
    EXPECT_THAT(pieces("as /c n kb; g"), ElementsAre("as /c n kb; g"));
}

TEST(Lexer, JTakesTheRestOfTheLine) {
    EXPECT_THAT(pieces("j (@eax=1) 'kb;gc'; 'gc'\nr"), ElementsAre("j (@eax=1) 'kb;gc'; 'gc'", "r"));
    EXPECT_THAT(pieces("j(1) 'a'; 'b'"), ElementsAre("j(1) 'a'; 'b'"));
}

TEST(Lexer, AControlTokenReachesToTheEndOfItsBlocks) {
    EXPECT_THAT(pieces(".if (1) {a;b} .else {c} d"), ElementsAre(".if (1) {a;b} .else {c}", "d"));
    // As the lines of a script are joined.
    EXPECT_THAT(pieces(".if (1);{;a;};.elsif (2);{;b;};.else;{;c;};d"),
                ElementsAre(".if (1);{;a;};.elsif (2);{;b;};.else;{;c;}", "d"));
    EXPECT_THAT(pieces(".for (a;\n b;\n c)\n{\n d\n}\ne"), ElementsAre(".for (a;\n b;\n c)\n{\n d\n}", "e"));
    EXPECT_THAT(pieces(".do {a} (b); c"), ElementsAre(".do {a} (b)", "c"));
    EXPECT_THAT(pieces(".foreach (x {a;b}) {c}; d"), ElementsAre(".foreach (x {a;b}) {c}", "d"));
    EXPECT_THAT(pieces(".if ${x} {a}; b"), ElementsAre(".if ${x} {a}", "b"));
    EXPECT_THAT(pieces(".if (1) {.if (2) {a}}.else{b}"), ElementsAre(".if (1) {.if (2) {a}}.else{b}"));
}

TEST(Lexer, AsManyBranchesAsAProgramMayWrite) {
    std::string text = ".if (0) {a}";
    for (int i = 0; i < 20'000; ++i)
        text += " .elsif (0) {b}";
    text += " .else {c}";
    EXPECT_THAT(pieces(text + "; d"), ElementsAre(text, "d"));
    EXPECT_THAT(pieces(".if (0) {a} .elsif (1); b"), ElementsAre(".if (0) {a} .elsif (1); b"));
}

TEST(Lexer, WithoutABlockAControlTokenIsAPlainCommand) {
    EXPECT_THAT(pieces(".if (1); kb"), ElementsAre(".if (1)", "kb"));
    EXPECT_THAT(pieces(".if (1) {a; kb"), ElementsAre(".if (1) {a; kb"));
    EXPECT_THAT(pieces("}; kb"), ElementsAre("}", "kb"));
    EXPECT_THAT(pieces(".else {a}; b"), ElementsAre(".else {a}", "b"));
}

TEST(Lexer, QuotesAndCommentsInBlocks) {
    EXPECT_THAT(pieces(".if (1) {.echo \"}\"; a}; b"), ElementsAre(".if (1) {.echo \"}\"; a}", "b"));
    EXPECT_THAT(pieces(".if (1) {\n$$ it's \"open\na\n}\nb"), ElementsAre(".if (1) {\n$$ it's \"open\na\n}", "b"));
    EXPECT_THAT(pieces(".if (1) { a; $$ note }; b"), ElementsAre(".if (1) { a; $$ note }", "b"));
}

TEST(Lexer, SplitsAtSemicolonsOutsideOfBrackets) {
    EXPECT_THAT(split_semicolons("r $t0=0; (a;b) < 1; c; d", 3), ElementsAre("r $t0=0", " (a;b) < 1", " c; d"));
    EXPECT_THAT(split_semicolons("a;b", 3), ElementsAre("a", "b"));
    EXPECT_THAT(split_semicolons("", 3), ElementsAre(""));
}

} // namespace
} // namespace poolkd::debugger

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

} // namespace
} // namespace poolkd::debugger

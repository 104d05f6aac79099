#include "render/characters.h"

#include <gtest/gtest.h>

namespace poolkd::render {
namespace {

TEST(TerminalText, LeavesWhatIsOnlyShown) {
    for (std::string_view text :
         {"", "nt!ExAllocatePoolWithTag+0x12\n", "a\tb\r\n", "\xc3\xa4 \xe2\x96\x88 \xf0\x9f\x98\x80"})
        EXPECT_EQ(terminal_text(text), text);
}

TEST(TerminalText, TakesAwayWhatSteersATerminal) {
    using namespace std::string_view_literals;
    EXPECT_EQ(terminal_text("\x1b[2J\x1b]0;title\x07name"), ".[2J.]0;title.name");
    EXPECT_EQ(terminal_text("a\0b\x7f\x08"sv), "a.b..");
    EXPECT_EQ(terminal_text("safe\rother"), "safe.other") << "would overwrite the line";
    EXPECT_EQ(terminal_text("safe\r"), "safe") << "the next piece would overwrite the line";
    EXPECT_EQ(terminal_text("safe\r") + terminal_text("\nnext"), "safe\nnext") << "a line end in two pieces";
    EXPECT_EQ(terminal_text("\xc2\x9b"
                            "2J"),
              ".2J")
        << "control characters of eight bits";
    EXPECT_EQ(terminal_text("\x9b"
                            "2J\xff\xc3"),
              ".2J..")
        << "no UTF-8";
    EXPECT_EQ(terminal_text("\xe2\x80\xae"
                            "cod.exe"),
              ".cod.exe")
        << "turns the direction of writing";
    EXPECT_EQ(terminal_text("\xe0\x80\x80"), "...") << "longer than it need be";
}

} // namespace
} // namespace poolkd::render

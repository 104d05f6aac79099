#include "support/session_fixture.h"

namespace poolkd {
namespace {

constexpr VirtAddr data{0xfffff8047ac15e40};

/// The bytes and layouts of commands.md section 5.1.
class MemoryCommands : public testing::SessionFixture {
  protected:
    MemoryCommands() {
        memory().put(data,
                     {0x5a, 0x65, 0x74, 0x61, 0x00, 0x01, 0x02, 0x03, 0x90, 0x90, 0xcc, 0xc3, 0x20, 0x74, 0x61, 0x67});
        symbols->add("PoolHitTag", 0x1000);
        memory().put(kernel_base + 0x1000, "Zta ");
    }
};

TEST_F(MemoryCommands, DbAsThePagePrintsIt) {
    EXPECT_EQ(run("db nt!poolhittag L4"), "fffff804`00001000  5a 74 61 20                                      Zta \n");
    EXPECT_EQ(run("db fffff804`7ac15e40 L20"),
              "fffff804`7ac15e40  5a 65 74 61 00 01 02 03-90 90 cc c3 20 74 61 67  Zeta........ tag\n"
              "fffff804`7ac15e50  00 00 00 00 00 00 00 00-00 00 00 00 00 00 00 00  ................\n");
}

TEST_F(MemoryCommands, TheBlankAfterTheNameIsOptional) {
    EXPECT_EQ(run("dbfffff8047ac15e40 l1").substr(0, 21), "fffff804`7ac15e40  5a");
    EXPECT_EQ(run("DB fffff8047ac15e40 L1").substr(0, 21), "fffff804`7ac15e40  5a");
}

TEST_F(MemoryCommands, WordsOfEverySize) {
    EXPECT_EQ(run("dw fffff804`7ac15e40 L3"), "fffff804`7ac15e40  655a 6174 0100\n");
    EXPECT_EQ(run("dd fffff804`7ac15e40 L4"), "fffff804`7ac15e40  6174655a 03020100 c3cc9090 67617420\n");
    EXPECT_EQ(run("dq fffff804`7ac15e40 L2"), "fffff804`7ac15e40  03020100`6174655a 67617420`c3cc9090\n");
    EXPECT_EQ(run("dp fffff804`7ac15e40 L1"), "fffff804`7ac15e40  03020100`6174655a\n");
    EXPECT_EQ(run("dW fffff804`7ac15e40 L2"), "fffff804`7ac15e40  655a 6174                                Zeta\n");
    EXPECT_EQ(run("dc nt!PoolHitTag L1"), "fffff804`00001000  2061745a                             Zta \n");
}

TEST_F(MemoryCommands, FloatingPointNumbers) {
    memory().put_value(data, 1.5F);
    EXPECT_EQ(run("df fffff804`7ac15e40 L1"), "fffff804`7ac15e40               1.5\n");
    memory().put_value(data, -2.25);
    EXPECT_EQ(run("dD fffff804`7ac15e40 L1"), "fffff804`7ac15e40                   -2.25\n");
}

TEST_F(MemoryCommands, AnOddCountEndsInTheMiddleOfARow) {
    EXPECT_EQ(run("dd fffff804`7ac15e40 L5"), "fffff804`7ac15e40  6174655a 03020100 c3cc9090 67617420\n"
                                              "fffff804`7ac15e50  00000000\n");
    EXPECT_EQ(run("db fffff804`7ac15e40 L9").substr(0, 45), "fffff804`7ac15e40  5a 65 74 61 00 01 02 03-90");
}

TEST_F(MemoryCommands, ColumnsCanBeChosen) {
    EXPECT_EQ(run("dd /c 2 fffff804`7ac15e40 L4"), "fffff804`7ac15e40  6174655a 03020100\n"
                                                   "fffff804`7ac15e48  c3cc9090 67617420\n");
    EXPECT_NE(run("dd /c 0 fffff804`7ac15e40").find("^ Range error in"), std::string::npos);
}

TEST_F(MemoryCommands, DefaultCounts) {
    auto rows = [&](std::string_view command) { return std::ranges::count(run(command), '\n'); };
    EXPECT_EQ(rows("db fffff804`7ac15e40"), 8);
    EXPECT_EQ(rows("dw fffff804`7ac15e40"), 8);
    EXPECT_EQ(rows("dd fffff804`7ac15e40"), 8);
    EXPECT_EQ(rows("dq fffff804`7ac15e40"), 8);
    EXPECT_EQ(rows("dps fffff804`7ac15e40"), 16);
    EXPECT_EQ(rows("dds fffff804`7ac15e40"), 32);
}

TEST_F(MemoryCommands, WordsWithSymbols) {
    symbols->add("ExAllocatePoolWithTag", 0x2000, true);
    memory().put_value<std::uint64_t>(data, kernel_base.value + 0x202b);
    memory().put_value<std::uint64_t>(data + 8, 0x200);
    EXPECT_EQ(run("dps fffff804`7ac15e40 L2"), "fffff804`7ac15e40  fffff804`0000202b nt!ExAllocatePoolWithTag+0x2b\n"
                                               "fffff804`7ac15e48  00000000`00000200\n");
    EXPECT_EQ(run("dqs fffff804`7ac15e48 L1"), "fffff804`7ac15e48  00000000`00000200\n");
    EXPECT_EQ(run("dds fffff804`7ac15e48 L1"), "fffff804`7ac15e48  00000200\n");
}

TEST_F(MemoryCommands, WordsAndWhatTheyPointAt) {
    memory().put_value<std::uint64_t>(data, data.value + 0x100);
    memory().put(data + 0x100, std::string_view("Zeta\0", 5));
    EXPECT_EQ(run("dpa fffff804`7ac15e40 L1"), "fffff804`7ac15e40  fffff804`7ac15f40 \"Zeta\"\n");
    EXPECT_EQ(run("dpp fffff804`7ac15e40 L1"), "fffff804`7ac15e40  fffff804`7ac15f40 00000000`6174655a\n");
    memory().put(data + 0x100, {'Z', 0, 't', 0, 0, 0});
    EXPECT_EQ(run("dpu fffff804`7ac15e40 L1"), "fffff804`7ac15e40  fffff804`7ac15f40 \"Zt\"\n");
    memory().put_value<std::uint64_t>(data, 0x10);
    EXPECT_EQ(run("dpa fffff804`7ac15e40 L1"), "fffff804`7ac15e40  00000000`00000010\n");
}

TEST_F(MemoryCommands, Strings) {
    memory().put(data, std::string_view("Zeta\x01 driver\0next", 17));
    EXPECT_EQ(run("da fffff804`7ac15e40"), "fffff804`7ac15e40  \"Zeta. driver\"\n");
    EXPECT_EQ(run("da fffff804`7ac15e40 L4"), "fffff804`7ac15e40  \"Zeta\"\n");
    memory().put(data, {'P', 0, 'o', 0, 'o', 0, 'l', 0, 0, 0});
    EXPECT_EQ(run("du fffff804`7ac15e40"), "fffff804`7ac15e40  \"Pool\"\n");
    memory().put(data, std::string(50, 'x') + std::string(1, '\0'));
    EXPECT_EQ(run("da fffff804`7ac15e40"), "fffff804`7ac15e40  \"" + std::string(48, 'x') +
                                               "\"\n"
                                               "fffff804`7ac15e70  \"xx\"\n");
}

TEST_F(MemoryCommands, MemoryThatIsNotThereShowsAsQuestionMarks) {
    EXPECT_EQ(run("db 0 L4"), "00000000`00000000  ?? ?? ?? ??                                      ????\n");
    EXPECT_FALSE(failed);
    EXPECT_EQ(run("dd 0 L2"), "00000000`00000000  ???????? ????????\n");
    EXPECT_EQ(run("dq 0 L1"), "00000000`00000000  ????????`????????\n");
    EXPECT_EQ(run("dps 0 L1"), "00000000`00000000  ????????`????????\n");
    EXPECT_EQ(run("da 0"), "00000000`00000000  \"" + std::string(48, '?') + "\"\n");
}

TEST_F(MemoryCommands, AWordAcrossTheEndOfMemoryIsUnreadableAsAWhole) {
    memory().put(VirtAddr(0x1ff8), "ABCDEFGH");
    EXPECT_EQ(run("db 1ffe L4"), "00000000`00001ffe  47 48 ?? ??                                      GH??\n");
    EXPECT_EQ(run("dd 1ffe L1"), "00000000`00001ffe  ????????\n");
    EXPECT_EQ(run("dc 1ffe L1"), "00000000`00001ffe  ????????                             GH??\n");
}

TEST_F(MemoryCommands, AHoleInTheMiddleDoesNotHideWhatFollows) {
    memory().put(VirtAddr(0x1000), std::string(0x1000, 'a'));
    memory().put(VirtAddr(0x3000), std::string(0x10, 'c'));
    std::string text = run("dd 1ff8 L?804");
    EXPECT_TRUE(text.starts_with("00000000`00001ff8  61616161 61616161 ???????? ????????\n")) << text;
    EXPECT_TRUE(text.ends_with("00000000`00003ff8  00000000 00000000 ???????? ????????\n") ||
                text.ends_with("63636363 63636363\n"))
        << text.substr(text.size() - 60);
}

TEST_F(MemoryCommands, WithoutARangeTheDisplayGoesOn) {
    target->edit_registers().set_ip(data);
    EXPECT_TRUE(run("db").starts_with("fffff804`7ac15e40  5a 65")) << "first use: the instruction pointer";
    EXPECT_TRUE(run("").starts_with("fffff804`7ac15ec0  ")) << "an empty line continues";
    EXPECT_TRUE(
        run("dd fffff804`7ac15e40 L4; d").ends_with("fffff804`7ac15ec0  00000000 00000000 00000000 00000000\n"));
    EXPECT_EQ(run("dd fffff804`7ac15e40 L1;? $p"), "fffff804`7ac15e40  6174655a\n"
                                                   "Evaluate expression: 1635018074 = 00000000`6174655a\n");
}

TEST_F(MemoryCommands, RangeErrors) {
    EXPECT_EQ(run("db 0 L10000001"), "         ^ Range error in 'db 0 L10000001'\n");
    EXPECT_TRUE(failed);
    EXPECT_EQ(run("db 1000 L4 5"), "               ^ Extra character error in 'db 1000 L4 5'\n");
    EXPECT_EQ(run("db nt!nosuch L4"), "Couldn't resolve error at 'nt!nosuch L4'\n");
}

TEST_F(MemoryCommands, PhysicalMemory) {
    target->physical_memory().put(PhysAddr(0x3000), "Phys");
    EXPECT_EQ(run("db /p 3000 L4"), "00000000`00003000  50 68 79 73                                      Phys\n");
    EXPECT_EQ(run("dd /p[uc] 3000 L1"), "00000000`00003000  73796850\n");
    EXPECT_EQ(run("!dd 3000 L1"), "#     3000 73796850\n");
    EXPECT_EQ(run("!db [c] 3000 L2").substr(0, 16), "#     3000 50 68");
    EXPECT_EQ(run("db 3000 L1").substr(19, 2), "??") << "virtual memory is another space";
}

TEST_F(MemoryCommands, LongDisplaysStopOnRequest) {
    memory().map(VirtAddr(0x100000), 0x100000);
    // The first row asks for the stop, as Ctrl-C would in the middle of the output.
    class Stopper final : public debugger::Output {
      public:
        debugger::Session* session = nullptr;
        std::size_t rows = 0;
        void write(std::string_view) override {
            if (++rows == 10) session->work().request_stop();
        }
    } stopper;
    debugger::Session other(stopper, table);
    stopper.session = &other;
    auto fake = std::make_unique<testing::FakeTarget>();
    fake->virtual_memory().map(VirtAddr(0x100000), 0x100000);
    other.attach(std::make_unique<debugger::Debuggee>(std::move(fake), [](nt::Module&) {}, ""));
    EXPECT_FALSE(other.execute_line("db 100000 L100000"));
    EXPECT_LT(stopper.rows, 13u);
    EXPECT_TRUE(other.execute_line("db 100000 L1")) << "the next command runs again";
}

TEST_F(MemoryCommands, EdWithACharacterConstantPrintsNothing) {
    EXPECT_EQ(run("ed nt!poolhittag ' cbA'"), "");
    EXPECT_FALSE(failed);
    EXPECT_EQ(memory().value<std::uint32_t>(kernel_base + 0x1000), 0x20636241u);
    EXPECT_EQ(run("db nt!poolhittag L4"), "fffff804`00001000  41 62 63 20                                      Abc \n");
}

TEST_F(MemoryCommands, ValuesGoToSuccessiveElements) {
    EXPECT_EQ(run("eb fffff8047ac15e40 90 'Z' 1+1"), "");
    EXPECT_EQ(run("ew fffff8047ac15e44 1234 5678"), "");
    EXPECT_EQ(run("db fffff8047ac15e40 L8").substr(19, 23), "90 5a 02 61 34 12 78 56");
    EXPECT_EQ(run("eq fffff8047ac15e40 11223344`55667788"), "");
    EXPECT_EQ(memory().value<std::uint64_t>(data), 0x1122334455667788u);
    EXPECT_EQ(run("ep fffff8047ac15e40 (-1)"), "");
    EXPECT_EQ(memory().value<std::uint64_t>(data), ~0ull);
    EXPECT_EQ(run("ed fffff8047ac15e40 ffffff0f"), "") << "a sign-extended constant fits";
    EXPECT_EQ(memory().value<std::uint64_t>(data), 0xffffffffffffff0fu);
    EXPECT_EQ(run("e fffff8047ac15e44 1"), "") << "as the last e* did";
    EXPECT_EQ(memory().value<std::uint64_t>(data), 0x00000001ffffff0fu);
}

TEST_F(MemoryCommands, ValuesThatDoNotFitAreRefusedAndNothingIsWritten) {
    EXPECT_EQ(run("eb nt!poolhittag 1 ' cbA'"),
              "                       ^ Overflow error in 'eb nt!poolhittag 1 ' cbA''\n");
    EXPECT_TRUE(failed);
    EXPECT_EQ(memory().value<std::uint32_t>(kernel_base + 0x1000), 0x2061745au);
    run("eb nt!poolhittag 100");
    EXPECT_TRUE(failed);
}

TEST_F(MemoryCommands, WritesThatFailSaySo) {
    EXPECT_EQ(run("ed 0 1"), "          ^ Memory access error in 'ed 0 1'\n");
    EXPECT_TRUE(failed);
    target->set_writable(false);
    run("ed nt!poolhittag 0");
    EXPECT_TRUE(failed);
    EXPECT_EQ(memory().value<std::uint32_t>(kernel_base + 0x1000), 0x2061745au);
    EXPECT_NE(run("ed /p 1000 1").find("journal"), std::string::npos);
}

TEST_F(MemoryCommands, EnteredText) {
    EXPECT_EQ(run("ea fffff8047ac15e40 \"a b\""), "");
    EXPECT_EQ(run("db fffff8047ac15e40 L4").substr(19, 11), "61 20 62 61");
    EXPECT_EQ(run("eza fffff8047ac15e40 \"Q\""), "");
    EXPECT_EQ(memory().value<std::uint16_t>(data), 0x0051);
    EXPECT_EQ(run("ezu fffff8047ac15e40 \"\xc3\xa9\""), "");
    EXPECT_EQ(memory().value<std::uint32_t>(data), 0x000000e9u);
    run("ea fffff8047ac15e40 unquoted");
    EXPECT_TRUE(failed);
}

TEST_F(MemoryCommands, WithoutValuesItAsks) {
    std::vector<std::string> answers{"11", " ", "33", ""};
    std::size_t asked = 0;
    session.set_ask_line([&](std::string_view prompt) -> std::optional<std::string> {
        EXPECT_EQ(prompt, "Input> ");
        return answers.at(asked++);
    });
    EXPECT_EQ(run("eb fffff8047ac15e40"), "fffff804`7ac15e40 5a\nfffff804`7ac15e41 65\nfffff804`7ac15e42 74\n"
                                          "fffff804`7ac15e43 61\n");
    EXPECT_EQ(asked, 4u);
    EXPECT_EQ(memory().value<std::uint32_t>(data), 0x61336511u);
}

TEST_F(MemoryCommands, SearchFindsTextAndShowsTheRow) {
    memory().put(data + 0x21, "Zta ");
    EXPECT_EQ(run("s -a fffff804`7ac15e40 L100 \"Zta \""),
              "fffff804`7ac15e61  5a 74 61 20 00 00 00 00-00 00 00 00 00 00 00 00  Zta ............\n");
    EXPECT_EQ(run("s-[1]a fffff804`7ac15e40 L100 \"Zta \""), "fffff804`7ac15e61\n");
    EXPECT_EQ(run("s fffff804`7ac15e40 L100 5a 't' 61 20").substr(0, 17), "fffff804`7ac15e61");
    EXPECT_EQ(run("s -d fffff804`7ac15e40 L40 ' atZ'"), "") << "words must be aligned";
    memory().put(data + 0x24, "Zta ");
    EXPECT_EQ(run("s -d fffff804`7ac15e40 L40 ' atZ'"),
              "fffff804`7ac15e64  2061745a 00000000 00000000 00000000  Zta ............\n");
}

TEST_F(MemoryCommands, OverlappingHitsAndHitsAcrossPiecesAreFound) {
    memory().put(data, "aaaa");
    EXPECT_EQ(std::ranges::count(run("s-[1]b fffff804`7ac15e40 L4 61 61"), '\n'), 3);
    memory().map(VirtAddr(0x100000), 0x30000);
    memory().put(VirtAddr(0x10fffe), "needle");
    EXPECT_EQ(run("s-[1]a 100000 L30000 needle"), "00000000`0010fffe\n");
}

TEST_F(MemoryCommands, SearchTellsWhatItCouldNotRead) {
    memory().put(VirtAddr(0x1000), "x");
    memory().put(VirtAddr(0x3000), "needle");
    std::string text = run("s -a 1000 L3000 \"needle\"");
    EXPECT_TRUE(text.starts_with("00000000`00003000  6e 65")) << text;
    EXPECT_TRUE(text.ends_with("Partial: 4096 of 12288 bytes not used (unmapped: 4096).\n")) << text;
    memory().unmap(VirtAddr(0x3000));
    memory().put(VirtAddr(0x4000), "t");
    EXPECT_EQ(run("s -[1]b 1000 L4000 0 0 0 0 0").find("00000000`00002"), std::string::npos)
        << "holes are not taken for zeros";
}

TEST_F(MemoryCommands, SearchForAnyText) {
    memory().put(VirtAddr(0x1000), std::string_view("\x01"
                                                    "ab\0hello\0",
                                                    10));
    EXPECT_EQ(run("s -sa 1000 L20"), "00000000`00001004  \"hello\"\n");
    EXPECT_EQ(run("s -[l2]sa 1000 L20"), "00000000`00001001  \"ab\"\n00000000`00001004  \"hello\"\n");
    memory().put(VirtAddr(0x2000), {'w', 0, 'i', 0, 'd', 0, 'e', 0, 0, 0});
    EXPECT_EQ(run("s -su 2000 L10"), "00000000`00002000  \"wide\"\n");
    EXPECT_EQ(run("s -u 2000 L10 \"id\"").substr(0, 17), "00000000`00002002");
}

TEST_F(MemoryCommands, SearchRefusesWhatItDoesNotKnow) {
    EXPECT_NE(run("s -z 1000 L10 1").find("^ Syntax error"), std::string::npos);
    EXPECT_NE(run("s -[w]b 1000 L10 1").find("not supported"), std::string::npos);
    EXPECT_NE(run("s 1000 L10").find("^ Syntax error"), std::string::npos);
    EXPECT_NE(run("s 0 L10000001 1").find("^ Range error"), std::string::npos);
}

} // namespace
} // namespace poolkd

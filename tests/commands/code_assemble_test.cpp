#include "support/session_fixture.h"

#include <nlohmann/json.hpp>

namespace poolkd {
namespace {

using ::testing::HasSubstr;

constexpr VirtAddr site{0xfffff80400001100};

class AssembleCommand : public testing::SessionFixture {
  protected:
    AssembleCommand() {
        symbols->add("ExAllocatePoolWithTag", 0x2000, true);
        symbols->add("Site", 0x1100, true);
        symbols->add("Counter", 0x3000);
        // mov r8d,2061745Ah; mov edx,3B0h; ret
        memory().put(site, {0x41, 0xb8, 0x5a, 0x74, 0x61, 0x20, 0xba, 0xb0, 0x03, 0x00, 0x00, 0xc3});
    }
    std::string bytes_at(std::uint64_t offset, unsigned count) {
        return run(fmt::format("db nt!Site+{:x} L{:x}", offset, count)).substr(19, count * 3 - 1);
    }
};

TEST_F(AssembleCommand, OneLineIsWrittenShownAndUndone) {
    EXPECT_EQ(run("a nt!Site mov r8d,3161745Ah"), "fffff804`00001100 41b85a746131    mov     r8d,3161745Ah\n");
    EXPECT_EQ(bytes_at(0, 6), "41 b8 5a 74 61 31");
    EXPECT_THAT(run(".writes"), HasSubstr("a mov r8d,3161745Ah"));
    run(".undo");
    EXPECT_EQ(bytes_at(0, 6), "41 b8 5a 74 61 20");
}

TEST_F(AssembleCommand, NamesAndNumbersAreExpressions) {
    EXPECT_THAT(run("a nt!Site call nt!ExAllocatePoolWithTag"),
                HasSubstr("e8fb0e0000      call    nt!ExAllocatePoolWithTag (fffff804`00002000)\n"));
    EXPECT_THAT(run("a nt!Site+6 mov edx,0n16"), HasSubstr("mov     edx,10h"));
    EXPECT_THAT(run("a nt!Site+6 inc dword ptr [nt!Counter]"),
                HasSubstr("inc     dword ptr [nt!Counter (fffff804`00003000)]"));
    EXPECT_THAT(run("a nt!Site mov rax,80000000"), HasSubstr("mov     rax,80000000h")) << "no address, not extended";
    EXPECT_THAT(run("a nt!Site jmp nt!Nowhere"), HasSubstr("Couldn't resolve error at 'nt!Nowhere'"));
    EXPECT_TRUE(failed);
}

TEST_F(AssembleCommand, WhatIsLeftOfTheOldInstructionIsTold) {
    EXPECT_THAT(run("a nt!Site xor r8d,r8d"), HasSubstr("Of the old instruction 3 bytes are left behind it"));
    EXPECT_THAT(run("a (nt!Site + 6) and edx,edx"), HasSubstr("fffff804`00001106 21d2"));
    run(".undo");
    EXPECT_THAT(run("a nt!Site+6 mov edx,1"), ::testing::Not(HasSubstr("left behind")));
}

TEST_F(AssembleCommand, LineAfterLineUntilAnEmptyOne) {
    std::vector<std::string> prompts, lines{"nop", "frobnicate", "  push rax ", "", "nop"};
    std::size_t next = 0;
    session.set_ask_line([&](std::string_view prompt) -> std::optional<std::string> {
        prompts.emplace_back(prompt);
        return lines.at(next++);
    });
    const std::string out = run("a nt!Site");
    EXPECT_THAT(prompts, ::testing::ElementsAre("fffff804`00001100 ", "fffff804`00001101 ", "fffff804`00001101 ",
                                                "fffff804`00001102 "));
    EXPECT_THAT(out, HasSubstr("'frobnicate' is no instruction"));
    EXPECT_EQ(bytes_at(0, 3), "90 50 5a");
    EXPECT_FALSE(failed);
}

TEST_F(AssembleCommand, ABreakpointIsNotPutIntoTheMiddle) {
    run("bp nt!Site+2");
    EXPECT_THAT(run("a nt!Site mov r8d,1"), HasSubstr("Breakpoint 0 at fffff804`00001102 would be inside"));
    EXPECT_TRUE(failed);
    EXPECT_EQ(bytes_at(0, 6), "41 b8 5a 74 61 20");
    run("bc 0;bp nt!Site");
    EXPECT_THAT(run("a nt!Site mov r8d,1"), HasSubstr("mov     r8d,1"));
}

TEST_F(AssembleCommand, UnreadableMemoryIsLeftAlone) {
    EXPECT_THAT(run("a fffff804`50000000 nop"), HasSubstr("Memory access error at fffff804`50000000"));
    EXPECT_THAT(run("a fffff804`00003ffe mov eax,1"), HasSubstr("Memory access error at fffff804`00004000"));
    EXPECT_THAT(run("a fffff804`00003ffe jmp fffff804`00003ffe"), HasSubstr("ebfe"));
}

TEST_F(AssembleCommand, Json) {
    const auto json = nlohmann::json::parse(run("a nt!Site mov r8d,1 --json"));
    EXPECT_EQ(json["bytes"], "41b801000000");
    EXPECT_EQ(json["before"], "41b85a746120");
    EXPECT_EQ(json["mnemonic"], "mov");
    EXPECT_EQ(json["left_over"], 0);
}

} // namespace
} // namespace poolkd

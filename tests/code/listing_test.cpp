#include "code/function.h"
#include "code/listing.h"
#include "code_machine.h"

#include <gtest/gtest.h>

namespace poolkd::code {
namespace {

using poolkd::testing::CodeMachine;
using poolkd::testing::ImageBuilder;

constexpr VirtAddr base = CodeMachine::kernel_base;

/// Foo at 0x1000 with a branch to a chained piece at 0x3000 and an import call; Bar behind it without tables.
class ListingTest : public ::testing::Test {
  protected:
    void SetUp() override {
        std::uint32_t record = nt.next_record();
        nt.function(0x1000, 0x1019, {0x01, 0x04, 1, 0, 0x04, 0x42, 0, 0});
        nt.function(0x3000, 0x3007,
                    {0x21, 0, 0, 0, 0x00, 0x10, 0, 0, 0x19, 0x10, 0, 0, record & 0xff, record >> 8, 0, 0});
        nt.put(0x1000, {0x48, 0x83, 0xec, 0x28,             // sub rsp,28h
                        0x41, 0xb8, 0x5a, 0x74, 0x61, 0x20, // mov r8d,2061745Ah
                        0x85, 0xc9,                         // test ecx,ecx
                        0x0f, 0x85, 0xee, 0x1f, 0x00, 0x00, // jne 0x3000
                        0x33, 0xc0,                         // xor eax,eax
                        0x48, 0x83, 0xc4, 0x28,             // add rsp,28h
                        0xc3, 0xcc, 0xcc, 0xcc});
        nt.put(0x3000, {0xb8, 0x01, 0x00, 0x00, 0x00, 0xeb, 0x00}); // mov eax,1; jmp behind itself: not in Foo
        nt.put(0x3005, {0xe9, 0x0a, 0xe0, 0xff, 0xff});             // jmp 0x1014 (over the end of the piece)
        nt.put(0x101c, {0xb8, 0x02, 0x00, 0x00, 0x00, 0xc3});       // Bar
        machine.add_symbol("nt", "Foo", 0x1000);
        machine.add_symbol("nt", "Bar", 0x101c);
        machine.add_module("ntoskrnl.exe", base, nt.build());
    }
    static std::vector<std::uint64_t> offsets(const Listing& listing) {
        std::vector<std::uint64_t> out;
        for (const ListingRow& row : listing.rows)
            out.push_back(row.address - base);
        return out;
    }
    ImageBuilder nt;
    CodeMachine machine;
};

TEST_F(ListingTest, LabelsEachSymbol) {
    auto answer = disassemble(machine.kernel(), machine.memory(), base + 0x1012, {.count = 8});
    EXPECT_EQ(offsets(answer.value),
              (std::vector<std::uint64_t>{0x1012, 0x1014, 0x1018, 0x1019, 0x101a, 0x101b, 0x101c, 0x1021}));
    EXPECT_EQ(answer.value.rows[0].label, "nt!Foo+0x12");
    EXPECT_EQ(answer.value.rows[1].label, "");
    EXPECT_EQ(answer.value.rows[6].label, "nt!Bar");
    EXPECT_EQ(answer.value.next, base + 0x1022);
    EXPECT_TRUE(answer.coverage.complete());
}

TEST_F(ListingTest, EndsAtAnAddress) {
    auto answer = disassemble(machine.kernel(), machine.memory(), base + 0x1000, {.count = 8, .end = base + 0x100a});
    EXPECT_EQ(offsets(answer.value), (std::vector<std::uint64_t>{0x1000, 0x1004, 0x100a}));
}

TEST_F(ListingTest, BadBytesAndHoles) {
    machine.memory().put(base + 0x9ffe, {0x90, 0x06});
    auto answer = disassemble(machine.kernel(), machine.memory(), base + 0x9ffe, {.count = 8});
    ASSERT_EQ(answer.value.rows.size(), 3u);
    EXPECT_TRUE(answer.value.rows[0].instruction);
    EXPECT_FALSE(answer.value.rows[1].instruction);
    EXPECT_EQ(answer.value.rows[1].byte, std::byte{0x06});
    EXPECT_FALSE(answer.value.rows[2].byte);
    EXPECT_FALSE(answer.coverage.complete());
    EXPECT_EQ(answer.value.next, base + 0xa000);
    auto on = disassemble(machine.kernel(), machine.memory(), base + 0x9ffe, {.count = 8, .past_holes = true});
    EXPECT_EQ(on.value.rows.size(), 8u);
}

TEST_F(ListingTest, BackwardsFromAFunctionsStart) {
    auto answer = disassemble_before(machine.kernel(), machine.memory(), base + 0x1012, 2);
    ASSERT_TRUE(answer);
    EXPECT_EQ(offsets(answer->value), (std::vector<std::uint64_t>{0x100a, 0x100c}));
    EXPECT_EQ(answer->value.rows[0].label, "nt!Foo+0xa");
}

TEST_F(ListingTest, BackwardsAcrossFunctions) {
    auto answer = disassemble_before(machine.kernel(), machine.memory(), base + 0x1021, 4);
    ASSERT_TRUE(answer);
    EXPECT_EQ(offsets(answer->value), (std::vector<std::uint64_t>{0x1019, 0x101a, 0x101b, 0x101c}));
    EXPECT_EQ(answer->value.rows[3].label, "nt!Bar");
}

TEST_F(ListingTest, BackwardsWithoutAnyModule) {
    VirtAddr there{0xffffa00000001000};
    for (std::uint64_t i = 1; i <= 128; ++i)
        machine.memory().put(there - i, {0xcc}); // what linkers fill gaps with
    machine.memory().put(there, {0x48, 0x83, 0xec, 0x28, 0x41, 0xb8, 0x5a, 0x74, 0x61, 0x20, 0xba, 0xb0, 0x03,
                                 0x00, 0x00, 0xb9, 0x00, 0x02, 0x00, 0x00, 0xff, 0x15, 0x45, 0x2e, 0x00, 0x00});
    auto answer = disassemble_before(machine.kernel(), machine.memory(), there + 26, 4);
    ASSERT_TRUE(answer);
    ASSERT_EQ(answer->value.rows.size(), 4u);
    EXPECT_EQ(answer->value.rows[0].instruction->operands, "r8d,2061745Ah");
    EXPECT_EQ(answer->value.rows[3].instruction->kind, InstructionKind::call);
}

TEST_F(ListingTest, BackwardsFromUnmappedMemoryIsAnError) {
    auto answer = disassemble_before(machine.kernel(), machine.memory(), VirtAddr(0xffffb00000000000), 8);
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().kind, ErrorKind::unreadable);
    EXPECT_FALSE(disassemble_before(machine.kernel(), machine.memory(), VirtAddr(0), 8));
    EXPECT_FALSE(disassemble_before(machine.kernel(), machine.memory(), VirtAddr(3), 8));
}

TEST_F(ListingTest, FunctionWithItsPieces) {
    auto answer = analyse_function(machine.kernel(), machine.memory(), base + 0x100c);
    ASSERT_TRUE(answer);
    const FunctionListing& function = answer->value;
    EXPECT_EQ(function.entry, base + 0x1000);
    ASSERT_EQ(function.blocks.size(), 4u);
    EXPECT_EQ(function.blocks[0].label, "nt!Foo");
    EXPECT_EQ(function.blocks[0].instructions.size(), 4u);
    EXPECT_EQ(function.blocks[1].instructions.front().address, base + 0x1012);
    EXPECT_EQ(function.blocks[1].instructions.size(), 1u);
    EXPECT_EQ(function.blocks[2].instructions.front().address, base + 0x1014);
    EXPECT_EQ(function.blocks[3].instructions.front().address, base + 0x3000);
    EXPECT_EQ(function.instructions, 9u);
    EXPECT_FALSE(function.indirect_jumps);
    EXPECT_TRUE(answer->coverage.complete()) << answer->coverage.sentence();
}

TEST_F(ListingTest, FunctionFromAPieceIsTheWholeFunction) {
    auto answer = analyse_function(machine.kernel(), machine.memory(), base + 0x3000);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->value.entry, base + 0x1000);
    EXPECT_EQ(answer->value.instructions, 9u);
}

TEST_F(ListingTest, LeafFunctionBySymbol) {
    auto answer = analyse_function(machine.kernel(), machine.memory(), base + 0x1021);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->value.entry, base + 0x101c);
    EXPECT_EQ(answer->value.instructions, 2u);
}

TEST_F(ListingTest, FunctionThatCannotBeRead) {
    auto answer = analyse_function(machine.kernel(), machine.memory(), VirtAddr(0xffffb00000000000));
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().kind, ErrorKind::unreadable);
}

} // namespace
} // namespace poolkd::code

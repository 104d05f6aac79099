#include "code/decoder.h"
#include "code/effective_address.h"
#include "support/fake_target.h"

#include <gtest/gtest.h>

namespace poolkd::code::decoder_test {
namespace {

constexpr VirtAddr here{0xfffff80001000000};

ByteVector bytes_from_hex(std::string_view hex) {
    ByteVector out;
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
        out.push_back(static_cast<std::byte>(std::stoul(std::string(hex.substr(i, 2)), nullptr, 16)));
    return out;
}

std::string name_some(VirtAddr address) {
    if (address == VirtAddr(0xfffff80001000006)) return "nt!ExAllocatePoolWithTag";
    if (address == VirtAddr(0xfffff80001000008)) return "leaky!_imp_ExAllocatePoolWithTag";
    return {};
}

Instruction decode_hex(std::string_view hex) {
    auto instruction = decode(x64_machine(), bytes_from_hex(hex), here, name_some);
    EXPECT_TRUE(instruction) << hex;
    return instruction ? *instruction : Instruction{};
}

std::string text(std::string_view hex) {
    Instruction instruction = decode_hex(hex);
    return instruction.operands.empty() ? instruction.mnemonic : instruction.mnemonic + " " + instruction.operands;
}

TEST(Decoder, PrintsOperandsAsKd) {
    EXPECT_EQ(text("488bc4"), "mov rax,rsp");
    EXPECT_EQ(text("41b841626320"), "mov r8d,20636241h");
    EXPECT_EQ(text("bab0030000"), "mov edx,3B0h");
    EXPECT_EQ(text("b8aa000000"), "mov eax,0AAh");
    EXPECT_EQ(text("b801000000"), "mov eax,1");
    EXPECT_EQ(text("4883ec28"), "sub rsp,28h");
    EXPECT_EQ(text("83c8ff"), "or eax,0FFFFFFFFh");
    EXPECT_EQ(text("6683f8ff"), "cmp ax,0FFFFh");
    EXPECT_EQ(text("4883c480"), "add rsp,0FFFFFFFFFFFFFF80h");
    EXPECT_EQ(text("48895c2408"), "mov qword ptr [rsp+8],rbx");
    EXPECT_EQ(text("48c7442420ffffffff"), "mov qword ptr [rsp+20h],0FFFFFFFFFFFFFFFFh");
    EXPECT_EQ(text("c64580f0"), "mov byte ptr [rbp-80h],0F0h");
    EXPECT_EQ(text("0fb60408"), "movzx eax,byte ptr [rax+rcx]");
    EXPECT_EQ(text("8b4488fc"), "mov eax,dword ptr [rax+rcx*4-4]");
    EXPECT_EQ(text("65488b042588010000"), "mov rax,qword ptr gs:[188h]");
    EXPECT_EQ(text("488d4c2430"), "lea rcx,[rsp+30h]");
    EXPECT_EQ(text("685a746120"), "push 2061745Ah");
    EXPECT_EQ(text("c20800"), "ret 8");
}

TEST(Decoder, PrintsMnemonicsAsKd) {
    EXPECT_EQ(text("cc"), "int 3");
    EXPECT_EQ(text("cd2c"), "int 2Ch");
    EXPECT_EQ(text("c3"), "ret");
    EXPECT_EQ(text("7404"), "je nt!ExAllocatePoolWithTag (fffff800`01000006)");
    EXPECT_EQ(text("7504"), "jne nt!ExAllocatePoolWithTag (fffff800`01000006)");
    EXPECT_EQ(text("7304"), "jae nt!ExAllocatePoolWithTag (fffff800`01000006)");
    EXPECT_EQ(text("7704"), "ja nt!ExAllocatePoolWithTag (fffff800`01000006)");
    EXPECT_EQ(text("7d04"), "jge nt!ExAllocatePoolWithTag (fffff800`01000006)");
    EXPECT_EQ(text("7804"), "js nt!ExAllocatePoolWithTag (fffff800`01000006)");
    EXPECT_EQ(text("0f94c0"), "sete al");
    EXPECT_EQ(text("0f45c1"), "cmovne eax,ecx");
    EXPECT_EQ(text("f00fc101"), "lock xadd dword ptr [rcx],eax");
    EXPECT_EQ(text("f348ab"), "rep stos qword ptr [rdi]");
    EXPECT_EQ(text("f3a4"), "rep movs byte ptr [rdi],byte ptr [rsi]");
    EXPECT_EQ(text("0f1f840000000000"), "nop dword ptr [rax+rax]");
    EXPECT_EQ(text("f20f1001"), "movsd xmm0,mmword ptr [rcx]");
    EXPECT_EQ(text("48cf"), "iretq");
}

TEST(Decoder, NamesTargetsAndSlots) {
    EXPECT_EQ(text("e801000000"), "call nt!ExAllocatePoolWithTag (fffff800`01000006)");
    EXPECT_EQ(text("e800010000"), "call fffff800`01000105");
    EXPECT_EQ(text("ff1502000000"), "call qword ptr [leaky!_imp_ExAllocatePoolWithTag (fffff800`01000008)]");
    EXPECT_EQ(text("48ff2501000000"), "jmp qword ptr [leaky!_imp_ExAllocatePoolWithTag (fffff800`01000008)]");
    EXPECT_EQ(text("8b0502010000"), "mov eax,dword ptr [fffff800`01000108]");
}

TEST(Decoder, GivesFactsForOthers) {
    Instruction call = decode_hex("e801000000");
    EXPECT_EQ(call.kind, InstructionKind::call);
    EXPECT_EQ(call.target, VirtAddr(0xfffff80001000006));
    EXPECT_FALSE(call.immediate);
    Instruction import = decode_hex("ff1502000000");
    EXPECT_EQ(import.kind, InstructionKind::call);
    EXPECT_EQ(import.slot, VirtAddr(0xfffff80001000008));
    EXPECT_FALSE(import.target);
    Instruction tag = decode_hex("41b841626320");
    ASSERT_TRUE(tag.immediate);
    EXPECT_EQ(tag.immediate->value, 0x20636241u);
    EXPECT_EQ(tag.immediate->offset, 2);
    EXPECT_EQ(tag.immediate->size, 4);
    EXPECT_EQ(decode_hex("cc").kind, InstructionKind::breakpoint);
    EXPECT_EQ(decode_hex("cd03").kind, InstructionKind::breakpoint);
    EXPECT_EQ(decode_hex("cd2c").kind, InstructionKind::other);
    EXPECT_EQ(decode_hex("c3").kind, InstructionKind::ret);
    EXPECT_EQ(decode_hex("48cf").kind, InstructionKind::ret);
    EXPECT_EQ(decode_hex("7404").kind, InstructionKind::conditional_jump);
    EXPECT_EQ(decode_hex("ffe1").kind, InstructionKind::jump);
    EXPECT_EQ(decode_hex("488b442408").memory->base, "rsp");
    EXPECT_EQ(decode_hex("488b442408").memory->size, 8);
}

TEST(Decoder, TellsBadBytesFromMissingOnes) {
    auto bad = decode(x64_machine(), bytes_from_hex("06"), here);
    ASSERT_FALSE(bad);
    EXPECT_EQ(bad.error().kind, ErrorKind::malformed);
    auto cut = decode(x64_machine(), bytes_from_hex("41b84162"), here);
    ASSERT_FALSE(cut);
    EXPECT_EQ(cut.error().kind, ErrorKind::unreadable);
    auto none = decode(x64_machine(), {}, here);
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().kind, ErrorKind::unreadable);
}

TEST(Decoder, LongNamesDoNotLoseTheOperand) {
    std::string huge(5000, 'x');
    auto instruction = decode(x64_machine(), bytes_from_hex("e801000000"), here, [&](VirtAddr) { return huge; });
    ASSERT_TRUE(instruction);
    EXPECT_TRUE(instruction->operands.starts_with("xxx"));
    EXPECT_TRUE(instruction->operands.ends_with("... (fffff800`01000006)")) << instruction->operands;
}

class OperandNote : public ::testing::Test {
  protected:
    std::string note(std::string_view hex) { return operand_note(decode_hex(hex), registers, memory, name_some); }
    RegisterFile registers{x64_machine(), ByteVector(x64_machine().context_size)};
    poolkd::testing::FakeMemory memory;
};

TEST_F(OperandNote, ShowsAddressAndValue) {
    registers.set("ds", 0x2b);
    registers.set("ss", 0x18);
    registers.set("rax", 0xfffffa8000001000);
    registers.set("rsp", 0xfffff88000002000);
    memory.put_value(VirtAddr(0xfffffa8000001008), std::uint64_t{0x1122334455667788});
    memory.put_value(VirtAddr(0xfffff88000002008), std::uint32_t{0xabc});
    EXPECT_EQ(note("488b4808"), "ds:002b:fffffa80`00001008=1122334455667788");
    EXPECT_EQ(note("8b442408"), "ss:0018:fffff880`00002008=00000abc");
    EXPECT_EQ(note("488d4808"), "");
    EXPECT_EQ(note("488bc4"), "");
    EXPECT_EQ(note("488b8800000100"), "ds:002b:fffffa80`00011000=????????????????");
    EXPECT_EQ(note("65488b042588010000"), "gs:0000:00000000`00000188=????????????????");
    memory.put_value(VirtAddr(0xfffffa8000001010), std::uint64_t{0xfffff80001000006});
    EXPECT_EQ(note("ff5010"), "ds:002b:fffffa80`00001010={nt!ExAllocatePoolWithTag (fffff800`01000006)}");
}

TEST_F(OperandNote, TellsWhetherABranchIsTaken) {
    EXPECT_EQ(note("7404"), "[br=0]");
    EXPECT_EQ(note("7504"), "[br=1]");
    registers.set("efl", 0x40);
    EXPECT_EQ(note("7404"), "[br=1]");
    EXPECT_EQ(note("0f8404000000"), "[br=1]");
    EXPECT_EQ(note("7e04"), "[br=1]");
    registers.set("efl", 0x80);
    EXPECT_EQ(note("7c04"), "[br=1]");
    EXPECT_EQ(note("7d04"), "[br=0]");
    registers.set("efl", 0x880);
    EXPECT_EQ(note("7c04"), "[br=0]");
    registers.set("efl", 1);
    EXPECT_EQ(note("7204"), "[br=1]");
    EXPECT_EQ(note("7704"), "[br=0]");
    EXPECT_EQ(note("e304"), "[br=1]");
    EXPECT_EQ(note("eb04"), "");
}

} // namespace
} // namespace poolkd::code::decoder_test

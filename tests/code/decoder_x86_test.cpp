#include "code/decoder.h"
#include "code/effective_address.h"
#include "support/fake_target.h"

#include <gtest/gtest.h>

namespace poolkd::code::decoder_x86_test {
namespace {

constexpr VirtAddr here{0xffffffff80549ad0};

ByteVector bytes_from_hex(std::string_view hex) {
    ByteVector out;
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
        out.push_back(static_cast<std::byte>(std::stoul(std::string(hex.substr(i, 2)), nullptr, 16)));
    return out;
}

std::string name_some(VirtAddr address) {
    if (address == VirtAddr(0xffffffff80549ade)) return "nt!ExFreePool";
    if (address == VirtAddr(0xffffffff8054f3a0)) return "nt!PoolHitTag";
    return {};
}

Instruction decode_hex(std::string_view hex) {
    auto instruction = decode(x86_machine(), bytes_from_hex(hex), here, name_some);
    EXPECT_TRUE(instruction) << hex;
    return instruction ? *instruction : Instruction{};
}

std::string text(std::string_view hex) {
    Instruction instruction = decode_hex(hex);
    return instruction.operands.empty() ? instruction.mnemonic : instruction.mnemonic + " " + instruction.operands;
}

TEST(DecoderX86, PrintsOperandsAsKd) {
    EXPECT_EQ(text("8bff"), "mov edi,edi");
    EXPECT_EQ(text("8bec"), "mov ebp,esp");
    EXPECT_EQ(text("6841626320"), "push 20636241h");
    EXPECT_EQ(text("83ec1c"), "sub esp,1Ch");
    EXPECT_EQ(text("83c8ff"), "or eax,0FFFFFFFFh");
    EXPECT_EQ(text("83e4f8"), "and esp,0FFFFFFF8h");
    EXPECT_EQ(text("8b4508"), "mov eax,dword ptr [ebp+8]");
    EXPECT_EQ(text("c745fc00000000"), "mov dword ptr [ebp-4],0");
    EXPECT_EQ(text("a1a0f35480"), "mov eax,dword ptr [nt!PoolHitTag (8054f3a0)]");
    EXPECT_EQ(text("ff35a0f35480"), "push dword ptr [nt!PoolHitTag (8054f3a0)]");
    EXPECT_EQ(text("64a124010000"), "mov eax,dword ptr fs:[00000124h]");
    EXPECT_EQ(text("648b3520000000"), "mov esi,dword ptr fs:[00000020h]");
    EXPECT_EQ(text("c20c00"), "ret 0Ch");
    EXPECT_EQ(text("c9"), "leave");
    EXPECT_EQ(text("cf"), "iretd");
    EXPECT_EQ(text("60"), "pushad");
    EXPECT_EQ(text("9c"), "pushfd");
    EXPECT_EQ(text("40"), "inc eax");
    EXPECT_EQ(text("f3a5"), "rep movs dword ptr es:[edi],dword ptr [esi]");
    EXPECT_EQ(text("f3ab"), "rep stos dword ptr es:[edi]");
    EXPECT_EQ(text("f00fc10da0f35480"), "lock xadd dword ptr [nt!PoolHitTag (8054f3a0)],ecx");
}

TEST(DecoderX86, NamesTheTableOfAnIndexedOperand) {
    EXPECT_EQ(text("8b0c85a0f35480"), "mov ecx,dword ptr nt!PoolHitTag (8054f3a0)[eax*4]");
    EXPECT_EQ(text("ff2495a0f35480"), "jmp dword ptr nt!PoolHitTag (8054f3a0)[edx*4]");
    EXPECT_EQ(text("8a80a0f35480"), "mov al,byte ptr nt!PoolHitTag (8054f3a0)[eax]");
    EXPECT_EQ(text("8b0c8578563412"), "mov ecx,dword ptr [eax*4+12345678h]");
}

TEST(DecoderX86, NamesTheAddressesThatAreConstants) {
    EXPECT_EQ(text("68a0f35480"), "push offset nt!PoolHitTag (8054f3a0)");
    EXPECT_EQ(text("b8de9a5480"), "mov eax,offset nt!ExFreePool (80549ade)");
    EXPECT_EQ(text("c744240449000000"), "mov dword ptr [esp+4],49h");
    EXPECT_EQ(text("b941626320"), "mov ecx,20636241h");
}

TEST(DecoderX86, AddressesAreSignExtended) {
    Instruction call = decode_hex("e809000000");
    EXPECT_EQ(call.target, VirtAddr(0xffffffff80549ade));
    EXPECT_EQ(call.operands, "nt!ExFreePool (80549ade)");
    EXPECT_EQ(text("e800010000"), "call 80549bd5");
    EXPECT_EQ(text("e92b65ab7f"), "jmp 00000000") << "wraps at 4 GiB";
    Instruction import = decode_hex("ff15a0f35480");
    EXPECT_EQ(import.kind, InstructionKind::call);
    EXPECT_EQ(import.slot, VirtAddr(0xffffffff8054f3a0));
    EXPECT_EQ(import.operands, "dword ptr [nt!PoolHitTag (8054f3a0)]");
    Instruction tag = decode_hex("6841626320");
    ASSERT_TRUE(tag.immediate);
    EXPECT_EQ(tag.immediate->value, 0x20636241u);
    EXPECT_EQ(tag.immediate->offset, 1);
    EXPECT_EQ(tag.immediate->size, 4);
}

TEST(DecoderX86, TellsBadBytesFromMissingOnes) {
    EXPECT_EQ(decode(x86_machine(), bytes_from_hex("ffff"), here).error().message,
              "There is no instruction at 80549ad0");
    EXPECT_EQ(decode(x86_machine(), bytes_from_hex("684162"), here).error().kind, ErrorKind::unreadable);
    EXPECT_TRUE(decode(x86_machine(), bytes_from_hex("06"), here)) << "push es, gone in 64-bit mode";
}

TEST(DecoderX86, SaysWhatTheInstructionWillTouch) {
    poolkd::testing::FakeMemory memory;
    RegisterFile registers(x86_machine(), ByteVector(x86_machine().context_size));
    registers.set("ebp", 0xf8ad3c18);
    registers.set("ss", 0x10);
    registers.set("ds", 0x23);
    memory.put_value(VirtAddr(0xfffffffff8ad3c20), std::uint32_t{0x3b0});
    memory.put_value(VirtAddr(0xffffffff8054f3a0), std::uint32_t{0x80549ade});
    EXPECT_EQ(operand_note(decode_hex("8b4508"), registers, memory, name_some), "ss:0010:f8ad3c20=000003b0");
    EXPECT_EQ(operand_note(decode_hex("ff15a0f35480"), registers, memory, name_some),
              "ds:0023:8054f3a0={nt!ExFreePool (80549ade)}");
    registers.set("ecx", 0);
    EXPECT_EQ(operand_note(decode_hex("e304"), registers, memory, name_some), "[br=1]") << "jecxz";
    registers.set("ecx", 1);
    EXPECT_EQ(operand_note(decode_hex("e304"), registers, memory, name_some), "[br=0]");
}

} // namespace
} // namespace poolkd::code::decoder_x86_test

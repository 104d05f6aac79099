#include "code/frame_program.h"
#include "support/fake_target.h"

#include <gtest/gtest.h>

namespace poolkd::code {
namespace {

constexpr std::uint32_t esp_value = 0xf8ad3c00, ebp_value = 0xf8ad3c40;

class FrameProgram : public ::testing::Test {
  protected:
    FrameProgram() {
        registers.machine = &x86_machine();
        registers.gpr[rsp] = esp_value;
        registers.gpr[rbp] = ebp_value;
        memory.map(VirtAddr(0xfffffffff8ad3000), 0x1000);
        word(ebp_value, 0xf8ad3c80);
        word(ebp_value + 4, 0x80401234);
        word(esp_value + 0x10, 0x80405678);
        word(esp_value + 0xc, 0x51);
    }
    void word(std::uint32_t at, std::uint32_t value) { memory.put_value(x86_machine().canonical(at), value); }
    Result<GeneralRegisters> run(std::string_view program) {
        StackReader stack(memory, x86_machine());
        return run_frame_program(program, registers, input, stack);
    }
    std::string error(std::string_view program) {
        auto result = run(program);
        return result ? "" : result.error().message;
    }
    poolkd::testing::FakeMemory memory;
    GeneralRegisters registers;
    FrameProgramInput input{
        .return_slot = esp_value + 0x10, .parameters = 8, .callee_parameters = 4, .locals = 0xc, .saved_registers = 4};
};

TEST_F(FrameProgram, FollowsEbp) {
    auto caller = run("$T0 $ebp = $eip $T0 4 + ^ = $ebp $T0 ^ = $esp $T0 8 + =");
    ASSERT_TRUE(caller) << caller.error().message;
    EXPECT_EQ(caller->ip(), VirtAddr(0xffffffff80401234));
    EXPECT_EQ(caller->gpr[rbp], 0xf8ad3c80u);
    EXPECT_EQ(caller->gpr[rsp], ebp_value + 8);
    EXPECT_EQ(caller->known & (1u << rax), 0u) << "calls may change eax";
}

TEST_F(FrameProgram, FindsTheReturnAddressAndNumberedRegisters) {
    auto caller = run("$T0 .raSearch = $eip $T0 ^ = $esp $T0 4 + =  $23 $T0 4 - ^ =");
    ASSERT_TRUE(caller) << caller.error().message;
    EXPECT_EQ(caller->ip(), VirtAddr(0xffffffff80405678));
    EXPECT_EQ(caller->gpr[rsp], esp_value + 0x14);
    EXPECT_EQ(caller->gpr[rsi], 0x51u);
    EXPECT_EQ(caller->gpr[rbp], ebp_value) << "not touched";
}

TEST_F(FrameProgram, KnowsSizesAndAllOperators) {
    auto caller = run(
        "$T0 $esp 7 + 8 @ .cbCalleeParams + .cbLocals + 4 % $esp + = $eip 3 2 * 12 5 - * = $esp $T0 .cbParams 2 / + =");
    ASSERT_TRUE(caller) << caller.error().message;
    EXPECT_EQ(caller->pc, 42u);
    EXPECT_EQ(caller->gpr[rsp], esp_value + 4u);
    auto aligned = run("$T2 $esp = $T1 .raSearchStart = $eip $T1 ^ = $ebp $ebp -4 + = $esp $T1 4 + =");
    ASSERT_TRUE(aligned) << aligned.error().message;
    EXPECT_EQ(aligned->gpr[rbp], ebp_value - 4);
}

TEST_F(FrameProgram, SaysWhatIsWrong) {
    EXPECT_NE(error("").find("does not lead to a caller"), std::string::npos);
    EXPECT_NE(error("$eip 1 =").find("does not lead to a caller"), std::string::npos);
    EXPECT_NE(error("$eip 1 = $esp 2 = 3").find("leaves values"), std::string::npos);
    EXPECT_NE(error("$eip =").find("value is missing"), std::string::npos);
    EXPECT_NE(error("= = =").find("value is missing"), std::string::npos);
    EXPECT_NE(error("1 2 =").find("no variable"), std::string::npos);
    EXPECT_NE(error("$eip $T5 = $esp 1 =").find("before it sets it"), std::string::npos);
    EXPECT_NE(error("$eip 1 0 / = $esp 1 =").find("divides by zero"), std::string::npos);
    EXPECT_NE(error("$eip 1 3 @ = $esp 1 =").find("power of two"), std::string::npos);
    EXPECT_NE(error("$eip .nonsense = $esp 1 =").find("not known"), std::string::npos);
    EXPECT_NE(error("$eip 99999999999 = $esp 1 =").find("not known"), std::string::npos);
    auto hole = run("$eip 0 ^ = $esp 4 =");
    ASSERT_FALSE(hole);
    EXPECT_EQ(hole.error().kind, ErrorKind::unreadable);
}

TEST_F(FrameProgram, IsBounded) {
    std::string many, deep;
    for (std::size_t i = 0; i < max_frame_program_words; ++i)
        many += "$T0 1 = ";
    for (std::size_t i = 0; i <= max_frame_program_depth; ++i)
        deep += "1 ";
    EXPECT_NE(error(many).find("does not end"), std::string::npos);
    EXPECT_NE(error(deep).find("too many values"), std::string::npos);
}

} // namespace
} // namespace poolkd::code

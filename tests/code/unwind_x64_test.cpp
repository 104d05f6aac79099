#include "code/unwind_x64.h"
#include "code_machine.h"

#include <gtest/gtest.h>

namespace poolkd::code::unwind_x64_test {
namespace {

using poolkd::testing::CodeMachine;
using poolkd::testing::ImageBuilder;

constexpr VirtAddr stack_top{0xfffff88000014000};
constexpr std::uint64_t back = 0xfffff80000005555; // a return address

/// One function at 0x1000 whose frame a test lays out by hand.
class Unwind : public ::testing::Test {
  protected:
    void function(std::initializer_list<unsigned> record) { image.function(0x1000, 0x2000, record); }
    /// The instruction pointer at `offset` in the function, the stack pointer at `sp` and below the words of the stack.
    Result<CallerState> unwind(std::uint32_t offset, std::initializer_list<std::uint64_t> words,
                               bool interrupted = true) {
        machine.add_module("ntoskrnl.exe", CodeMachine::kernel_base, image.build());
        std::uint64_t at = 0;
        for (std::uint64_t word : words)
            machine.push(stack_top + 8 * at++, word);
        registers.pc = (CodeMachine::kernel_base + 0x1000 + offset).value;
        registers.gpr[rsp] = stack_top.value;
        nt::Module& module = machine.kernel().modules().kernel();
        auto tables = UnwindTables::open(*module.image);
        if (!tables) return std::unexpected(tables.error());
        auto entry = tables->find(0x1000 + offset);
        if (!entry || !*entry) return fail(ErrorKind::not_found, "no entry");
        StackReader stack(machine.memory(), x64_machine());
        return unwind_function(*tables, **entry, registers, interrupted, stack,
                               [&](VirtAddr a, MutableBytes out) { return machine.memory().read(a, out).bytes; });
    }
    ImageBuilder image;
    CodeMachine machine;
    GeneralRegisters registers;
};

// Records: version | flags << 3, prolog size, slots, frame register | offset << 4; slots: offset, op | info << 4.

TEST_F(Unwind, PushAndSmallAllocation) {
    function({0x01, 0x06, 2, 0, 0x06, 0x32, 0x02, 0x30}); // push rbx; sub rsp,20h
    auto caller = unwind(0x100, {1, 2, 3, 4, 0xb0b, back, 0x99});
    ASSERT_TRUE(caller) << caller.error().message;
    EXPECT_EQ(caller->registers.pc, back);
    EXPECT_EQ(caller->registers.gpr[rbx], 0xb0bu);
    EXPECT_EQ(caller->registers.gpr[rsp], stack_top.value + 0x30);
    EXPECT_EQ(caller->method, UnwindMethod::unwind_info);
    EXPECT_FALSE(caller->registers.known & (1u << rax));
    EXPECT_TRUE(caller->registers.known & (1u << rbx));
}

TEST_F(Unwind, PrologIsUndoneAsFarAsItRan) {
    function({0x01, 0x06, 2, 0, 0x06, 0x32, 0x02, 0x30});
    auto at_start = unwind(0, {back});
    ASSERT_TRUE(at_start);
    EXPECT_EQ(at_start->registers.pc, back);
    EXPECT_EQ(at_start->registers.gpr[rsp], stack_top.value + 8);
}

TEST_F(Unwind, PrologBehindThePush) {
    function({0x01, 0x06, 2, 0, 0x06, 0x32, 0x02, 0x30});
    auto caller = unwind(2, {0xb0b, back});
    ASSERT_TRUE(caller);
    EXPECT_EQ(caller->registers.pc, back);
    EXPECT_EQ(caller->registers.gpr[rbx], 0xb0bu);
}

TEST_F(Unwind, LargeAllocationsOfBothForms) {
    function({0x01, 0x0e, 5, 0, 0x0e, 0x11, 0x10, 0x00, 0x00, 0x00, 0x07, 0x01, 0x02, 0x00, 0, 0});
    // 0x10 bytes by the 32-bit form, 2 * 8 by the 16-bit form.
    auto caller = unwind(0x100, {1, 2, 3, 4, back});
    ASSERT_TRUE(caller) << caller.error().message;
    EXPECT_EQ(caller->registers.pc, back);
}

TEST_F(Unwind, FrameRegisterWinsOverStackPointer) {
    // push rbp; sub rsp,20h; lea rbp,[rsp+10h]; and later an allocation that no code tells of
    function({0x01, 0x0a, 3, 0x15, 0x0a, 0x03, 0x05, 0x32, 0x01, 0x50, 0, 0});
    registers.gpr[rbp] = stack_top.value + 0x40 + 0x10;
    auto caller = unwind(0x100, {0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 0xb0b, back});
    ASSERT_TRUE(caller) << caller.error().message;
    EXPECT_EQ(caller->registers.pc, back);
    EXPECT_EQ(caller->registers.gpr[rbp], 0xb0bu);
}

TEST_F(Unwind, FrameRegisterIsNotUsedBeforeItIsSet) {
    function({0x01, 0x0a, 3, 0x15, 0x0a, 0x03, 0x05, 0x32, 0x01, 0x50, 0, 0});
    registers.gpr[rbp] = 0x1234; // the caller's
    auto caller = unwind(5, {1, 2, 3, 4, 0xb0b, back});
    ASSERT_TRUE(caller) << caller.error().message;
    EXPECT_EQ(caller->registers.pc, back);
    EXPECT_EQ(caller->registers.gpr[rbp], 0xb0bu);
}

TEST_F(Unwind, SavedRegistersOfBothForms) {
    // sub rsp,20h; rsi at 8, rdi at 0x28 (above the return address) by the far form
    function({0x01, 0x10, 6, 0, 0x10, 0x64, 0x01, 0x00, 0x0c, 0x75, 0x28, 0x00, 0x00, 0x00, 0x04, 0x32});
    auto caller = unwind(0x100, {0, 0x51, 0, 0, back, 0xd1});
    ASSERT_TRUE(caller) << caller.error().message;
    EXPECT_EQ(caller->registers.gpr[rsi], 0x51u);
    EXPECT_EQ(caller->registers.gpr[rdi], 0xd1u);
    EXPECT_EQ(caller->registers.pc, back);
}

TEST_F(Unwind, XmmSavesMoveNothing) {
    function({0x01, 0x10, 6, 0, 0x10, 0x68, 0x01, 0x00, 0x0c, 0x79, 0x10, 0x00, 0x00, 0x00, 0x04, 0x32});
    auto caller = unwind(0x100, {0, 0, 0, 0, back});
    ASSERT_TRUE(caller) << caller.error().message;
    EXPECT_EQ(caller->registers.pc, back);
}

TEST_F(Unwind, MachineFrameWithoutErrorCode) {
    function({0x01, 0x02, 2, 0, 0x02, 0x02, 0x00, 0x0a}); // an allocation of 8 above the frame
    auto caller = unwind(0x100, {0x77, back, 0x10, 0x246, 0xfffff88000015000, 0x18});
    ASSERT_TRUE(caller) << caller.error().message;
    EXPECT_EQ(caller->method, UnwindMethod::machine_frame);
    EXPECT_EQ(caller->registers.pc, back);
    EXPECT_EQ(caller->registers.gpr[rsp], 0xfffff88000015000);
    EXPECT_EQ(caller->machine_frame, stack_top + 8);
}

TEST_F(Unwind, MachineFrameWithErrorCode) {
    function({0x01, 0x02, 2, 0, 0x02, 0x02, 0x00, 0x1a});
    auto caller = unwind(0x100, {0x77, 0xe, back, 0x10, 0x246, 0xfffff88000015000, 0x18});
    ASSERT_TRUE(caller) << caller.error().message;
    EXPECT_EQ(caller->registers.pc, back);
    EXPECT_EQ(caller->registers.gpr[rsp], 0xfffff88000015000);
    EXPECT_EQ(caller->machine_frame, stack_top + 16);
}

TEST_F(Unwind, ChainedRecords) {
    image.function(0x3000, 0x3100, {0x01, 0x06, 2, 0, 0x06, 0x32, 0x02, 0x30}); // push rbx; sub rsp,20h
    std::uint32_t parent = ImageBuilder::first_record;
    // The piece saves rdi at rsp+30h (above the return address) and goes on with the parent's codes.
    function({0x21, 0x05, 2,    0,    0x05, 0x74, 0x06,          0x00,        0x00, 0x30,
              0,    0,    0x00, 0x31, 0,    0,    parent & 0xff, parent >> 8, 0,    0});
    auto caller = unwind(0x100, {1, 2, 3, 4, 0xb0b, back, 0xd1});
    ASSERT_TRUE(caller) << caller.error().message;
    EXPECT_EQ(caller->registers.pc, back);
    EXPECT_EQ(caller->registers.gpr[rbx], 0xb0bu);
    EXPECT_EQ(caller->registers.gpr[rdi], 0xd1u);
}

TEST_F(Unwind, EndlessChainIsAnError) {
    std::uint32_t self = image.next_record();
    function({0x21, 0, 0, 0, 0x00, 0x10, 0, 0, 0x00, 0x20, 0, 0, self & 0xff, self >> 8, 0, 0});
    auto caller = unwind(0x100, {back});
    ASSERT_FALSE(caller);
    EXPECT_EQ(caller.error().kind, ErrorKind::malformed);
}

TEST_F(Unwind, UnknownVersionIsAnError) {
    function({0x03, 0, 0, 0});
    auto caller = unwind(0x100, {back});
    ASSERT_FALSE(caller);
    EXPECT_EQ(caller.error().kind, ErrorKind::unsupported);
}

TEST_F(Unwind, UnreadableStackNamesTheAddress) {
    function({0x01, 0x07, 3, 0, 0x07, 0x11, 0x00, 0x00, 0x40, 0x00, 0, 0}); // 4 MiB
    auto caller = unwind(0x100, {back});
    ASSERT_FALSE(caller);
    EXPECT_EQ(caller.error().kind, ErrorKind::unreadable);
    EXPECT_EQ(caller.error().where, stack_top + 0x400000);
}

TEST_F(Unwind, EpilogIsDecodedForward) {
    function({0x01, 0x06, 2, 0, 0x06, 0x32, 0x02, 0x30});
    image.put(0x1100, {0x48, 0x83, 0xc4, 0x20, 0x5b, 0xc3}); // add rsp,20h; pop rbx; ret
    auto caller = unwind(0x104, {0xb0b, back});              // the area is freed already
    ASSERT_TRUE(caller) << caller.error().message;
    EXPECT_EQ(caller->method, UnwindMethod::epilog);
    EXPECT_EQ(caller->registers.pc, back);
    EXPECT_EQ(caller->registers.gpr[rbx], 0xb0bu);
}

TEST_F(Unwind, EpilogAtItsFirstInstruction) {
    function({0x01, 0x06, 2, 0, 0x06, 0x32, 0x02, 0x30});
    image.put(0x1100, {0x48, 0x83, 0xc4, 0x20, 0x5b, 0xc3});
    auto caller = unwind(0x100, {1, 2, 3, 4, 0xb0b, back});
    ASSERT_TRUE(caller);
    EXPECT_EQ(caller->method, UnwindMethod::epilog);
    EXPECT_EQ(caller->registers.pc, back);
}

TEST_F(Unwind, TailJumpsEndAnEpilog) {
    function({0x01, 0x06, 2, 0, 0x06, 0x32, 0x02, 0x30});
    image.put(0x1100, {0x5b, 0x48, 0xff, 0x25, 0, 0, 0, 0}); // pop rbx; jmp qword ptr [import]
    auto caller = unwind(0x101, {back});
    ASSERT_TRUE(caller);
    EXPECT_EQ(caller->method, UnwindMethod::epilog);
    EXPECT_EQ(caller->registers.pc, back);
}

TEST_F(Unwind, JumpsInsideTheFunctionAreNoEpilog) {
    function({0x01, 0x06, 2, 0, 0x06, 0x32, 0x02, 0x30});
    image.put(0x1100, {0xe9, 0x10, 0x00, 0x00, 0x00});
    auto caller = unwind(0x100, {1, 2, 3, 4, 0xb0b, back});
    ASSERT_TRUE(caller);
    EXPECT_EQ(caller->method, UnwindMethod::unwind_info);
    EXPECT_EQ(caller->registers.pc, back);
}

TEST_F(Unwind, JumpsToAChainedPieceAreNoEpilog) {
    std::uint32_t record = image.next_record();
    function({0x01, 0x06, 2, 0, 0x06, 0x32, 0x02, 0x30});
    image.function(0x3000, 0x3100,
                   {0x21, 0, 0, 0, 0x00, 0x10, 0, 0, 0x00, 0x20, 0, 0, record & 0xff, record >> 8, 0, 0});
    image.put(0x1100, {0xe9, 0xfb, 0x1e, 0x00, 0x00}); // to 0x3000
    auto caller = unwind(0x100, {1, 2, 3, 4, 0xb0b, back});
    ASSERT_TRUE(caller);
    EXPECT_EQ(caller->method, UnwindMethod::unwind_info);
    EXPECT_EQ(caller->registers.pc, back);
}

TEST_F(Unwind, ReturnAddressesAreNotTakenForEpilogs) {
    function({0x01, 0x06, 2, 0, 0x06, 0x32, 0x02, 0x30});
    // What follows a call that does not return may look like anything: here like a bare `ret`.
    image.put(0x1100, {0xc3});
    auto caller = unwind(0x100, {1, 2, 3, 4, 0xb0b, back}, false);
    ASSERT_TRUE(caller);
    EXPECT_EQ(caller->registers.pc, back);
    EXPECT_EQ(caller->registers.gpr[rbx], 0xb0bu);
}

TEST_F(Unwind, Version2TellsEpilogsWithoutCode) {
    // Epilogs of 3 bytes (pop rbx is 1, pop r14 2, ret 1 = 4): at the end, and 0x100 before it.
    function({0x02, 0x08, 5, 0, 0x04, 0x16, 0x00, 0x16, 0x08, 0x32, 0x04, 0xe0, 0x02, 0x30, 0, 0});
    image.put(0x1f00, {0xc4, 0xc4, 0xc4, 0xc4});    // nothing a decoder could use
    auto caller = unwind(0xf00 + 2, {0xb0b, back}); // pop r14 done
    ASSERT_TRUE(caller) << caller.error().message;
    EXPECT_EQ(caller->method, UnwindMethod::epilog);
    EXPECT_EQ(caller->registers.gpr[rbx], 0xb0bu);
    EXPECT_EQ(caller->registers.pc, back);
}

TEST_F(Unwind, Version2AtTheReturn) {
    function({0x02, 0x08, 5, 0, 0x04, 0x16, 0x00, 0x16, 0x08, 0x32, 0x04, 0xe0, 0x02, 0x30, 0, 0});
    auto caller = unwind(0xfff, {back});
    ASSERT_TRUE(caller) << caller.error().message;
    EXPECT_EQ(caller->method, UnwindMethod::epilog);
    EXPECT_EQ(caller->registers.pc, back);
}

TEST_F(Unwind, Version2OutsideOfEpilogsDecodesNothing) {
    function({0x02, 0x08, 5, 0, 0x04, 0x16, 0x00, 0x16, 0x08, 0x32, 0x04, 0xe0, 0x02, 0x30, 0, 0});
    image.put(0x1100, {0xc3}); // would be an epilog in version 1
    auto caller = unwind(0x100, {1, 2, 3, 4, 0xe14, 0xb0b, back});
    ASSERT_TRUE(caller) << caller.error().message;
    EXPECT_EQ(caller->method, UnwindMethod::unwind_info);
    EXPECT_EQ(caller->registers.gpr[r14], 0xe14u);
    EXPECT_EQ(caller->registers.pc, back);
}

TEST(UnwindInfoFormat, RefusesWhatContradictsIt) {
    using poolkd::testing::bytes_of;
    EXPECT_FALSE(parse_unwind_info(bytes_of({0x01, 0, 0})));                      // shorter than its head
    EXPECT_FALSE(parse_unwind_info(bytes_of({0x01, 0, 2, 0, 0x02, 0x30})));       // shorter than it says
    EXPECT_FALSE(parse_unwind_info(bytes_of({0x01, 4, 1, 0, 0x04, 0x01, 0, 0}))); // operand behind the end
    EXPECT_FALSE(parse_unwind_info(bytes_of({0x01, 4, 1, 0, 0x04, 0x0b, 0, 0}))); // no such operation
    EXPECT_FALSE(parse_unwind_info(bytes_of({0x01, 4, 2, 0, 0x04, 0x21, 0, 0}))); // no such form
    EXPECT_FALSE(parse_unwind_info(bytes_of({0x01, 4, 1, 0, 0x04, 0x03, 0, 0}))); // frame register of none
    EXPECT_FALSE(parse_unwind_info(bytes_of({0x01, 4, 1, 0, 0x04, 0x2a, 0, 0}))); // machine frame of a third kind
    auto good = parse_unwind_info(bytes_of({0x09, 4, 1, 0, 0x04, 0x42, 0, 0, 0x78, 0x56, 0x34, 0x12}));
    ASSERT_TRUE(good);
    EXPECT_EQ(good->handler, 0x12345678u);
    EXPECT_EQ(good->codes.at(0).operand, 0x28u);
}

} // namespace
} // namespace poolkd::code::unwind_x64_test

#include "code/stack.h"
#include "code/stack_names.h"
#include "code_machine.h"

#include <gtest/gtest.h>

namespace poolkd::code {
namespace {

using poolkd::testing::CodeMachine;
using poolkd::testing::ImageBuilder;

constexpr VirtAddr driver_base{0xfffff80010000000};
constexpr VirtAddr sp{0xfffff88000014000};

/// A kernel with an allocator (frame of 0x28 bytes), a trap handler and a leaf; a driver with a writer (push rbx,
/// sub rsp,20h) and a function of 4 KiB of local variables.
class Stack : public ::testing::Test {
  protected:
    static constexpr std::uint64_t allocator = CodeMachine::kernel_base.value + 0x1000;
    static constexpr std::uint64_t trap = CodeMachine::kernel_base.value + 0x2000;
    static constexpr std::uint64_t leaf = CodeMachine::kernel_base.value + 0x3000;
    static constexpr std::uint64_t start = CodeMachine::kernel_base.value + 0x4000;
    static constexpr std::uint64_t writer = driver_base.value + 0x1000;
    static constexpr std::uint64_t roomy = driver_base.value + 0x2000;

    void SetUp() override {
        nt.function(0x1000, 0x1100, {0x01, 0x04, 1, 0, 0x04, 0x42, 0, 0});
        nt.function(0x2000, 0x2100, {0x01, 0x02, 2, 0, 0x02, 0x02, 0x00, 0x1a});
        nt.function(0x4000, 0x4100, {0x01, 0x04, 1, 0, 0x04, 0x42, 0, 0});
        driver.function(0x1000, 0x1100, {0x01, 0x06, 2, 0, 0x06, 0x32, 0x02, 0x30});
        driver.function(0x2000, 0x2100, {0x01, 0x07, 2, 0, 0x07, 0x01, 0x01, 0x02}); // 0x1008 bytes
        nt.put(0x1050, {0xcc});
        driver.put(0x1050 - 5, {0xe8, 0, 0, 0, 0}); // the call before writer+50
        driver.put(0x2050 - 5, {0xe8, 0, 0, 0, 0});
        nt.put(0x4050 - 5, {0xe8, 0, 0, 0, 0});
        machine.add_symbol("nt", "ExAllocatePoolWithTag", 0x1000);
        machine.add_symbol("nt", "KiPageFault", 0x2000);
        machine.add_symbol("nt", "Leaf", 0x3000);
        machine.add_symbol("nt", "KxStartSystemThread", 0x4000);
        machine.add_symbol("leaky", "LeakyWrite", 0x1000);
        machine.add_symbol("leaky", "LeakyRoomy", 0x2000);
    }
    nt::Kernel& kernel() {
        if (!ready_) {
            machine.add_module("ntoskrnl.exe", CodeMachine::kernel_base, nt.build());
            machine.add_module("leaky.sys", driver_base, driver.build());
            ready_ = true;
        }
        return machine.kernel();
    }
    Answer<StackTrace> walk(std::uint64_t ip, const WalkOptions& options = {}) {
        RegisterFile& registers = machine.target.edit_registers();
        registers.set("rip", ip);
        registers.set("rsp", sp.value);
        return walk_stack(kernel(), registers, options);
    }
    std::vector<std::string> sites(const StackTrace& trace) {
        std::vector<std::string> out;
        for (const FrameName& name : name_frames(kernel(), trace))
            out.push_back(name.site);
        return out;
    }
    /// allocator (sp) <- writer (sp+0x30) <- start (sp+0x60) <- nothing
    void usual_stack() {
        machine.push(sp + 0x28, writer + 0x50);
        for (std::uint64_t i = 0; i < 4; ++i)
            machine.push(sp + 0x30 + 8 * i, 0xa0 + i);
        machine.push(sp + 0x50, 0xb0b);
        machine.push(sp + 0x58, start + 0x50);
        machine.push(sp + 0x88, 0);
    }

    ImageBuilder nt, driver;
    CodeMachine machine;

  private:
    bool ready_ = false;
};

TEST_F(Stack, WalksToTheOutermostFunction) {
    usual_stack();
    auto answer = walk(allocator + 0x50);
    EXPECT_EQ(answer.value.end, StackEnd::complete);
    EXPECT_TRUE(answer.coverage.complete()) << answer.coverage.sentence();
    EXPECT_EQ(sites(answer.value), (std::vector<std::string>{"nt!ExAllocatePoolWithTag+0x50", "leaky!LeakyWrite+0x50",
                                                             "nt!KxStartSystemThread+0x50"}));
    const auto& frames = answer.value.frames;
    ASSERT_EQ(frames.size(), 3u);
    EXPECT_EQ(frames[0].sp, sp);
    EXPECT_EQ(frames[0].return_address, VirtAddr(writer + 0x50));
    EXPECT_EQ(frames[0].arguments, (std::vector<std::uint64_t>{0xa0, 0xa1, 0xa2, 0xa3}));
    EXPECT_TRUE(frames[0].interrupted);
    EXPECT_EQ(frames[1].sp, sp + 0x30);
    EXPECT_FALSE(frames[1].interrupted);
    EXPECT_EQ(frames[2].sp, sp + 0x60);
    EXPECT_EQ(frames[2].registers.gpr[rbx], 0xb0bu);
    EXPECT_EQ(frames[2].return_address, VirtAddr());
}

TEST_F(Stack, CostsTwoSmallReadsWhenTablesAreWarm) {
    usual_stack();
    (void)name_frames(kernel(), walk(allocator + 0x50).value);
    std::uint64_t reads = machine.memory().reads(), bytes = machine.memory().bytes_read();
    auto answer = walk(allocator + 0x50);
    (void)name_frames(kernel(), answer.value);
    EXPECT_LE(machine.memory().reads() - reads, 2u); // one block of the stack, the code at the stop
    EXPECT_LE(machine.memory().bytes_read() - bytes, 1024u + 16u);
}

TEST_F(Stack, TakesTheCodeAtAStopFromTheStop) {
    usual_stack();
    machine.target.edit_stop().ip = VirtAddr(allocator + 0x50);
    machine.target.edit_stop().instruction_stream = poolkd::testing::bytes_of({0xcc, 0x90, 0x90, 0x90});
    (void)walk(allocator + 0x50);
    std::uint64_t reads = machine.memory().reads();
    auto answer = walk(allocator + 0x50);
    EXPECT_EQ(machine.memory().reads() - reads, 1u);
    EXPECT_EQ(answer.value.frames.size(), 3u);
}

TEST_F(Stack, LargeFramesAreJumpedOver) {
    machine.push(sp + 0x28, roomy + 0x50);
    machine.push(sp + 0x30 + 0x1008, start + 0x50);
    machine.push(sp + 0x30 + 0x1010 + 0x28, 0);
    (void)walk(allocator + 0x50);
    std::uint64_t reads = machine.memory().reads(), bytes = machine.memory().bytes_read();
    auto answer = walk(allocator + 0x50);
    EXPECT_EQ(answer.value.frames.size(), 3u);
    EXPECT_EQ(answer.value.end, StackEnd::complete);
    EXPECT_LE(machine.memory().reads() - reads, 3u);
    EXPECT_LE(machine.memory().bytes_read() - bytes, 2 * 1024u + 16u);
}

TEST_F(Stack, GoesThroughATrapIntoALeaf) {
    // The handler's frame: 8 bytes, the error code, then what the processor pushed.
    VirtAddr interrupted = sp + 0x200;
    machine.push(sp + 8, 0xe);
    machine.push(sp + 16, leaf + 4);
    machine.push(sp + 16 + 24, interrupted.value);
    machine.push(interrupted, writer + 0x50); // a leaf: its return address is on top
    machine.push(interrupted + 8 + 0x20, 0xb0b);
    machine.push(interrupted + 8 + 0x28, start + 0x50);
    machine.push(interrupted + 8 + 0x30 + 0x28, 0);
    auto answer = walk(trap + 0x50);
    EXPECT_EQ(sites(answer.value), (std::vector<std::string>{"nt!KiPageFault+0x50", "nt!Leaf+0x4",
                                                             "leaky!LeakyWrite+0x50", "nt!KxStartSystemThread+0x50"}));
    EXPECT_EQ(answer.value.end, StackEnd::complete);
    ASSERT_EQ(answer.value.frames.size(), 4u);
    EXPECT_EQ(answer.value.frames[0].machine_frame, sp + 16);
    EXPECT_TRUE(answer.value.frames[1].interrupted);
    EXPECT_EQ(answer.value.frames[1].method, UnwindMethod::leaf);
    EXPECT_EQ(answer.value.frames[1].warning, FrameWarning::none);
    EXPECT_EQ(name_frames(kernel(), answer.value)[0].trap_frame, sp + 16 - 0x168);
}

TEST_F(Stack, StopsAtUserMode) {
    machine.push(sp + 8, 0);
    machine.push(sp + 16, 0x7781186a);
    machine.push(sp + 16 + 24, 0x2abf4f8);
    auto answer = walk(trap + 0x50);
    EXPECT_EQ(answer.value.end, StackEnd::user_mode);
    EXPECT_EQ(sites(answer.value), (std::vector<std::string>{"nt!KiPageFault+0x50", "0x7781186a"}));
    EXPECT_TRUE(answer.coverage.complete());
}

TEST_F(Stack, FindsTheCallerOfUnknownCodeOnTheStack) {
    // Code of a driver that is gone, with a frame that nobody knows: words of data, then a return address.
    machine.push(sp, 0x1234);
    machine.push(sp + 8, allocator + 0x50); // in an image, but no call lies before it
    machine.push(sp + 0x40, writer + 0x50);
    machine.push(sp + 0x48 + 0x28, start + 0x50);
    machine.push(sp + 0x48 + 0x30 + 0x28, 0);
    auto answer = walk(0xfffff80020001234);
    EXPECT_EQ(sites(answer.value), (std::vector<std::string>{"0xfffff800`20001234", "leaky!LeakyWrite+0x50",
                                                             "nt!KxStartSystemThread+0x50"}));
    EXPECT_EQ(answer.value.frames[0].warning, FrameWarning::no_module);
    EXPECT_EQ(answer.value.frames[0].method, UnwindMethod::scan);
    EXPECT_EQ(answer.value.frames[1].warning, FrameWarning::none);
}

TEST_F(Stack, UnknownCodeThatLooksLikeALeaf) {
    machine.push(sp, writer + 0x50);
    machine.push(sp + 8 + 0x28, start + 0x50);
    machine.push(sp + 8 + 0x30 + 0x28, 0);
    auto answer = walk(0xfffff80020001234);
    EXPECT_EQ(answer.value.frames[0].method, UnwindMethod::leaf);
    EXPECT_EQ(answer.value.frames.size(), 3u);
}

TEST_F(Stack, UnknownCodeWithoutACallerEndsWithASentence) {
    auto answer = walk(0xfffff80020001234);
    EXPECT_EQ(answer.value.end, StackEnd::implausible);
    ASSERT_EQ(answer.value.frames.size(), 1u);
    EXPECT_EQ(answer.value.frames[0].warning, FrameWarning::no_module);
    EXPECT_EQ(answer.value.note, "No caller can be found on the stack");
    EXPECT_FALSE(answer.coverage.complete());
}

TEST_F(Stack, NoReturnCallAtTheEndOfAFunction) {
    // The return address is the first byte behind the caller, where no function begins.
    usual_stack();
    machine.push(sp + 0x28, writer + 0x100);
    auto answer = walk(allocator + 0x50);
    EXPECT_EQ(answer.value.frames.size(), 3u);
    EXPECT_EQ(answer.value.frames[1].warning, FrameWarning::none);
}

TEST_F(Stack, UnreadableStackIsToldInTheCoverage) {
    machine.push(sp + 0x28, roomy + 0x50);
    machine.memory().unmap(sp + 0x1000);
    auto answer = walk(allocator + 0x50);
    EXPECT_EQ(answer.value.end, StackEnd::unreadable);
    EXPECT_EQ(answer.value.frames.size(), 2u);
    EXPECT_FALSE(answer.coverage.complete());
    EXPECT_EQ(answer.value.note, "The stack cannot be read at fffff880`00015038");
}

TEST_F(Stack, BoundedByTheNumberOfFrames) {
    usual_stack();
    auto answer = walk(allocator + 0x50, {.max_frames = 2});
    EXPECT_EQ(answer.value.end, StackEnd::limit);
    EXPECT_EQ(answer.value.frames.size(), 2u);
}

TEST_F(Stack, TrapFramesInACircleEnd) {
    machine.push(sp + 16, trap + 0x50);
    machine.push(sp + 16 + 24, sp.value);
    auto answer = walk(trap + 0x50, {.max_frames = 1000});
    EXPECT_EQ(answer.value.end, StackEnd::implausible);
    EXPECT_LE(answer.value.frames.size(), 100u);
}

TEST_F(Stack, EndlessChainInAnImageEnds) {
    std::uint32_t self = driver.next_record();
    driver.function(0x3000, 0x3100, {0x21, 0, 0, 0, 0x00, 0x30, 0, 0, 0x00, 0x31, 0, 0, self & 0xff, self >> 8, 0, 0});
    auto answer = walk(driver_base.value + 0x3010);
    EXPECT_EQ(answer.value.end, StackEnd::implausible);
    EXPECT_EQ(answer.value.frames.size(), 1u);
    EXPECT_EQ(answer.value.frames[0].warning, FrameWarning::no_unwind_info);
}

} // namespace
} // namespace poolkd::code

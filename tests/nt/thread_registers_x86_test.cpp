#include "nt/thread_registers.h"
#include "support/fake_target.h"

#include <gtest/gtest.h>

namespace poolkd::nt::thread_registers_x86_test {
namespace {

constexpr VirtAddr stack{0xffffffff9a1f5000};

/// No symbols: the frames are where every kernel has them.
class ThreadRegistersX86 : public ::testing::Test {
  protected:
    ThreadRegistersX86() {
        target.edit_identity().machine = &x86_machine();
        target.virtual_memory().map(stack, 0x1000);
        thread.kernel_stack = stack;
        thread.initial_stack = stack + 0x1000;
    }
    void put(std::uint64_t offset, std::uint32_t value) { target.virtual_memory().put_value(stack + offset, value); }

    testing::FakeTarget target;
    Kernel kernel{target, {}};
    Thread thread;
};

TEST_F(ThreadRegistersX86, OfASwitchedThread) {
    put(8, 0x80401234);
    put(0xc, 0x9a1f5800); // the caller's ebp
    auto registers = thread_registers(kernel, thread);
    ASSERT_TRUE(registers);
    EXPECT_EQ(registers->get("eip"), 0x80401234u);
    EXPECT_EQ(registers->get("esp"), 0x9a1f500cu);
    EXPECT_EQ(registers->get("ebp"), 0x9a1f5800u);
    put(0xc, 0x80405678); // a thread that never ran has its first routine there
    registers = thread_registers(kernel, thread);
    ASSERT_TRUE(registers);
    EXPECT_EQ(registers->get("ebp"), 0u);
}

TEST_F(ThreadRegistersX86, TheStackPointerOfATrapFrame) {
    put(0x68, 0x80401234);
    put(0x6c, 8);
    put(0x74, 0x11111111);
    auto registers = trap_frame_registers(kernel, stack);
    ASSERT_TRUE(registers);
    EXPECT_EQ(registers->get("eip"), 0x80401234u);
    EXPECT_EQ(registers->get("esp"), 0x9a1f5074u); // the kernel's own stack went on above
    put(0x6c, 0x1b);
    registers = trap_frame_registers(kernel, stack);
    ASSERT_TRUE(registers);
    EXPECT_EQ(registers->get("esp"), 0x11111111u); // pushed on the way from a program
    put(0x6c, 0);
    put(0x14, 0x22222222);
    registers = trap_frame_registers(kernel, stack);
    ASSERT_TRUE(registers);
    EXPECT_EQ(registers->get("esp"), 0x22222222u); // edited
}

} // namespace
} // namespace poolkd::nt::thread_registers_x86_test

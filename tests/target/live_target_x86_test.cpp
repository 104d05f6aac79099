#include "../kd/model_link.h"
#include "target/live_target.h"

#include <gtest/gtest.h>

namespace poolkd::target {
namespace {

using kd::test::ModelLink;
using kd::test::TargetModel;
using Clock = std::chrono::steady_clock;

class LiveTargetX86 : public testing::Test {
  protected:
    void SetUp() override {
        model.boot(Clock::now());
        model.stop_with_exception(Clock::now());
        store(model.context, 0xb8, static_cast<std::uint32_t>(model.base() + 1)); // eip
        store(model.context, 0xc4, std::uint32_t{0xf8ad3c18});                    // esp
        store(model.context, 0xb0, std::uint32_t{7});                             // eax
        kd::LinkSpec spec;
        spec.text = "unix:model";
        LiveOptions options;
        options.interrupt = &work;
        auto connected = LiveTarget::connect(std::make_unique<ModelLink>(model), spec, std::move(options), work);
        ASSERT_TRUE(connected) << connected.error().message;
        target = std::move(*connected);
    }

    TargetModel model{1, TargetModel::MachineKind::x86};
    Work work;
    std::unique_ptr<LiveTarget> target;
};

TEST_F(LiveTargetX86, AddressesAreSignExtended) {
    EXPECT_EQ(target->identity().machine, &x86_machine());
    EXPECT_EQ(target->identity().kernel_base, VirtAddr(0xffffffff80400000));
    EXPECT_EQ(target->last_stop().ip, VirtAddr(0xffffffff80400001));
    auto registers = target->registers(0);
    ASSERT_TRUE(registers) << registers.error().message;
    EXPECT_EQ(registers->bytes().size(), 0x2ccu);
    EXPECT_EQ(registers->ip(), VirtAddr(0xffffffff80400001));
    EXPECT_EQ(registers->sp(), VirtAddr(0xfffffffff8ad3c18));
    EXPECT_EQ(registers->get("eax"), 7u);
}

TEST_F(LiveTargetX86, WritesRegisters) {
    auto registers = target->registers(0);
    ASSERT_TRUE(registers);
    registers->set("eip", 0x80400002);
    ASSERT_TRUE(target->set_registers(0, *registers));
    EXPECT_EQ(load_or<std::uint32_t>(model.context, 0xb8), 0x80400002u);
    EXPECT_EQ(load_or<std::uint32_t>(model.context, 0xb0), 7u);
}

TEST_F(LiveTargetX86, SpecialRegistersLieBehindTheContext) {
    store(model.special, 0x08, std::uint32_t{0x39000});
    auto special = target->special_registers(0);
    ASSERT_TRUE(special) << special.error().message;
    EXPECT_EQ(special->size(), 0x54u);
    EXPECT_EQ(x86_machine().special(*special, "cr3"), 0x39000u);
    EXPECT_EQ(target->processor_block(0).error().kind, ErrorKind::unsupported) << "the link has no way to tell";
}

TEST_F(LiveTargetX86, ErrorsWriteAddressesAsTheMachineDoes) {
    auto hole = memory::read_exact(target->memory(), VirtAddr(0xffffffff90001000), 4);
    ASSERT_FALSE(hole);
    EXPECT_EQ(hole.error().message, "Memory at 90001000 cannot be read (unmapped)");
}

} // namespace
} // namespace poolkd::target

#include "nt/kernel.h"
#include "support/fake_symbols.h"
#include "support/fake_target.h"

#include <gtest/gtest.h>

namespace poolkd::nt::kernel_x86_test {
namespace {

using poolkd::testing::FakeMemory;
using poolkd::testing::FakeSymbols;
using poolkd::testing::FakeTarget;

constexpr VirtAddr base{0xffffffff80400000}, list{0xffffffff80410000}, entry{0xffffffff81000000};
constexpr VirtAddr blocks{0xffffffff80411000}, kdbg{0xffffffff80412000}, processors{0xffffffff80413000};

/// A 32-bit kernel: pointers of four bytes everywhere but in KDBG, whose fields have eight and are filled as the kernel
/// likes.
class KernelX86 : public ::testing::Test {
  protected:
    KernelX86() {
        target.edit_identity().machine = &x86_machine();
        target.edit_identity().kernel_base = base;
        target.edit_identity().loaded_module_list = list;
        target.edit_identity().debugger_data_list = blocks;
        memory().map(base, 0x1000);
        pointer(list, entry);
        pointer(entry, list);
        pointer(entry + 0x18, base);
        pointer(entry + 0x20, VirtAddr(0x20000)); // SizeOfImage
        for (std::uint64_t name : {0x24u, 0x2cu}) {
            memory().put_value(entry + name, std::uint16_t{6});
            pointer(entry + name + 4, entry + 0x80);
        }
        memory().put(entry + 0x80, {'n', 0, 't', 0, 'x', 0});
        memory().map(entry, 0x100);
        pointer(blocks, kdbg);
        memory().map(kdbg, 0x318);
        pointer(kdbg, blocks);
        memory().put_value(kdbg + 0x10, std::uint32_t{0x4742444b});
        memory().put_value(kdbg + 0x14, std::uint32_t{0x318});
        memory().put_value(kdbg + Kdbg::processor_block, std::uint64_t{0x80413000});            // zero-extended
        memory().put_value(kdbg + Kdbg::loaded_module_list, std::uint64_t{0xffffffff80410000}); // sign-extended
        pointer(processors, VirtAddr(0xffffffff80415120));
    }
    FakeMemory& memory() { return target.virtual_memory(); }
    void pointer(VirtAddr at, VirtAddr value) { memory().put_value(at, static_cast<std::uint32_t>(value.value)); }

    FakeTarget target;
};

/// A target whose link cannot tell where the processor blocks are.
class WithoutBlocks final : public target::Target {
  public:
    explicit WithoutBlocks(FakeTarget& all) : all_(all) {}
    [[nodiscard]] const target::Identity& identity() const override { return all_.identity(); }
    [[nodiscard]] target::Epoch epoch() const override { return all_.epoch(); }
    memory::AddressSpace& memory() override { return all_.memory(); }
    memory::PhysicalMemory& physical() override { return all_.physical(); }
    Result<RegisterFile> registers(std::uint32_t p) override { return all_.registers(p); }
    Result<ByteVector> special_registers(std::uint32_t p) override { return all_.special_registers(p); }
    Result<VirtAddr> processor_block(std::uint32_t) override { return fail(ErrorKind::unsupported, "no"); }

  private:
    FakeTarget& all_;
};

TEST_F(KernelX86, ModulesByTheLayoutThatAllKernelsShare) {
    Kernel kernel(target, {});
    auto read = kernel.reload();
    EXPECT_TRUE(read.coverage.complete()) << read.coverage.sentence();
    EXPECT_TRUE(kernel.modules().used_known_layout());
    EXPECT_EQ(kernel.modules().kernel().base, base);
    EXPECT_EQ(kernel.modules().kernel().size, 0x20000u);
    EXPECT_EQ(kernel.modules().kernel().image_name, "ntx");
}

TEST_F(KernelX86, FieldsOfKdbgAreAddressesHoweverTheyAreFilled) {
    Kernel kernel(target, {});
    kernel.reload();
    ASSERT_NE(kernel.kdbg(), nullptr);
    EXPECT_EQ(kernel.kdbg()->address(), kdbg);
    EXPECT_EQ(kernel.kdbg()->value(Kdbg::processor_block), processors);
    EXPECT_EQ(kernel.kdbg()->value(Kdbg::loaded_module_list), list);
}

TEST_F(KernelX86, ProcessorBlocksByTheArrayOfTheKernel) {
    WithoutBlocks silent(target);
    Kernel kernel(silent, {});
    kernel.reload();
    EXPECT_EQ(kernel.processor_block(0), VirtAddr(0xffffffff80415120));
    EXPECT_EQ(kernel.processor_block(1).error().kind, ErrorKind::not_found);
    EXPECT_EQ(kernel.processor_block(1).error().message, "KiProcessorBlock has no processor 1");
}

TEST_F(KernelX86, PointersAreSignExtended) {
    Kernel kernel(target, {});
    kernel.reload();
    EXPECT_EQ(kernel.read_pointer(list), entry);
}

} // namespace
} // namespace poolkd::nt::kernel_x86_test

#include "nt/kernel.h"
#include "support/fake_symbols.h"
#include "support/fake_target.h"

#include <gtest/gtest.h>

#include <bit>

namespace poolkd::nt {
namespace {

using poolkd::testing::FakeSymbols;
using poolkd::testing::FakeTarget;

constexpr std::uint64_t never = 0x8642097531fedcba, always = 0x0f1e2d3c4b5a6978;
constexpr VirtAddr base{0xfffff80312340000};
constexpr std::uint32_t var_flag = 0x5678, var_never = 0x1000, var_always = 0x1008, var_block = 0x2000;

/// The way back: what the kernel does to a word.
std::uint64_t encode(std::uint64_t word) {
    word = std::byteswap(word ^ always) ^ (base.value + var_flag);
    return std::rotr(word, static_cast<int>(never & 0x3f)) ^ never;
}

/// A kernel whose block lies encoded, as one that was not started for debugging keeps it.
struct EncodedKernel {
    EncodedKernel() {
        target.edit_identity().kernel_base = base;
        for (auto [name, rva] : {std::pair{"KdpDataBlockEncoded", var_flag},
                                 {"KiWaitNever", var_never},
                                 {"KiWaitAlways", var_always},
                                 {"KdDebuggerDataBlock", var_block}})
            symbols->add(name, rva);
        auto& memory = target.virtual_memory();
        memory.map(base, 0x6000);
        memory.put_value(base + var_flag, std::uint8_t{1});
        memory.put_value(base + var_never, never);
        memory.put_value(base + var_always, always);
        put(0x10, 0x340'4742444b); // KDBG, of 0x340 bytes
        put(Kdbg::processor_block, 0xfffff80312345000);
    }
    void put(std::uint64_t offset, std::uint64_t word) {
        target.virtual_memory().put_value(base + var_block + offset, encode(word));
    }
    Kernel& reloaded() {
        kernel.reload();
        return kernel;
    }

    FakeTarget target;
    std::shared_ptr<FakeSymbols> symbols = std::make_shared<FakeSymbols>();
    Kernel kernel{target, [this](Module& module) {
                      module.symbols = symbols;
                      module.symbol_state = SymbolState::loaded;
                  }};
};

TEST(EncodedKdbg, OneWord) {
    const Kdbg::Encoding encoding{never, always, VirtAddr(0xfffff80312345678)};
    EXPECT_EQ(encoding.decode(0xb2fa0aa6b76cc149), 0x000003604742444bu);
}

TEST(EncodedKdbg, IsFoundByTheKernelsSymbols) {
    EncodedKernel fake;
    ASSERT_NE(fake.reloaded().kdbg(), nullptr);
    EXPECT_EQ(fake.kernel.kdbg()->size(), 0x340u);
    EXPECT_EQ(fake.kernel.kdbg()->value(Kdbg::processor_block), VirtAddr(0xfffff80312345000));
    EXPECT_EQ(fake.kernel.kdbg()->address(), base + var_block);
}

TEST(EncodedKdbg, WrongKeysGiveNone) {
    EncodedKernel fake;
    fake.target.virtual_memory().put_value(base + var_always, always + 1);
    EXPECT_EQ(fake.reloaded().kdbg(), nullptr);
}

TEST(EncodedKdbg, AnAbsurdSizeGivesNone) {
    EncodedKernel fake;
    fake.put(0x10, 0xfffffff84742444b);
    EXPECT_EQ(fake.reloaded().kdbg(), nullptr);
}

TEST(EncodedKdbg, OneThatIsNotEncodedIsNotDecoded) {
    EncodedKernel fake;
    fake.target.virtual_memory().put_value(base + var_flag, std::uint8_t{0});
    EXPECT_EQ(fake.reloaded().kdbg(), nullptr);
}

} // namespace
} // namespace poolkd::nt

#include "code/common_step.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>
#include <random>

namespace poolkd::code {
namespace {

/// Compares the quick decoder with the whole one, on whatever bytes the quick one knows.
class CommonStep : public ::testing::TestWithParam<const Machine*> {
  protected:
    using Code = std::array<std::byte, 15>;

    void check(const Code& code) {
        constexpr std::uint64_t base = 0xfffff800'00000000;
        const Machine& machine = *GetParam();
        Step step;
        ++tried_;
        if (!decode_common_step(machine, code, base, rva, step)) return;
        ++common_;
        const auto expected = decode_any_step(machine, code, base, rva, Detail::all);
        if (expected == step) return;
        std::string text;
        for (const std::byte byte : code)
            text += fmt::format(" {:02x}", std::to_integer<unsigned>(byte));
        ADD_FAILURE() << "Decoded otherwise:" << text;
    }

    static constexpr std::uint32_t rva = 0x12345;
    std::size_t tried_ = 0, common_ = 0;
    std::mt19937 random_{1};
    std::uniform_int_distribution<unsigned> byte_{0, 255};
};

TEST_P(CommonStep, IsWhatTheWholeDecoderGives) {
    // Each opcode with each ModRM, and what follows by chance; behind a prefix and without one.
    Code code{};
    for (const unsigned prefix : {0x00u, 0x40u, 0x41u, 0x48u, 0x4du, 0x66u}) {
        for (unsigned opcode = 0; opcode < 512; ++opcode) {
            for (unsigned mod_rm = 0; mod_rm < 256; ++mod_rm) {
                std::size_t at = 0;
                if (prefix != 0) code[at++] = static_cast<std::byte>(prefix);
                if (opcode >= 256) code[at++] = std::byte{0x0f};
                code[at++] = static_cast<std::byte>(opcode);
                code[at++] = static_cast<std::byte>(mod_rm);
                for (; at < code.size(); ++at)
                    code[at] = static_cast<std::byte>(byte_(random_));
                check(code);
                if (HasFailure()) return;
            }
        }
    }
    EXPECT_GT(common_, tried_ / 5);
}

TEST_P(CommonStep, LeavesWhatMayBeCutOffToTheWholeDecoder) {
    const Code code{std::byte{0xc3}};
    Step step;
    EXPECT_TRUE(decode_common_step(*GetParam(), code, 0, rva, step));
    EXPECT_FALSE(decode_common_step(*GetParam(), Bytes(code).first(code.size() - 1), 0, rva, step));
}

INSTANTIATE_TEST_SUITE_P(Machines, CommonStep, ::testing::Values(&x64_machine(), &x86_machine()),
                         [](const auto& info) { return std::string(info.param->pointer_size == 8 ? "x64" : "x86"); });

} // namespace
} // namespace poolkd::code

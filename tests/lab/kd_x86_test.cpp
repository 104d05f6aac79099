// What the debugger's target side has for the 32-bit processor: control report, Continue2, control space, addresses.
#include "kdp.h"

#include <gtest/gtest.h>

#include <array>

namespace {

constexpr std::uint32_t context_size = 0x2CC, special_size = 0x54, state_size = 0x320;

struct Processor {
    std::array<std::uint8_t, context_size> context{};
    std::array<std::uint8_t, special_size> special{};
    KD_STOP stop{0, 0, 1, 0, context.data(), special.data()};

    Processor() {
        for (std::size_t i = 0; i < context.size(); i++)
            context[i] = static_cast<std::uint8_t>(i);
        for (std::size_t i = 0; i < special.size(); i++)
            special[i] = static_cast<std::uint8_t>(0x80 + i);
    }
};

TEST(KdX86, ControlReportHasTheLayoutOfTheProcessor) {
    Processor p;
    KdPut32(p.context.data() + 0x90, 0x30); // fs
    KdPut32(p.context.data() + 0x94, 0x23); // es
    KdPut32(p.context.data() + 0x98, 0x24); // ds
    KdPut32(p.context.data() + 0xBC, 0x08); // cs
    KdPut32(p.context.data() + 0xC0, 0x246);
    KdPut32(p.special.data() + 0x20, 0xFFFF0FF1);
    KdPut32(p.special.data() + 0x24, 0x401);
    const std::array<std::uint8_t, 3> stream = {0xCC, 0xC2, 0x04};
    std::array<std::uint8_t, 48> report{};
    KdpFillControlReport(&p.stop, report.data(), stream.data(), stream.size());
    EXPECT_EQ(KdGet32(report.data()), 0xFFFF0FF1u);
    EXPECT_EQ(KdGet32(report.data() + 4), 0x401u);
    EXPECT_EQ(KdGet16(report.data() + 8), 3u);
    EXPECT_EQ(KdGet16(report.data() + 10), 3u); // segments are there, cs is the kernel's
    EXPECT_EQ(report[12], 0xCC);
    EXPECT_EQ(report[14], 0x04);
    EXPECT_EQ(KdGet16(report.data() + 28), 0x08u);
    EXPECT_EQ(KdGet16(report.data() + 30), 0x24u);
    EXPECT_EQ(KdGet16(report.data() + 32), 0x23u);
    EXPECT_EQ(KdGet16(report.data() + 34), 0x30u);
    EXPECT_EQ(KdGet32(report.data() + 36), 0x246u);

    KdPut32(p.context.data() + 0xBC, 0x1B);
    KdpFillControlReport(&p.stop, report.data(), stream.data(), stream.size());
    EXPECT_EQ(KdGet16(report.data() + 10), 1u);
}

TEST(KdX86, ContinueSetsTheTrapFlagAndTheDebugRegister) {
    Processor p;
    KdPut32(p.context.data() + 0xC0, 0x202);
    std::array<std::uint8_t, 40> fields{};
    KdPut32(fields.data() + 4, 1);
    KdPut32(fields.data() + 8, 0x000D0402);
    KdPut32(fields.data() + 12, 1); // no symbol range: belongs to no 64-bit Dr7
    KdpSetTrace(&p.stop, fields.data());
    KdpSetDebugControl(p.special.data(), fields.data());
    EXPECT_EQ(KdGet32(p.context.data() + 0xC0), 0x302u);
    EXPECT_EQ(KdGet32(p.special.data() + 0x24), 0x000D0402u);
    EXPECT_EQ(KdGet32(p.special.data() + 0x20), 0u);
    EXPECT_EQ(p.special[0x28], 0xA8); // what follows stays
    KdPut32(fields.data() + 4, 0);
    KdpSetTrace(&p.stop, fields.data());
    EXPECT_EQ(KdGet32(p.context.data() + 0xC0), 0x202u);
}

TEST(KdX86, ControlSpaceIsTheProcessorStateByOffset) {
    Processor p;
    std::array<std::uint8_t, 0x400> bytes{};
    EXPECT_EQ(KdpReadControl(&p.stop, 0, bytes.data(), 0x400), state_size); // cut at the end
    EXPECT_EQ(bytes[0x2CB], 0xCB);
    EXPECT_EQ(bytes[0x2CC], 0x80);
    EXPECT_EQ(KdpReadControl(&p.stop, 0x2CA, bytes.data(), 4), 4u);
    EXPECT_EQ(bytes[1], 0xCB);
    EXPECT_EQ(bytes[3], 0x81);
    EXPECT_EQ(KdpReadControl(&p.stop, 0x31E, bytes.data(), 16), 2u);
    EXPECT_EQ(KdpReadControl(&p.stop, state_size, bytes.data(), 4), 0u);
    EXPECT_EQ(KdpReadControl(&p.stop, ~std::uint64_t{0}, bytes.data(), 4), 0u);
}

TEST(KdX86, ControlSpaceIsWrittenWholeOrNotAtAll) {
    Processor p;
    const std::array<std::uint8_t, 4> bytes = {1, 2, 3, 4};
    EXPECT_TRUE(KdpWriteControl(&p.stop, 0x2CA, bytes.data(), 4));
    EXPECT_EQ(p.context[0x2CA], 1);
    EXPECT_EQ(p.context[0x2CB], 2);
    EXPECT_EQ(p.special[0], 3);
    EXPECT_EQ(p.special[1], 4);
    EXPECT_FALSE(KdpWriteControl(&p.stop, 0x31E, bytes.data(), 4));
    EXPECT_EQ(p.special[0x52], 0x80 + 0x52);
    EXPECT_FALSE(KdpWriteControl(&p.stop, ~std::uint64_t{0}, bytes.data(), 4));
}

TEST(KdX86, AddressesAreSignExtended) {
    Processor p;
    KdPut32(p.context.data() + 0xB8, 0x80406A14);
    EXPECT_EQ(KdpProgramCounter(&p.stop), 0xFFFFFFFF80406A14u);
    EXPECT_EQ(KdpCanonicalAddress(0x80406A14), 0xFFFFFFFF80406A14u);
    EXPECT_EQ(KdpCanonicalAddress(0xFFFFFFFF80406A14), 0xFFFFFFFF80406A14u);
    EXPECT_EQ(KdpCanonicalAddress(0x7FFE0000), 0x7FFE0000u);
}

} // namespace

// From a damaged image to a kernel: an answer, or a sentence on why there is none.
#include "nt/find_kernel.h"
#include "nt/image_processors.h"
#include "nt/kernel.h"
#include "small_machine.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace poolkd::nt {
namespace {

using small_machine::memory_bytes;
using small_machine::SmallMachine;

/// All that opening an image does: the kernel, its processors, its modules.
void open_whole(ByteVector bytes) {
    auto image = dumps::open_image(dumps::ImageFile::from_bytes(std::move(bytes), "memory.raw"));
    if (!image) {
        EXPECT_FALSE(image.error().message.empty());
        return;
    }
    auto target = target::DumpTarget::from_image(std::move(*image));
    ASSERT_TRUE(target);
    Work work;
    const auto place = find_kernel(**target, work);
    if (!place) {
        EXPECT_GT(place.error().message.size(), 10u);
        return;
    }
    (void)adopt_processors(**target, *place);
    Kernel kernel(**target, {});
    const auto modules = kernel.reload();
    EXPECT_GE(modules.value, 1u);
    EXPECT_LE(modules.value, 4097u);
}

/// With a list of modules: the kernel's entry at the end of its data, and one that names it.
SmallMachine with_modules() {
    SmallMachine machine = small_machine::x64_small();
    constexpr std::uint64_t data = small_machine::base_64 + 0x3000;
    machine.put(0x12f00, data + 0x800);
    machine.put(0x12800, data + 0x900);
    machine.put(0x12830, small_machine::base_64);
    machine.put(0x12840, std::uint32_t{0x4000});
    machine.put(0x12900, data + 0xf00);
    machine.put(0x12930, small_machine::base_64 + 0x100000);
    machine.put(0x12940, std::uint32_t{0x4000});
    return machine;
}

// Writes the seed of the fuzzer of this floor, a small image that is right. Run it after the machine was changed:
// test_nt --gtest_also_run_disabled_tests --gtest_filter='BadImage.DISABLED_WriteSeeds'
TEST(BadImage, DISABLED_WriteSeeds) {
    const auto folder = std::filesystem::path(POOLKD_SOURCE_DIR) / "fuzz/corpus/nt_image";
    std::filesystem::create_directories(folder);
    const SmallMachine machine = with_modules();
    std::ofstream stream(folder / "raw", std::ios::binary);
    stream.write(reinterpret_cast<const char*>(machine.bytes.data()), 0x13000); // what is behind is zero
    ASSERT_TRUE(stream.flush());
}

TEST(BadImage, CutAtEachPage) {
    const SmallMachine machine = with_modules();
    for (std::size_t size = 4096; size <= memory_bytes; size += 4096)
        open_whole({machine.bytes.begin(), machine.bytes.begin() + static_cast<std::ptrdiff_t>(size)});
}

TEST(BadImage, FlippedBitsOfTablesHeadersAndLists) {
    const SmallMachine machine = with_modules();
    const std::pair<std::size_t, std::size_t> places[] = {{0x5000 + 8 * 0x1f0, 0x5000 + 8 * 0x1f1},
                                                          {0x7010, 0x7018},
                                                          {0x8000, 0x8020},
                                                          {0x10000, 0x10004},
                                                          {0x1003c, 0x10040},
                                                          {0x10080, 0x100c0},
                                                          {0x10108, 0x10118},
                                                          {0x12110, 0x12120},
                                                          {0x12800, 0x12808},
                                                          {0x12840, 0x12848},
                                                          {0x12f00, 0x12f08}};
    for (const auto& [from, to] : places)
        for (std::size_t at = from; at < to; ++at)
            for (unsigned bit = 0; bit < 8; bit += 3) {
                ByteVector damaged = machine.bytes;
                damaged[at] ^= static_cast<std::byte>(1u << bit);
                open_whole(std::move(damaged));
            }
}

TEST(BadImage, AListOfModulesInACircle) {
    SmallMachine machine = with_modules();
    machine.put(0x12900, small_machine::base_64 + 0x3800); // back to the first, past the head
    open_whole(machine.bytes);
}

TEST(BadImage, AKdbgOfAbsurdSizeAndFieldsThatLeadNowhere) {
    for (const std::uint32_t size : {0u, 8u, 0xffffffffu}) {
        SmallMachine machine = with_modules();
        machine.put(0x12114, size);
        for (std::size_t at = 0x12120; at < 0x12440; at += 8)
            machine.put(at, std::uint64_t{0xffffffffffffffff});
        machine.put(0x12118, small_machine::base_64);
        open_whole(machine.bytes);
    }
}

} // namespace
} // namespace poolkd::nt

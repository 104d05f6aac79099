#include "nt/find_kernel.h"
#include "nt/kernel_image.h"
#include "nt/page_roots.h"
#include "small_machine.h"

#include <gmock/gmock.h>

#include <functional>
#include <random>

namespace poolkd::nt {
namespace {

using ::testing::HasSubstr;

using small_machine::base_64;
using small_machine::memory_bytes;
using small_machine::SmallMachine;
using small_machine::x64_small;

Result<std::unique_ptr<target::DumpTarget>> open_raw(const SmallMachine& machine) {
    POOLKD_TRY(auto image, dumps::open_image(dumps::ImageFile::from_bytes(machine.bytes, "memory.raw")));
    return target::DumpTarget::from_image(std::move(image));
}

TEST(FindKernel, InRawMemoryByTheSelfMap) {
    auto target = *open_raw(x64_small());
    Work work;
    auto place = find_kernel(*target, work);
    ASSERT_TRUE(place) << place.error().message;
    EXPECT_EQ(place->base, VirtAddr(base_64));
    EXPECT_EQ(place->debugger_data, VirtAddr(base_64 + 0x3100));
    EXPECT_EQ(place->loaded_module_list, VirtAddr(base_64 + 0x3f00));
    EXPECT_EQ(place->found_by, "page tables at 0x5000, a search of the mapped pages");
    EXPECT_EQ(target->identity().machine, &x64_machine());
    EXPECT_EQ(target->identity().kernel_base, VirtAddr(base_64));
    EXPECT_EQ(target->identity().build, 22621);
    EXPECT_EQ(target->identity().debugger_data, VirtAddr(base_64 + 0x3100));
}

// A page that was taken from the tables but not from memory.
TEST(FindKernel, ReadsWhatIsInTransition) {
    SmallMachine machine = x64_small();
    machine.put(0x8018, std::uint64_t{0x12880});
    auto target = *open_raw(machine);
    Work work;
    auto place = find_kernel(*target, work);
    ASSERT_TRUE(place) << place.error().message;
    EXPECT_EQ(place->debugger_data, VirtAddr(base_64 + 0x3100));
}

// Windows before 10 leaves the build out of the page of system data.
TEST(FindKernel, BuildOfEarlierWindowsByItsVersion) {
    struct Case {
        std::uint32_t major, minor;
        std::uint16_t build;
    };
    for (const auto& [major, minor, build] : {Case{6, 0, 6000}, {6, 1, 7600}, {6, 3, 9600}, {5, 2, 3790}}) {
        SmallMachine machine = x64_small();
        machine.put(0xe260, std::uint32_t{0});
        machine.put(0xe26c, major);
        machine.put(0xe270, minor);
        auto target = *open_raw(machine);
        Work work;
        ASSERT_TRUE(find_kernel(*target, work));
        EXPECT_EQ(target->identity().build, build);
    }
}

TEST(FindKernel, BuildOfEarlierWindowsByTheExportOfTheKernel) {
    SmallMachine machine = x64_small();
    machine.put(0xe260, std::uint32_t{0});
    machine.put(0xe26c, std::uint32_t{6});
    // The export directory, behind the header's debug records: one name.
    machine.put(0x10000 + 0x98 + 112, std::uint32_t{0x600});
    machine.put(0x10000 + 0x98 + 116, std::uint32_t{0x100});
    machine.put(0x10600 + 0x10, std::uint32_t{1}); // ordinal base
    machine.put(0x10600 + 0x14, std::uint32_t{1});
    machine.put(0x10600 + 0x18, std::uint32_t{1});
    machine.put(0x10600 + 0x1c, std::uint32_t{0x640});
    machine.put(0x10600 + 0x20, std::uint32_t{0x650});
    machine.put(0x10600 + 0x24, std::uint32_t{0x660});
    machine.put(0x10640, std::uint32_t{0x3800});
    machine.put(0x10650, std::uint32_t{0x670});
    machine.put(0x10660, std::uint16_t{0});
    constexpr std::string_view name = "NtBuildNumber";
    for (std::size_t i = 0; i < name.size(); ++i)
        machine.put(0x10670 + i, name[i]);
    machine.put(0x12800, std::uint32_t{0xf0001db1}); // 7601
    auto target = *open_raw(machine);
    Work work;
    ASSERT_TRUE(find_kernel(*target, work));
    EXPECT_EQ(target->identity().build, 7601);
}

// Page 4000 names itself but is no root: without the page of system data it is passed over.
TEST(FindKernel, PassesOverDecoys) {
    SmallMachine machine = x64_small();
    machine.put(0x4000 + 8 * 0x13d, std::uint64_t{0x4063});
    for (std::size_t i = 0x100; i < 0x104; ++i)
        machine.put(0x4000 + 8 * i, std::uint64_t{0x6063});
    auto target = *open_raw(machine);
    Work work;
    EXPECT_EQ(find_page_roots(*target->image().physical, 10, work).roots.size(), 2u);
    EXPECT_FALSE(find_page_roots(*target->image().physical, 10, work).limit_reached);
    EXPECT_TRUE(find_page_roots(*target->image().physical, 1, work).limit_reached);
    auto place = find_kernel(*target, work);
    ASSERT_TRUE(place);
    EXPECT_EQ(target->page_tables().cr3, 0x5000u);
}

TEST(FindKernel, SaysWhatWasTried) {
    Work work;
    auto other = *open_raw(x64_small("hal.pdb"));
    EXPECT_THAT(find_kernel(*other, work).error().message,
                HasSubstr("No NT kernel was found in memory.raw. Tried: 1 pages that look like"));
    auto empty = *open_raw(SmallMachine());
    EXPECT_THAT(find_kernel(*empty, work).error().message, HasSubstr("Tried: 0 pages"));
}

TEST(FindKernel, Of32BitsWithAndWithoutPae) {
    for (const bool pae : {false, true}) {
        SmallMachine machine;
        constexpr std::uint32_t base = 0x80400000;
        machine.kernel_image(0x10000, false, "ntkrnlpa.pdb");
        machine.put(0xe264, std::uint32_t{1});
        machine.put(0xe26c, std::uint32_t{5});
        machine.put(0x12110, std::uint32_t{0x4742444b});
        machine.put(0x12114, std::uint32_t{0x318});
        machine.put(0x12118, std::uint64_t{base}); // zero-extended, as 32-bit kernels may have it
        machine.put(0x12148, std::uint64_t{base + 0x3f00});
        if (pae) {
            for (std::size_t i = 0; i < 4; ++i) { // directories at 4000 to 7000, their table at 3040
                machine.put(0x3040 + 8 * i, 0x4001 + i * 0x1000);
                machine.put(0x7000 + 8 * i, 0x4063 + i * 0x1000);
            }
            machine.put(0x6000 + 8 * 2, std::uint64_t{0x8063});     // 80400000
            machine.put(0x7000 + 8 * 0x1fe, std::uint64_t{0x9063}); // ffc00000
            machine.put(0x9000 + 8 * 0x1f0, std::uint64_t{0xe063}); // ffdf0000
            for (std::size_t i : {0u, 2u, 3u})
                machine.put(0x8000 + 8 * i, i ? 0x10063 + (i - 1) * 0x1000 : std::uint64_t{0x10063});
        } else {
            machine.put(0x5000 + 4 * 0x300, std::uint32_t{0x5063});
            machine.put(0x5000 + 4 * 0x201, std::uint32_t{0x8063});
            machine.put(0x5000 + 4 * 0x3ff, std::uint32_t{0x9063});
            machine.put(0x9000 + 4 * 0x1f0, std::uint32_t{0xe063});
            for (std::uint32_t i : {0u, 2u, 3u})
                machine.put(0x8000 + 4 * i, i ? 0x10063 + (i - 1) * 0x1000 : 0x10063u);
        }
        auto target = *open_raw(machine);
        Work work;
        auto place = find_kernel(*target, work);
        ASSERT_TRUE(place) << place.error().message << " pae " << pae;
        EXPECT_EQ(place->base, VirtAddr(0xffffffff80400000));
        EXPECT_EQ(place->loaded_module_list, VirtAddr(0xffffffff80403f00));
        EXPECT_EQ(target->page_tables_mode().name, pae ? "x86 with PAE" : "x86");
    }
}

TEST(FindKernel, BelowAHintOverPagesThatCannotBeRead) {
    auto target = *open_raw(x64_small());
    target->use_page_tables({&x64_machine(), 0x5000, 0});
    EXPECT_EQ(find_kernel_below(target->memory(), VirtAddr(base_64 + 0x2345), x64_machine()), VirtAddr(base_64));
    EXPECT_EQ(find_kernel_below(target->memory(), VirtAddr(base_64 - 1), x64_machine()), std::nullopt);
    EXPECT_EQ(find_kernel_below(target->memory(), VirtAddr(0x1000), x64_machine()), std::nullopt);
}

// A header may put memory at the far end of what addresses can name.
TEST(FindKernel, StepsOverHolesOfAnySize) {
    ByteVector lime;
    auto range = [&](std::uint64_t start) {
        const std::size_t at = lime.size();
        lime.resize(at + 32 + 4096);
        store(MutableBytes(lime), at, std::uint32_t{0x4c694d45});
        store(MutableBytes(lime), at + 4, std::uint32_t{1});
        store(MutableBytes(lime), at + 8, start);
        store(MutableBytes(lime), at + 16, start + 4095);
    };
    range(0x1000);
    range(0xffffffffff000);
    auto target = *target::DumpTarget::from_image(*dumps::open_image(dumps::ImageFile::from_bytes(lime, "far.lime")));
    Work work;
    EXPECT_FALSE(find_kernel(*target, work));
}

// Tables that are their own tables map every address, to pages that are no kernel.
TEST(FindKernel, EndsOnTablesThatMapWithoutEnd) {
    SmallMachine machine = x64_small("hal.pdb");
    for (std::size_t i = 0; i < 0x200; ++i)
        if (i != 0x1ef) machine.put(0x5000 + 8 * i, std::uint64_t{0x5063});
    auto target = *open_raw(machine);
    Work work;
    EXPECT_FALSE(find_kernel(*target, work));
}

// Whatever memory holds, the search ends and tells no lies.
TEST(FindKernel, SurvivesRandomMemory) {
    std::mt19937_64 random(3);
    for (int round = 0; round < 20; ++round) {
        SmallMachine machine = x64_small();
        for (int i = 0; i < 200; ++i)
            machine.put(random() % (memory_bytes - 8), random());
        auto target = *open_raw(machine);
        Work work;
        if (auto place = find_kernel(*target, work))
            EXPECT_TRUE(is_kernel_image(target->memory(), place->base, *target->identity().machine));
    }
}

} // namespace
} // namespace poolkd::nt

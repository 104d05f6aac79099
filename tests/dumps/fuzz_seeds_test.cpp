// Writes the seeds of the fuzzers of this floor: small images that are right. Run it after a format was added:
// test_dumps --gtest_also_run_disabled_tests --gtest_filter='FuzzSeeds.*'
#include "image_builder.h"

#include <filesystem>
#include <fstream>

namespace poolkd::dumps::testing {
namespace {

TEST(FuzzSeeds, DISABLED_Write) {
    const Pages pages{1, 2, 6};
    auto write = [](const char* fuzzer, const char* name, const FileBuilder& file) {
        const auto folder = std::filesystem::path(POOLKD_SOURCE_DIR) / "fuzz/corpus" / fuzzer;
        std::filesystem::create_directories(folder);
        // The pages themselves are of no interest: what is missing of them is read as missing.
        const std::size_t size = std::min<std::size_t>(file.size(), 0x3010);
        std::ofstream stream(folder / name, std::ios::binary);
        stream.write(reinterpret_cast<const char*>(file.bytes().data()), static_cast<std::streamsize>(size));
        ASSERT_TRUE(stream.flush());
    };
    write("dumps_crash_dump", "full64", full_dump(true, pages));
    write("dumps_crash_dump", "full32", full_dump(false, pages));
    write("dumps_crash_dump", "bitmap64", bitmap_dump(true, 6, pages, 9));
    write("dumps_crash_dump", "bitmap32", bitmap_dump(false, 5, pages, 9));
    write("dumps_crash_dump", "summary64", summary_dump(true, pages, 9));
    write("dumps_crash_dump", "summary32", summary_dump(false, pages, 9));
    write("dumps_crash_dump", "ranges8", range_dump(8, pages));
    write("dumps_crash_dump", "ranges10", range_dump(10, pages));
    write("dumps_crash_dump", "triage64", small_triage_dump(true));
    write("dumps_crash_dump", "triage32", small_triage_dump(false));
    write("dumps_elf_core", "elf64", elf_core(true, pages));
    write("dumps_elf_core", "elf32", elf_core(false, pages));
    write("dumps_lime", "lime", lime_image(pages));
    write("dumps_vmware", "wide", vmware_state({{0, 0, 4}, {16, 4, 2}}));
    write("dumps_vmware", "narrow", vmware_state({{0, 0, 4}, {16, 4, 2}}, 0xbed2bed0));
}

} // namespace
} // namespace poolkd::dumps::testing

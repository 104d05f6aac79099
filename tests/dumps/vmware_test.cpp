#include "image_builder.h"
#include "support/temporary_directory.h"

#include <gmock/gmock.h>

#include <fstream>

namespace poolkd::dumps::testing {
namespace {

class VmwareTest : public ::testing::Test {
  protected:
    std::string write(const FileBuilder& file, const std::string& name) {
        const std::string path = (directory.path() / name).string();
        std::ofstream(path, std::ios::binary)
            .write(reinterpret_cast<const char*>(file.bytes().data()), static_cast<std::streamsize>(file.size()));
        return path;
    }
    /// Pages 0 to 3 and 16 to 17 of memory, one after the other.
    static FileBuilder memory() {
        FileBuilder file;
        for (std::uint64_t p : {0u, 1u, 2u, 3u, 16u, 17u})
            file.put_page(file.size(), p);
        return file;
    }
    poolkd::testing::TemporaryDirectory directory;
};

TEST_F(VmwareTest, TheStateFileTellsWhereMemoryLies) {
    for (std::uint32_t magic : {0xbed2bed2u, 0xbed2bed0u}) {
        const std::string memory_path = write(memory(), "vm.vmem");
        const std::string state = write(vmware_state({{0, 0, 4}, {16, 4, 2}}, magic), "vm.vmss");
        for (const std::string& path : {memory_path, state}) {
            auto image = open_image(path);
            ASSERT_TRUE(image) << image.error().message;
            EXPECT_EQ(image->facts.container, "VMware memory with its state file");
            EXPECT_EQ(image->facts.directory_table_base, 0x1ad000u);
            EXPECT_EQ(image->facts.machine, &x64_machine());
            EXPECT_TRUE(image->coverage.complete()) << image->coverage.sentence();
            EXPECT_EQ(read_pages(*image, 30), (Pages{0, 1, 2, 3, 16, 17}));
        }
    }
}

TEST_F(VmwareTest, ASnapshotHasAnotherExtension) {
    const std::string path = write(memory(), "vm-Snapshot1.vmem");
    write(vmware_state({{0, 0, 4}, {16, 4, 2}}), "vm-Snapshot1.vmsn");
    EXPECT_EQ(read_pages(*open_image(path), 30), (Pages{0, 1, 2, 3, 16, 17}));
}

TEST_F(VmwareTest, WithoutRegionsOffsetsAreAddresses) {
    FileBuilder file;
    for (std::uint64_t p : {0u, 1u, 2u})
        file.put_page(file.size(), p);
    const std::string path = write(file, "vm.vmem");
    auto alone = open_image(path);
    ASSERT_TRUE(alone);
    EXPECT_THAT(alone->facts.remarks, ::testing::ElementsAre(::testing::HasSubstr("Without its .vmss or .vmsn")));
    EXPECT_EQ(read_pages(*alone, 9), (Pages{0, 1, 2}));
    write(vmware_state({}), "vm.vmss");
    EXPECT_EQ(read_pages(*open_image(path), 9), (Pages{0, 1, 2}));
    EXPECT_TRUE(open_image(path)->facts.remarks.empty());
}

TEST_F(VmwareTest, SaysWhatIsMissing) {
    const std::string state = write(vmware_state({{0, 0, 4}}), "vm.vmss");
    EXPECT_THAT(open_image(state).error().message, ::testing::HasSubstr("should be beside it, as vm.vmem"));
}

TEST_F(VmwareTest, ADamagedStateFileIsSurvived) {
    const std::string path = write(memory(), "vm.vmem");
    const ByteVector state = vmware_state({{0, 0, 4}, {16, 4, 2}}).bytes();
    for (std::size_t size = 0; size < state.size(); size += 7) {
        FileBuilder cut;
        for (std::size_t i = 0; i < size; ++i)
            cut.put(i, state[i]);
        write(cut, "vm.vmss");
        (void)open_image(path);
    }
    for (std::size_t at = 0; at < state.size(); ++at) {
        FileBuilder damaged;
        for (std::size_t i = 0; i < state.size(); ++i)
            damaged.put(i, i == at ? ~state[i] : state[i]);
        write(damaged, "vm.vmss");
        auto image = open_image(path);
        // Two regions may now share pages of the file.
        EXPECT_LE(image ? image->coverage.present : 0, 12 * page);
    }
}

} // namespace
} // namespace poolkd::dumps::testing

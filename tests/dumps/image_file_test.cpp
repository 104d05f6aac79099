#include "dumps/image_file.h"
#include "image_builder.h"
#include "support/temporary_directory.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <fstream>

namespace poolkd::dumps {
namespace {

class ImageFileTest : public ::testing::Test {
  protected:
    std::string write(const ByteVector& bytes, const std::string& name = "image.bin") {
        const std::string path = (directory.path() / name).string();
        std::ofstream(path, std::ios::binary)
            .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
        return path;
    }
    poolkd::testing::TemporaryDirectory directory;
};

/// Bytes of the process that are its own: mapped files do not count.
std::uint64_t own_bytes() {
    std::ifstream status("/proc/self/status");
    std::string word;
    while (status >> word)
        if (word == "RssAnon:") {
            std::uint64_t kilobytes = 0;
            status >> kilobytes;
            return kilobytes << 10;
        }
    return 0;
}

TEST_F(ImageFileTest, SaysWhatCannotBeOpened) {
    EXPECT_EQ(ImageFile::open("/nowhere/at/all").error().kind, ErrorKind::not_found);
    EXPECT_EQ(ImageFile::open(directory.path().string()).error().kind, ErrorKind::unsupported);
    const std::string pipe = (directory.path() / "pipe").string();
    ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
    EXPECT_EQ(ImageFile::open(pipe).error().message, pipe + " is not a file");
    EXPECT_EQ(open_image(write({})).error().kind, ErrorKind::malformed);
}

// A file that is cut while it is mapped raises SIGBUS where it is touched.
TEST_F(ImageFileTest, SurvivesAFileThatBecomesShorter) {
    const std::string path = write(ByteVector(64 * 4096, std::byte{7}));
    auto file = *ImageFile::open(path);
    const Bytes view = file->view(FileOffset(0), file->size());
    ASSERT_EQ(truncate(path.c_str(), 10 * 4096 + 100), 0);
    EXPECT_EQ(view[20 * 4096], std::byte{0}); // the touch itself
    EXPECT_FALSE(file->intact());
    EXPECT_EQ(view[4096], std::byte{7});
    ByteVector out(20 * 4096);
    EXPECT_EQ(file->read(FileOffset(0), out), 10u * 4096 + 100);
    EXPECT_EQ(out[10 * 4096 + 99], std::byte{7});
    EXPECT_EQ(file->read(FileOffset(30 * 4096), out), 0u);
    EXPECT_TRUE(file->view(FileOffset(0), 4096).empty());
}

TEST_F(ImageFileTest, AReadThatMeetsTheNewEndIsShort) {
    const std::string path = write(ByteVector(64 * 4096, std::byte{7}));
    auto image = *open_image(path);
    ASSERT_EQ(truncate(path.c_str(), 3 * 4096), 0);
    ByteVector out(8 * 4096);
    const auto got = image.physical->read(PhysAddr(0), out);
    EXPECT_EQ(got.bytes, 3u * 4096);
    EXPECT_EQ(got.gap, GapReason::not_in_image);
    EXPECT_EQ(out[3 * 4096 - 1], std::byte{7});
}

TEST_F(ImageFileTest, SeesWhatARunningMachineWrites) {
    const std::string path = write(ByteVector(64 * 4096, std::byte{7}));
    EXPECT_FALSE(open_image(path)->changing);
    const int writer = open(path.c_str(), O_RDWR);
    auto image = *open_image(path);
    EXPECT_TRUE(image.changing);
    ASSERT_EQ(pwrite(writer, "x", 1, 4096), 1);
    std::byte now{};
    (void)image.physical->read(PhysAddr(4096), MutableBytes(&now, 1));
    EXPECT_EQ(now, std::byte{'x'});
    close(writer);
}

// 16 GB with every second page of memory: the header costs nothing, the bitmap's directory 8 bytes for 512 pages.
TEST_F(ImageFileTest, OpeningAHugeImageCostsItsHeader) {
    constexpr std::uint64_t pages = (16ull << 30) / 4096, first_page = 0x2000 + pages * 2 / 8 + 0x1000;
    auto header = testing::bitmap_dump(true, 6, {}, 8);
    header.put(0x2020, first_page).put(0x2028, pages).put(0x2030, pages * 2);
    header.grow(0x2038);
    ByteVector bytes = header.bytes();
    bytes.resize(0x2038);
    bytes.resize(0x2038 + pages * 2 / 8, std::byte{0x55});
    const std::string path = write(bytes);
    if (truncate(path.c_str(), static_cast<off_t>(first_page + pages * 4096)) != 0)
        GTEST_SKIP() << "no sparse files of 16 GB here";
    bytes.clear();
    bytes.shrink_to_fit();
    const std::uint64_t before = own_bytes();
    auto image = *open_image(path);
    EXPECT_LT(own_bytes(), before + (2u << 20));
    EXPECT_TRUE(image.coverage.complete());
    EXPECT_EQ(image.coverage.present, 16ull << 30);
    ByteVector out(16);
    EXPECT_EQ(image.physical->read(PhysAddr((pages * 2 - 2) * 4096), out).bytes, 16u);
    EXPECT_EQ(image.physical->read(PhysAddr((pages * 2 - 1) * 4096), out).bytes, 0u);
}

} // namespace
} // namespace poolkd::dumps

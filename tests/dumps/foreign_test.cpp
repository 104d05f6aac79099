#include "dumps/raw.h"
#include "image_builder.h"

#include <gmock/gmock.h>

namespace poolkd::dumps::testing {
namespace {

using ::testing::HasSubstr;
using namespace std::string_view_literals;

struct Case {
    std::string_view start;
    const char* what;
    const char* instead;
};

// What people try to open, and what must be said.
constexpr Case cases[] = {
    {"MDMP\x93\xa7"sv, "a minidump of a user process", "take a kernel or complete memory dump"},
    {"KDUMP   \x06"sv, "kdump", "ELF core"},
    {"makedumpfile\0\0\0\0"sv, "flattened", "ELF core"},
    {"QEVM\0\0\0\x03"sv, "savevm", "dump-guest-memory"},
    {"LibvirtQemudSave\x02"sv, "libvirt", "--memory-only"},
    {"\x14\x20\x28\x01"sv, "Hyper-V", "crash dump on Windows"},
    {"HIBR"sv, "hibernation", "raw image"},
    {"wake"sv, "resumed from", "raw image"},
    {"AVML\x02\0\0\0"sv, "compressed AVML", "avml-convert"},
    {"MSCF\0\0\0\0"sv, "a cabinet", "cabextract"},
    {"\x1f\x8b\x08"sv, "gzip", "gunzip"},
    {"\x28\xb5\x2f\xfd"sv, "zstd", "unzstd"},
    {"\xfd"
     "7zXZ\0"sv,
     "xz", "unxz"},
    {"PK\x03\x04...container.description"sv, "AFF4", "raw image"},
    {"PK\x03\x04...memory.dmp"sv, "a zip archive", "unpack"},
};

TEST(Foreign, IsRefusedWithWhatToDo) {
    for (const Case& c : cases) {
        FileBuilder file;
        file.put(0, c.start).grow(8192);
        auto image = open_bytes(file, "given");
        ASSERT_FALSE(image) << c.what;
        EXPECT_EQ(image.error().kind, ErrorKind::unsupported);
        EXPECT_THAT(image.error().message, HasSubstr("given: this is"));
        EXPECT_THAT(image.error().message, HasSubstr(c.what));
        EXPECT_THAT(image.error().message, HasSubstr(c.instead));
    }
}

TEST(Foreign, AWipedHibernationFileIsKnownByItsName) {
    FileBuilder zeros;
    zeros.grow(8192);
    EXPECT_THAT(open_bytes(zeros, "/mnt/c/hiberfil.sys").error().message, HasSubstr("wiped"));
    EXPECT_TRUE(open_bytes(zeros, "/mnt/c/memory.raw"));
}

TEST(Raw, OffsetsAreAddresses) {
    FileBuilder file;
    for (std::uint64_t p = 0; p < 5; ++p)
        file.put_page(file.size(), p);
    auto image = open_bytes(file);
    ASSERT_TRUE(image);
    EXPECT_EQ(image->facts.container, "raw memory");
    EXPECT_EQ(read_pages(*image, 9), (Pages{0, 1, 2, 3, 4}));
    EXPECT_EQ(open_bytes(FileBuilder().put(0, "short"sv)).error().kind, ErrorKind::unsupported);
}

TEST(Raw, TheRamOfAMachineMayHaveAHoleBelow4Gib) {
    const auto runs = raw_runs(0x100000000, 0xc0000000);
    ASSERT_EQ(runs.size(), 2u);
    EXPECT_EQ(runs[1].start, PhysAddr(0x100000000));
    EXPECT_EQ(runs[1].offset, FileOffset(0xc0000000));
    EXPECT_EQ(runs[1].bytes, 0x40000000u);
    EXPECT_EQ(raw_runs(0x80000000, 0xc0000000).size(), 1u);
}

} // namespace
} // namespace poolkd::dumps::testing

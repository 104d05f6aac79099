// Files that are damaged, cut short or of another kind: a sentence, never a crash.
#include "support.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <random>

namespace poolkd::symbols {
namespace {

using testing::fixture;
using testing::open_bytes;
using testing::read_file;
using testing::shared_data;

/// Asks everything that can be asked.
void exercise(PdbSymbols& pdb) {
    for (const char* name : {"SampleTake", "_SAMPLE_RECORD", "none", "A::b"})
        (void)pdb.find_all(name);
    std::size_t asked = 0;
    for (const Symbol& symbol : pdb.match("*", 200)) {
        (void)pdb.nearest(symbol.rva);
        (void)pdb.next(symbol.rva);
        (void)pdb.line(symbol.rva);
        if (++asked < 20) (void)pdb.type_of_symbol(symbol.name);
    }
    for (std::uint32_t rva = 0; rva < 0x8000; rva += 0x80) {
        (void)pdb.nearest(rva);
        (void)pdb.line(rva);
    }
    for (const std::string& name : pdb.match_types("*", 50)) {
        auto layout = pdb.layout(name);
        auto type = pdb.type(name);
        if (type) (void)pdb.layout_of(**type);
        if (layout)
            for (const Field& field : layout->fields)
                (void)pdb.layout_of(*field.type);
    }
}

TEST(Damaged, EveryTruncation) {
    const ByteVector whole = read_file(fixture("sample64.pdb"));
    ASSERT_FALSE(whole.empty());
    for (std::size_t size = 0; size < whole.size(); size += size < 256 ? 1 : 1023) {
        auto pdb = open_bytes(Bytes(whole).first(size));
        if (pdb) {
            exercise(**pdb);
        } else {
            EXPECT_NE(pdb.error().message.find("test.pdb"), std::string::npos) << pdb.error().message;
            EXPECT_EQ(pdb.error().message.find('\n'), std::string::npos);
        }
    }
}

TEST(Damaged, RandomBytesChanged) {
    const ByteVector whole = read_file(fixture("sample64.pdb"));
    std::mt19937 random(20040203);
    std::size_t opened = 0;
    for (int round = 0; round < 300; ++round) {
        ByteVector bytes = whole;
        for (int change = 0; change < 1 + round % 40; ++change) {
            // Half of the changes hit the small numbers that sizes and indices are.
            std::size_t at = random() % bytes.size();
            bytes[at] = static_cast<std::byte>(random() % 2 ? 0xff : random());
        }
        auto pdb = open_bytes(bytes);
        if (!pdb) continue;
        ++opened;
        exercise(**pdb);
    }
    EXPECT_GT(opened, 50u) << "the changes must not all hit the header";
}

TEST(Damaged, OtherFormats) {
    auto message = [](std::string_view text) {
        auto file = PdbFile::from_bytes(std::as_bytes(std::span(text)), "x.pdb");
        return file ? "opened" : file.error().message;
    };
    EXPECT_NE(message("BSJB\1\0\1").find("portable PDB"), std::string::npos);
    EXPECT_NE(message("Microsoft C/C++ program database 2.00\r\n\x1aJG").find("2.00"), std::string::npos);
    EXPECT_NE(message("").find("no PDB"), std::string::npos);
    EXPECT_NE(message("\x7f"
                      "ELF")
                  .find("no PDB"),
              std::string::npos);
    EXPECT_NE(message("Microsoft C/C++ MSF 7.00\r\n\x1a"
                      "DS")
                  .find("damaged"),
              std::string::npos);
    EXPECT_EQ(PdbFile::open("/no/such/file.pdb").error().kind, ErrorKind::io);
    EXPECT_EQ(PdbFile::open("/dev/zero").error().kind, ErrorKind::io);
}

TEST(Damaged, SharedFilesWithBadHeaders) {
    const std::string root = shared_data("malformed");
    if (!std::filesystem::exists(root)) GTEST_SKIP() << "shared test data is absent: " << root;
    std::size_t refused = 0;
    for (const auto& entry : std::filesystem::directory_iterator(root)) {
        if (entry.path().extension() != ".pdb") continue;
        EXPECT_FALSE(PdbFile::open(entry.path().string())) << entry.path();
        ++refused;
    }
    EXPECT_GT(refused, 0u);
}

} // namespace
} // namespace poolkd::symbols

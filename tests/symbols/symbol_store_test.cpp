// Finding PDBs in folders and stores, and the store that shares them, with the images fixtures.cmake builds.
#include "base/text.h"
#include "pe/debug_directory.h"
#include "support.h"
#include "symbols/export_symbols.h"
#include "symbols/symbol_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <atomic>
#include <thread>

namespace poolkd::symbols {
namespace {

using testing::fixture;
using testing::read_file;
using testing::TemporaryFolder;
using testing::write_file;

class Stores : public ::testing::Test {
  protected:
    void SetUp() override {
        image_ = read_file(fixture("sample64.sys"));
        pe::SpanReader reader(image_);
        auto image = pe::Image::open(reader, pe::ImageLayout::file);
        ASSERT_TRUE(image) << image.error().message;
        auto reference = pe::find_pdb_reference(*image);
        ASSERT_TRUE(reference && *reference);
        wanted_ = **reference;
        ASSERT_EQ(wanted_.file_name(), "sample64.pdb");
        pdb_ = read_file(fixture("sample64.pdb"));
    }

    SymbolPath path(std::string_view text) { return SymbolPath::parse(text, SymbolEnvironment{.home = "/none"}); }
    /// Where the PDB was found below the folder; empty when not.
    std::string found(const std::string& text) {
        log_ = SearchLog();
        auto file = find_pdb(wanted_, "Sample64.SYS", path(text), {.servers = nullptr, .log = &log_, .work = nullptr});
        return file ? std::filesystem::relative((*file)->path(), folder_.path()).string() : "";
    }
    void put(const std::string& name) { write_file(folder_.path() / name, pdb_); }

    TemporaryFolder folder_;
    std::string root_ = folder_.path().string();
    ByteVector image_;
    ByteVector pdb_;
    pe::PdbReference wanted_;
    SearchLog log_;
};

TEST_F(Stores, PlainFoldersAndTheirSubfolders) {
    EXPECT_EQ(found(root_), "");
    for (const char* name : {"sys/SAMPLE64.pdb", "symbols/sys/sample64.PDB", "Sample64.pdb"}) {
        put(name);
        EXPECT_EQ(found(root_), name);
    }
    EXPECT_EQ(found("/no/such/folder;" + root_), "Sample64.pdb");
    ASSERT_FALSE(log_.lines().empty());
    EXPECT_NE(log_.lines().front().find("folder not found"), std::string::npos);
    EXPECT_NE(log_.lines().back().find("- found"), std::string::npos);
}

TEST_F(Stores, StoreTreesInAnyCase) {
    const std::string id = wanted_.identity.text();
    const std::string name = "Sample64.PDB/" + to_lower(id) + "/sample64.pdb";
    put(name);
    EXPECT_EQ(found("srv*" + root_), name);
    EXPECT_EQ(found("srv*/proc/nowhere*" + root_), name);
    EXPECT_EQ(found("cache*" + root_), name);
    EXPECT_EQ(found(root_), name) << "a folder that is a store";
}

TEST_F(Stores, StoresOfTwoLevels) {
    const std::string name = "sa/sample64.pdb/" + wanted_.identity.text() + "/sample64.pdb";
    put(name);
    EXPECT_EQ(found("srv*" + root_), "");
    write_file(folder_.path() / "index2.txt", {});
    EXPECT_EQ(found("srv*" + root_), name);
}

TEST_F(Stores, DamagedCabinetsAndServersAreLogged) {
    write_file(folder_.path() / "sample64.pdb" / wanted_.identity.text() / "sample64.pd_", pdb_);
    EXPECT_EQ(found("srv*" + root_ + "*https://host/s"), "");
    auto has = [&](std::string_view text) {
        return std::ranges::any_of(log_.lines(),
                                   [&](const auto& line) { return line.find(text) != std::string::npos; });
    };
    EXPECT_TRUE(has("sample64.pd_ cannot be unpacked: it is no cabinet"));
    EXPECT_TRUE(has("https://host/s/sample64.pdb/" + wanted_.identity.text()));
    auto none = find_pdb(wanted_, "sample64.sys", path("srv*https://host/s"));
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().kind, ErrorKind::not_found);
    EXPECT_NE(none.error().message.find("https://host/s was not asked"), std::string::npos);
    EXPECT_NE(find_pdb(wanted_, "x.sys", path("")).error().message.find(".sympath"), std::string::npos);
}

TEST_F(Stores, AnotherBuildsPdbIsRefusedNamingBoth) {
    write_file(folder_.path() / "sample64.pdb", read_file(fixture("sample32.pdb")));
    auto refused = find_pdb(wanted_, "sample64.sys", path(root_));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind, ErrorKind::mismatch);
    EXPECT_NE(refused.error().message.find(wanted_.identity.text()), std::string::npos);
    auto other = PdbFile::open(fixture("sample32.pdb"));
    EXPECT_NE(refused.error().message.find((*other)->identity().text()), std::string::npos);
    // The right one further on is still found.
    put("later/sample64.pdb");
    EXPECT_EQ(found(root_ + ";" + root_ + "/later"), "later/sample64.pdb");
}

TEST_F(Stores, FoldersAndPipesInPlaceOfAFileDoNoHarm) {
    std::filesystem::create_directories(folder_.path() / "sample64.pdb");
    ASSERT_EQ(::mkfifo((folder_.path() / "sys").c_str(), 0600), 0);
    EXPECT_EQ(found(root_), "");
    std::filesystem::create_directories(folder_.path() / "p");
    ASSERT_EQ(::mkfifo((folder_.path() / "p" / "sample64.pdb").c_str(), 0600), 0);
    EXPECT_EQ(found(root_ + "/p"), "");
}

TEST_F(Stores, OnePdbIsSharedAndGoesWithItsLastUser) {
    put("sample64.pdb");
    SymbolStore store;
    auto first = store.open(wanted_, "sample64.sys", path(root_));
    auto second = store.open(wanted_, "sample64.sys", path(""));
    ASSERT_TRUE(first && second);
    EXPECT_EQ(first->get(), second->get());
    EXPECT_EQ(store.open_file(fixture("sample64.pdb"))->get(), first->get()) << "the same file at another place";
    EXPECT_EQ(store.open_count(), 1u);
    first->reset();
    second->reset();
    EXPECT_EQ(store.open_count(), 0u);
    EXPECT_FALSE(store.open(wanted_, "sample64.sys", path("")));
}

TEST_F(Stores, ManyThreadsAskAtOnce) {
    put("sample64.pdb");
    SymbolStore store;
    const SymbolPath where = path(root_);
    std::vector<std::jthread> threads;
    std::atomic<int> right = 0;
    for (int t = 0; t < 4; ++t)
        threads.emplace_back([&] {
            for (int i = 0; i < 50; ++i) {
                auto symbols = store.open(wanted_, "sample64.sys", where);
                if (symbols && (*symbols)->find("sampletake") && (*symbols)->layout("_SAMPLE_RECORD") &&
                    (*symbols)->nearest((*symbols)->find("SampleHidden")->rva)->name == "SampleHidden")
                    ++right;
            }
        });
    threads.clear();
    EXPECT_EQ(right, 200);
}

TEST_F(Stores, LoadingFallsBackToExportsAndSaysSo) {
    put("sample64.pdb");
    SymbolStore store;
    pe::SpanReader reader(image_);
    auto load = [&](const std::string& text) {
        return store.load(reader, pe::ImageLayout::file, {"sample64.sys"}, path(text));
    };
    auto loaded = load(root_);
    ASSERT_TRUE(loaded.symbols);
    EXPECT_EQ(loaded.symbols->provenance(), Provenance::pdb_private);
    EXPECT_EQ(loaded.note, "");
    loaded.symbols.reset(); // else the store would still have it
    loaded = load("/proc/nowhere");
    ASSERT_TRUE(loaded.symbols);
    EXPECT_EQ(loaded.symbols->provenance(), Provenance::exports);
    EXPECT_NE(loaded.note.find("sample64.pdb (" + wanted_.identity.text() + ") was not found"), std::string::npos)
        << loaded.note;
    EXPECT_NE(loaded.note.find("no types"), std::string::npos);
    const ByteVector junk(100);
    pe::SpanReader nothing(junk);
    loaded = store.load(nothing, pe::ImageLayout::memory, {"x.sys"}, path(root_));
    EXPECT_FALSE(loaded.symbols);
    EXPECT_NE(loaded.note.find("Unable to read the image header of x.sys"), std::string::npos);
}

TEST_F(Stores, ExportsAgreeWithThePdb) {
    put("sample64.pdb");
    auto pdb = testing::open_pdb(fixture("sample64.pdb"));
    pe::SpanReader reader(image_);
    auto image = pe::Image::open(reader, pe::ImageLayout::file);
    auto exports = ExportSymbols::read(*image);
    ASSERT_TRUE(pdb && exports) << exports.error().message;
    ModuleSymbols& table = **exports;
    EXPECT_EQ(table.find("sampletake")->rva, pdb->find("SampleTake")->rva);
    EXPECT_EQ(table.find("Renamed")->rva, pdb->find("SampleFast")->rva);
    EXPECT_FALSE(table.find("SampleCount")->is_code);
    EXPECT_TRUE(table.find("SampleTake")->is_code);
    EXPECT_FALSE(table.find("Elsewhere")) << "a forwarder has no address here";
    EXPECT_EQ(table.nearest(pdb->find("SampleTake")->rva + 3)->name, "SampleTake");
    EXPECT_FALSE(table.nearest(pdb->find("SampleText")->rva + 0x100000));
    EXPECT_EQ(table.match("*", 10).size(), 3u);
    EXPECT_EQ(table.match("sample*", 1).size(), 1u);
    EXPECT_EQ(table.next(0)->rva, table.match("*", 1).front().rva);
    EXPECT_FALSE(table.has_types());
    EXPECT_EQ(table.layout("_SAMPLE_RECORD").error().kind, ErrorKind::unsupported);
    EXPECT_EQ(table.type("ULONG").error().kind, ErrorKind::unsupported);
    EXPECT_FALSE(table.line(0x1000));
}

} // namespace
} // namespace poolkd::symbols

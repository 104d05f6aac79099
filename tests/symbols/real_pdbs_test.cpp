// PDBs that other people's compilers and linkers wrote (shared test data).
#include "base/text.h"
#include "support.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace poolkd::symbols::real_pdbs_test {
namespace {

using testing::open_pdb;
using testing::shared_data;

#define NEED_SHARED_DATA(path)                                                                                         \
    if (!std::filesystem::exists(path)) GTEST_SKIP() << "shared test data is absent: " << (path)

/// The FUNC and PUBLIC records of a Breakpad symbol file: what another program found in the same PDB.
struct Expected {
    bool is_function = false;
    std::uint32_t rva = 0;
    std::uint32_t size = 0;
    std::string name; ///< with parameters
};

std::vector<Expected> read_expected(const std::string& path) {
    std::vector<Expected> out;
    std::ifstream in(path);
    for (std::string line; std::getline(in, line);) {
        std::istringstream words(line);
        std::string word;
        words >> word;
        if (word != "FUNC" && word != "PUBLIC") continue;
        Expected expected;
        expected.is_function = word == "FUNC";
        std::string item;
        words >> item;
        if (item == "m") words >> item; // "more than one name"
        expected.rva = static_cast<std::uint32_t>(std::stoul(item, nullptr, 16));
        if (expected.is_function) {
            words >> item;
            expected.size = static_cast<std::uint32_t>(std::stoul(item, nullptr, 16));
        }
        words >> item; // parameter bytes
        std::getline(words, expected.name);
        expected.name = trim(expected.name);
        if (expected.name.starts_with("<unknown")) continue; // found by its unwind data only
        out.push_back(std::move(expected));
    }
    return out;
}

/// What both spell alike: the name without parameters, template arguments and leading underscores.
std::string plain(std::string_view name) {
    if (name.starts_with("static ")) name = trim(name.substr(7));
    name.remove_prefix(std::min(name.find_first_not_of('_'), name.size()));
    return std::string(name.substr(0, name.find_first_of("(<", 1)));
}

void check_against(const std::string& pdb_path, const std::string& expected_path) {
    NEED_SHARED_DATA(pdb_path);
    auto pdb = open_pdb(pdb_path);
    ASSERT_TRUE(pdb);
    const std::vector<Expected> expected = read_expected(expected_path);
    ASSERT_GT(expected.size(), 50u);
    std::size_t same_name = 0;
    for (const Expected& e : expected) {
        auto symbol = pdb->nearest(e.rva);
        ASSERT_TRUE(symbol) << fmt::format("{:#x} {}", e.rva, e.name);
        EXPECT_EQ(symbol->rva, e.rva) << symbol->name << " for " << e.name;
        if (e.is_function && symbol->size) {
            EXPECT_EQ(symbol->size, e.size) << e.name;
        }
        if (!plain(e.name).empty() && plain(symbol->name) == plain(e.name)) ++same_name;
    }
    // Several names for one place, and names of the compiler's making, are told differently.
    EXPECT_GT(same_name * 10, expected.size() * 8) << same_name << " of " << expected.size();
}

TEST(RealPdbs, EveryAddressOfAStrippedX86Pdb) {
    check_against(shared_data("pdb/mozilla/basic32-min.pdb"), shared_data("pdb/mozilla/basic32-min.sym"));
}

TEST(RealPdbs, EveryAddressOfAPrivateX64Pdb) {
    check_against(shared_data("pdb/sentry/CrashWithException.pdb"),
                  shared_data("pdb/sentry/CrashWithException.pdb.sym"));
}

TEST(RealPdbs, CodeNeverGetsTheNameOfAStringLiteral) {
    const std::string path = shared_data("pdb/mozilla/basic32-min.pdb");
    NEED_SHARED_DATA(path);
    auto pdb = open_pdb(path);
    ASSERT_TRUE(pdb);
    EXPECT_EQ(pdb->provenance(), Provenance::pdb_public);
    for (const Expected& e : read_expected(shared_data("pdb/mozilla/basic32-min.sym"))) {
        auto symbol = pdb->nearest(e.rva + 1);
        ASSERT_TRUE(symbol);
        EXPECT_TRUE(symbol->is_code) << symbol->name;
    }
}

TEST(RealPdbs, DriverWithPrivateSymbols) {
    const std::string path = shared_data("drivers/x64/systeminformer/systeminformer.pdb");
    NEED_SHARED_DATA(path);
    auto pdb = open_pdb(path);
    ASSERT_TRUE(pdb);
    EXPECT_EQ(pdb->provenance(), Provenance::pdb_private);
    auto entry = pdb->find("driverentry");
    ASSERT_TRUE(entry);
    EXPECT_GT(entry->size, 0u);
    auto line = pdb->line(entry->rva);
    ASSERT_TRUE(line);
    EXPECT_GT(line->line, 1u);
    auto object = pdb->layout("_DRIVER_OBJECT");
    ASSERT_TRUE(object) << object.error().message;
    EXPECT_EQ(object->size, 0x150u);
    EXPECT_EQ(object->find("MajorFunction")->offset, 0x70u);
    EXPECT_EQ(object->find("MajorFunction")->type->count, 28u);
    EXPECT_EQ(pdb->type("UNICODE_STRING").value()->size, 16u);
    EXPECT_GT(pdb->match("Kph*", 10000).size(), 200u);
}

TEST(RealPdbs, EveryFixtureAnswersEveryQuestion) {
    const std::string root = shared_data("pdb");
    NEED_SHARED_DATA(root);
    std::size_t opened = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
        if (entry.path().extension() != ".pdb") continue;
        SCOPED_TRACE(entry.path().string());
        auto file = PdbFile::open(entry.path().string());
        if (entry.path().filename() == "portable.pdb") {
            ASSERT_FALSE(file);
            EXPECT_NE(file.error().message.find("portable PDB"), std::string::npos);
            continue;
        }
        ASSERT_TRUE(file) << file.error().message;
        auto pdb = PdbSymbols::open(std::move(*file));
        ASSERT_TRUE(pdb) << pdb.error().message;
        ++opened;
        for (const Symbol& symbol : (*pdb)->match("*", 300)) {
            auto at = (*pdb)->nearest(symbol.rva);
            // Data inside of code belongs to nobody.
            if (at) {
                EXPECT_LE(at->rva, symbol.rva);
            }
            EXPECT_TRUE((*pdb)->find(symbol.name)) << symbol.name;
        }
        for (const std::string& name : (*pdb)->match_types("*", 300)) {
            auto type = (*pdb)->type(name);
            ASSERT_TRUE(type) << name;
            if ((*type)->kind == TypeKind::structure || (*type)->kind == TypeKind::union_) {
                auto layout = (*pdb)->layout(name);
                EXPECT_TRUE(layout) << name << ": " << layout.error().message;
            }
        }
    }
    EXPECT_GT(opened, 25u);
}

/// The output of a command, or nothing when it cannot be run.
std::string run(const std::string& command) {
    std::string out;
    FILE* pipe = ::popen((command + " 2>/dev/null").c_str(), "r");
    if (!pipe) return out;
    std::array<char, 4096> buffer;
    while (std::size_t count = std::fread(buffer.data(), 1, buffer.size(), pipe))
        out.append(buffer.data(), count);
    return ::pclose(pipe) == 0 ? out : std::string();
}

TEST(RealPdbs, SizesOfStructuresAgreeWithPdbutil) {
    const std::string path = shared_data("drivers/x64/systeminformer/systeminformer.pdb");
    NEED_SHARED_DATA(path);
    const std::string dump = run("llvm-pdbutil-19 dump -types " + path);
    if (dump.empty()) GTEST_SKIP() << "llvm-pdbutil-19 is absent";
    auto pdb = open_pdb(path);
    ASSERT_TRUE(pdb);
    std::istringstream lines(dump);
    std::string name;
    std::size_t compared = 0;
    for (std::string line; std::getline(lines, line);) {
        // 0x1003 | LF_STRUCTURE [size = 40] `_LIST_ENTRY`
        //          vtable: <no type>, base list: <no type>, field list: 0x1002
        //          options: ..., sizeof 16
        if (line.find("| LF_") != std::string::npos) name.clear();
        if (line.find("| LF_STRUCTURE") != std::string::npos) {
            const std::size_t quote = line.find('`');
            name = line.substr(quote + 1, line.rfind('`') - quote - 1);
        }
        const std::size_t at = line.find("sizeof ");
        if (name.empty() || at == std::string::npos || line.find("forward ref") != std::string::npos) continue;
        if (name.starts_with("<")) continue; // many share that name
        auto layout = pdb->layout(name);
        ASSERT_TRUE(layout) << name;
        EXPECT_EQ(layout->size, std::stoull(line.substr(at + 7))) << name;
        ++compared;
    }
    EXPECT_GT(compared, 500u);
}

} // namespace
} // namespace poolkd::symbols::real_pdbs_test

// Names and addresses of the images that fixtures.cmake builds from fixtures/sample.c and sample.cpp.
#include "base/text.h"
#include "support.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace poolkd::symbols {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using testing::fixture;
using ::testing::IsEmpty;
using testing::open_pdb;

std::vector<std::string> names(const std::vector<Symbol>& symbols) {
    std::vector<std::string> out;
    for (const Symbol& symbol : symbols)
        out.push_back(symbol.name);
    return out;
}

class Sample : public ::testing::TestWithParam<const char*> {
  protected:
    std::shared_ptr<PdbSymbols> pdb = open_pdb(fixture(GetParam()));
};
INSTANTIATE_TEST_SUITE_P(Machines, Sample, ::testing::Values("sample64.pdb", "sample32.pdb"));

TEST_P(Sample, NamesWithoutDecorationInAnyCase) {
    for (const char* name : {"SampleTake", "sampletake", "SampleFast", "SampleEntry", "SampleLabel", "SampleGlobal",
                             "SamplePointer", "SampleText", "SAMPLEHIDDEN", "SampleStatic"}) {
        auto symbol = pdb->find(name);
        ASSERT_TRUE(symbol) << name;
        EXPECT_TRUE(equals_ignore_case(symbol->name, name)) << symbol->name;
    }
    EXPECT_EQ(pdb->find("sampletake")->name, "SampleTake");
    EXPECT_FALSE(pdb->find("SampleNone"));
    EXPECT_FALSE(pdb->find(""));
}

TEST_P(Sample, ProceduresHaveSizesAndData) {
    auto take = pdb->find("SampleTake");
    ASSERT_TRUE(take);
    EXPECT_TRUE(take->is_code);
    EXPECT_GT(take->size, 8u);
    EXPECT_EQ(take->provenance, Provenance::pdb_private);
    EXPECT_FALSE(pdb->find("SampleCount")->is_code);
    EXPECT_TRUE(pdb->find("SampleHidden")->is_code) << "a static function has no public symbol";
    EXPECT_EQ(pdb->provenance(), Provenance::pdb_private);
}

TEST_P(Sample, ExactCaseComesFirstAndBothAreFound) {
    EXPECT_EQ(pdb->find("SampleCount")->name, "SampleCount");
    EXPECT_EQ(pdb->find("samplecount")->name, "samplecount");
    EXPECT_THAT(names(pdb->find_all("SampleCount")), ElementsAre("SampleCount", "samplecount"));
    EXPECT_THAT(names(pdb->find_all("samplecount")), ElementsAre("samplecount", "SampleCount"));
    EXPECT_EQ(pdb->find_all("SampleTake").size(), 1u) << "public and private symbol are one";
}

TEST_P(Sample, NearestByAddress) {
    for (const char* name :
         {"SampleTake", "SampleHidden", "SampleFast", "SampleEntry", "SampleLabel", "SampleGlobal", "SampleStatic"}) {
        auto symbol = pdb->find(name);
        ASSERT_TRUE(symbol);
        auto at = pdb->nearest(symbol->rva);
        ASSERT_TRUE(at) << name;
        EXPECT_EQ(at->name, name);
        auto inside = pdb->nearest(symbol->rva + 2);
        ASSERT_TRUE(inside) << name;
        EXPECT_EQ(inside->name, name);
        EXPECT_EQ(inside->rva, symbol->rva);
    }
    EXPECT_FALSE(pdb->nearest(0)) << "the headers have no symbols";
    EXPECT_FALSE(pdb->nearest(0xfffffff0));
}

TEST_P(Sample, NextByAddress) {
    auto all = pdb->match("*", 1000);
    std::vector<std::uint32_t> addresses;
    for (const Symbol& symbol : all)
        addresses.push_back(symbol.rva);
    ASSERT_TRUE(std::ranges::is_sorted(addresses));
    addresses.erase(std::unique(addresses.begin(), addresses.end()), addresses.end());
    for (std::size_t i = 0; i + 1 < addresses.size(); ++i) {
        auto next = pdb->next(addresses[i]);
        ASSERT_TRUE(next);
        // String literals are no match for a pattern, but `next` tells of symbols of any kind.
        if (next->name != "`string'") {
            EXPECT_EQ(next->rva, addresses[i + 1]);
        }
    }
    EXPECT_FALSE(pdb->next(addresses.back()));
}

TEST_P(Sample, Wildcards) {
    EXPECT_THAT(names(pdb->match("Sample[tf]a*", 10)), ::testing::UnorderedElementsAre("SampleTake", "SampleFast"));
    EXPECT_THAT(names(pdb->match("samplestatic", 10)), ElementsAre("SampleStatic"));
    EXPECT_THAT(names(pdb->match("*string*", 10)), IsEmpty());
    EXPECT_EQ(pdb->match("*", 3).size(), 3u);
    EXPECT_THAT(names(pdb->match("*", 1000)), Contains("SampleHidden"));
}

TEST_P(Sample, SourceLines) {
    auto take = pdb->find("SampleTake");
    ASSERT_TRUE(take);
    auto line = pdb->line(take->rva);
    ASSERT_TRUE(line);
    EXPECT_TRUE(line->file.ends_with("sample.c")) << line->file;
    EXPECT_EQ(line->displacement, 0u);
    std::ifstream source(line->file);
    std::string text;
    for (std::uint32_t i = 0; i < line->line; ++i)
        std::getline(source, text);
    EXPECT_NE(text.find("SampleTake("), std::string::npos) << text;
    EXPECT_GT(pdb->line(take->rva + take->size - 1)->line, line->line);
    EXPECT_FALSE(pdb->line(pdb->find("SampleLabel")->rva));
    EXPECT_FALSE(pdb->line(pdb->find("SampleGlobal")->rva));
    EXPECT_FALSE(pdb->line(0));
}

TEST(SampleClasses, CxxNames) {
    auto pdb = open_pdb(fixture("classes64.pdb"));
    ASSERT_TRUE(pdb);
    EXPECT_EQ(pdb->find_all("Pool::Tracker::add").size(), 2u) << "two overloads";
    EXPECT_TRUE(pdb->find("pool::tracker::COUNT"));
    EXPECT_TRUE(pdb->find("Pool::Tracker::`vftable'"));
    EXPECT_TRUE(pdb->find("?add@Tracker@Pool@@QEAAHH@Z")) << "as the linker writes it";
    EXPECT_EQ(pdb->find("?add@Tracker@Pool@@QEAAHH@Z")->name, "Pool::Tracker::add");
    auto add = pdb->find("Pool::Tracker::add");
    ASSERT_TRUE(add);
    EXPECT_EQ(pdb->nearest(add->rva + 1)->name, "Pool::Tracker::add");
    EXPECT_THAT(names(pdb->match("Pool::*size", 10)), ElementsAre("Pool::Base::size", "Pool::Tracker::size"));
}

/// Offset in a PDB's bytes of the stream header that starts with these three numbers.
std::size_t find_header(Bytes pdb, std::uint32_t first, std::uint32_t second) {
    for (std::size_t at = 0; at + 8 <= pdb.size(); at += 4)
        if (load<std::uint32_t>(pdb, at) == first && load<std::uint32_t>(pdb, at + 4) == second) return at;
    ADD_FAILURE() << "no such header";
    return 0;
}

TEST(SampleReduced, NoTypeHashStream) {
    ByteVector bytes = testing::read_file(fixture("sample64.pdb"));
    const std::size_t types = find_header(bytes, 20040203, 56);
    store<std::uint16_t>(bytes, types + 20, 0xffff);
    auto pdb = testing::open_bytes(bytes);
    ASSERT_TRUE(pdb) << pdb.error().message;
    EXPECT_EQ((*pdb)->layout("_SAMPLE_HEADER").value().size, 8u);
}

TEST(SampleReduced, NoPublicsStream) {
    ByteVector bytes = testing::read_file(fixture("sample64.pdb"));
    const std::size_t dbi = find_header(bytes, 0xffffffff, 19990903);
    auto whole = testing::open_bytes(bytes);
    store<std::uint16_t>(bytes, dbi + 16, 0xffff); // publics
    auto pdb = testing::open_bytes(bytes);
    ASSERT_TRUE(whole && pdb);
    EXPECT_EQ(names((*pdb)->match("*", 1000)), names((*whole)->match("*", 1000)));
    EXPECT_EQ((*pdb)->find("samplelabel")->name, "SampleLabel");
    EXPECT_EQ((*pdb)->nearest((*whole)->find("SampleLabel")->rva + 1)->name, "SampleLabel");
    store<std::uint16_t>(bytes, dbi + 12, 0xffff); // globals
    pdb = testing::open_bytes(bytes);
    ASSERT_TRUE(pdb);
    EXPECT_TRUE((*pdb)->find("SampleTake"));
    EXPECT_FALSE((*pdb)->find("SampleHidden"));
}

TEST(SampleReduced, NoTypes) {
    ByteVector bytes = testing::read_file(fixture("sample64.pdb"));
    const std::size_t types = find_header(bytes, 20040203, 56);
    store<std::uint32_t>(bytes, types + 12, 0x1000);
    store<std::uint32_t>(bytes, types + 16, 0);
    auto pdb = testing::open_bytes(bytes);
    ASSERT_TRUE(pdb);
    EXPECT_FALSE((*pdb)->has_types());
    EXPECT_EQ((*pdb)->layout("_SAMPLE_HEADER").error().message, "test.pdb has no type information");
    EXPECT_TRUE((*pdb)->find("SampleTake"));
    EXPECT_FALSE((*pdb)->type_of_symbol("SampleGlobal"));
}

/// Homes by what the compiler of the fixture did with them; checked with llvm-pdbutil.
TEST(Parameters, HomesFollowTheCode) {
    auto pdb = open_pdb(fixture("sample64.pdb"));
    const std::uint32_t take = pdb->find("SampleTake")->rva, end = take + pdb->find("SampleTake")->size;
    auto at_entry = pdb->parameters(take);
    ASSERT_TRUE(at_entry);
    ASSERT_EQ(at_entry->size(), 2u);
    EXPECT_EQ((*at_entry)[0].name, "record");
    EXPECT_EQ((*at_entry)[0].type->element->name, "_SAMPLE_RECORD");
    ASSERT_TRUE((*at_entry)[0].home);
    EXPECT_EQ((*at_entry)[0].home->reg, "rcx");
    EXPECT_FALSE((*at_entry)[0].home->in_memory);
    EXPECT_EQ((*at_entry)[1].name, "size");
    EXPECT_EQ((*at_entry)[1].type->size, 4u);
    EXPECT_EQ((*at_entry)[1].home->reg, "edx");
    // Later the pointer is in a register that calls preserve, and the number is nowhere.
    auto at_end = pdb->parameters(end - 1);
    ASSERT_TRUE(at_end);
    EXPECT_TRUE(!(*at_end)[0].home || (*at_end)[0].home->reg != "rcx");
    EXPECT_FALSE((*at_end)[1].home);
    auto entry = pdb->parameters(pdb->find("SampleEntry")->rva);
    ASSERT_TRUE(entry);
    EXPECT_THAT(*entry, IsEmpty());
    EXPECT_FALSE(pdb->parameters(pdb->find("SampleLabel")->rva)) << "nobody described it";
    EXPECT_FALSE(pdb->parameters(0xffffffff));
}

TEST(Parameters, OfX86) {
    auto pdb = open_pdb(fixture("sample32.pdb"));
    auto fast = pdb->parameters(pdb->find("SampleFast")->rva);
    ASSERT_TRUE(fast && fast->size() == 1);
    ASSERT_TRUE(fast->front().home);
    EXPECT_EQ(fast->front().home->reg, "ecx");
    auto take = pdb->parameters(pdb->find("SampleTake")->rva + 4); // behind its first push
    ASSERT_TRUE(take && take->size() == 2);
    EXPECT_EQ((*take)[1].name, "size");
    ASSERT_TRUE((*take)[1].home);
    EXPECT_TRUE((*take)[1].home->in_memory);
    EXPECT_EQ((*take)[1].home->reg, VariableHome::virtual_frame);
    EXPECT_EQ((*take)[1].home->offset, 8) << "above the return address and the first one";
}

} // namespace
} // namespace poolkd::symbols

// Stack frames of 32-bit code, as PDBs have them.
#include "base/text.h"
#include "support.h"
#include "symbols/names.h"

#include <gtest/gtest.h>

#include <sstream>

namespace poolkd::symbols {
namespace {

using poolkd::testing::fixture;
using poolkd::testing::open_pdb;
using poolkd::testing::shared_data;

/// A STACK WIN record of a Breakpad symbol file: what another program read from the same tables.
struct Expected {
    unsigned type = 0; ///< 4: a program; 0: FPO_DATA
    FrameRecord record;
};

std::vector<Expected> read_expected(const std::string& path) {
    std::vector<Expected> out;
    std::ifstream in(path);
    for (std::string line; std::getline(in, line);) {
        if (!line.starts_with("STACK WIN ")) continue;
        std::istringstream words(line.substr(10));
        Expected e;
        std::uint32_t epilog = 0, most = 0;
        unsigned has_program = 0;
        words >> std::hex >> e.type >> e.record.rva >> e.record.size >> e.record.prolog >> epilog >>
            e.record.parameters >> e.record.saved_registers >> e.record.locals >> most >> has_program;
        std::getline(words, e.record.program);
        e.record.program = trim(e.record.program);
        out.push_back(std::move(e));
    }
    return out;
}

TEST(Frames, EveryRecordOfARealPdb) {
    const std::string path = shared_data("pdb/mozilla/basic32-min.pdb");
    if (!std::filesystem::exists(path)) GTEST_SKIP() << "shared test data is absent: " << path;
    auto pdb = open_pdb(path);
    ASSERT_TRUE(pdb);
    const std::vector<Expected> expected = read_expected(shared_data("pdb/mozilla/basic32-min.sym"));
    ASSERT_GT(expected.size(), 4000u);
    std::size_t programs = 0, fixed = 0;
    for (const Expected& e : expected) {
        SCOPED_TRACE(fmt::format("{:#x} {}", e.record.rva, e.record.program));
        auto found = pdb->frame(e.record.rva);
        ASSERT_TRUE(found);
        EXPECT_EQ(found->rva, e.record.rva);
        EXPECT_EQ(found->size, e.record.size);
        EXPECT_EQ(found->locals, e.record.locals);
        EXPECT_EQ(found->parameters, e.record.parameters);
        EXPECT_EQ(found->saved_registers, e.record.saved_registers);
        EXPECT_EQ(found->prolog, e.record.prolog);
        if (e.type == 4) {
            EXPECT_EQ(found->kind, FrameRecord::Kind::program);
            EXPECT_EQ(trim(found->program), e.record.program);
            ++programs;
        } else {
            EXPECT_EQ(found->kind, FrameRecord::Kind::fpo);
            ++fixed;
        }
        EXPECT_LE(pdb->frame(e.record.rva + e.record.size - 1)->rva - e.record.rva, e.record.size);
    }
    EXPECT_GT(programs, 4000u);
    EXPECT_GT(fixed, 10u);
    // By the code there: push ebp, mov ebp,[esp+8] at the one; at the other ebp stays.
    EXPECT_TRUE(pdb->frame(0xb760)->uses_frame_pointer);
    EXPECT_FALSE(pdb->frame(0xb728)->uses_frame_pointer);
    EXPECT_FALSE(pdb->frame(0x10)) << "the headers are no code";
}

TEST(Frames, ClangDescribesEveryPushOfAProlog) {
    auto pdb = open_pdb(fixture("sample32.pdb"));
    ASSERT_TRUE(pdb);
    auto take = pdb->find("SampleTake");
    ASSERT_TRUE(take);
    auto first = pdb->frame(take->rva);
    ASSERT_TRUE(first);
    EXPECT_EQ(first->rva, take->rva);
    EXPECT_EQ(first->kind, FrameRecord::Kind::program);
    EXPECT_EQ(first->saved_registers, 0u);
    EXPECT_NE(first->program.find("$eip"), std::string::npos);
    auto last = pdb->frame(first->rva + first->size - 1);
    ASSERT_TRUE(last);
    EXPECT_EQ(last->rva + last->size, first->rva + first->size) << "each reaches to the end of the function";
}

TEST(Frames, X64HasNone) {
    auto pdb = open_pdb(fixture("sample64.pdb"));
    ASSERT_TRUE(pdb);
    auto take = pdb->find("SampleTake");
    ASSERT_TRUE(take);
    EXPECT_FALSE(pdb->frame(take->rva));
    EXPECT_FALSE(take->argument_bytes);
}

TEST(Names, TellTheArgumentsThatAFunctionRemoves) {
    EXPECT_EQ(stack_argument_bytes("_ExAllocatePoolWithTag@12"), 12);
    EXPECT_EQ(stack_argument_bytes("@IofCallDriver@8"), 0);
    EXPECT_EQ(stack_argument_bytes("@KiFastOne@20"), 12);
    EXPECT_EQ(stack_argument_bytes("_DbgPrint"), std::nullopt);
    EXPECT_EQ(stack_argument_bytes("?f@@YGXH@Z"), std::nullopt);
    EXPECT_EQ(stack_argument_bytes("_odd@1x"), std::nullopt);
    EXPECT_EQ(stack_argument_bytes("@8"), std::nullopt);
    EXPECT_EQ(stack_argument_bytes(""), std::nullopt);
}

} // namespace
} // namespace poolkd::symbols

#include "support.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace poolkd::symbols {
namespace {

using ::testing::ElementsAre;
using testing::fixture;
using testing::open_pdb;

/// "name offset type" with ":position,count" for bit-fields: a line of dt without a target.
std::vector<std::string> lines(const StructLayout& layout) {
    std::vector<std::string> out;
    for (const Field& field : layout.fields) {
        std::string type = field.type->name;
        if (field.bit_count) type = fmt::format("Pos {}, {} Bits of {}", field.bit_position, field.bit_count, type);
        out.push_back(fmt::format("+{:#05x} {} : {}", field.offset, field.name, type));
    }
    return out;
}

TEST(Layouts, BitFieldsAndFlattenedMembers) {
    auto pdb = open_pdb(fixture("sample64.pdb"));
    ASSERT_TRUE(pdb);
    auto layout = pdb->layout("_SAMPLE_HEADER");
    ASSERT_TRUE(layout) << layout.error().message;
    EXPECT_EQ(layout->name, "_SAMPLE_HEADER");
    EXPECT_EQ(layout->size, 8u);
    EXPECT_FALSE(layout->is_union);
    EXPECT_THAT(lines(*layout),
                ElementsAre("+0x000 PreviousSize : Pos 0, 9 Bits of Uint2B",
                            "+0x000 PoolIndex : Pos 9, 7 Bits of Uint2B", "+0x002 BlockSize : Pos 0, 9 Bits of Uint2B",
                            "+0x002 PoolType : Pos 9, 7 Bits of Uint2B", "+0x000 Ulong1 : Uint4B",
                            "+0x004 PoolTag : Uint4B"));
}

TEST(Layouts, TypesReadAsInKd) {
    auto pdb = open_pdb(fixture("sample64.pdb"));
    ASSERT_TRUE(pdb);
    auto layout = pdb->layout("_sample_record");
    ASSERT_TRUE(layout) << layout.error().message;
    EXPECT_EQ(layout->size, 0x78u);
    EXPECT_THAT(lines(*layout),
                ElementsAre("+0x000 Header : _SAMPLE_HEADER", "+0x008 Links : _SAMPLE_LINKS", "+0x018 Name : [8] UChar",
                            "+0x020 Matrix : [2] [3] Uint4B", "+0x038 Kind : _SAMPLE_KIND",
                            "+0x040 Opaque : Ptr64 _SAMPLE_OPAQUE", "+0x048 Callback : Ptr64     void ",
                            "+0x050 Watched : Ptr64 Uint4B", "+0x058 u1 : _SAMPLE_RECORD::<unnamed-tag>",
                            "+0x060 u2 : _SAMPLE_RECORD::<unnamed-tag>", "+0x070 Context : Ptr64 Void"));
    EXPECT_EQ(layout->find("Header")->type->size, 8u);
    EXPECT_EQ(layout->find("Links")->type->kind, TypeKind::structure);
    EXPECT_EQ(layout->find("u1")->type->kind, TypeKind::union_);
    EXPECT_EQ(layout->find("Name")->type->count, 8u);
    EXPECT_EQ(layout->find("Name")->type->element->kind, TypeKind::character);
    EXPECT_EQ(layout->find("Matrix")->type->size, 24u);
    EXPECT_EQ(layout->find("Kind")->type->size, 4u);
    EXPECT_EQ(layout->find("Opaque")->type->element->size, 0u) << "only declared";
}

TEST(Layouts, UnnamedTypesAreReachedThroughTheirField) {
    auto pdb = open_pdb(fixture("sample64.pdb"));
    ASSERT_TRUE(pdb);
    auto record = pdb->layout("SAMPLE_RECORD");
    ASSERT_TRUE(record) << "by the name of a typedef: " << record.error().message;
    auto u1 = pdb->layout_of(*record->find("u1")->type);
    ASSERT_TRUE(u1) << u1.error().message;
    EXPECT_THAT(lines(*u1),
                ElementsAre("+0x000 Whole : Uint8B", "+0x000 Parts : _SAMPLE_RECORD::<unnamed-tag>::<unnamed-tag>"));
    auto parts = pdb->layout_of(*u1->find("Parts")->type);
    ASSERT_TRUE(parts);
    EXPECT_THAT(lines(*parts),
                ElementsAre("+0x000 Low : Pos 0, 4 Bits of Uint8B", "+0x000 Middle : Pos 4, 40 Bits of Uint8B",
                            "+0x000 High : Pos 44, 20 Bits of Uint8B"));
    auto u2 = pdb->layout_of(*record->find("u2")->type);
    ASSERT_TRUE(u2);
    EXPECT_THAT(lines(*u2), ElementsAre("+0x000 Signed : Int2B", "+0x004 Real : Float", "+0x008 Wide : Double"));
}

TEST(Layouts, Enumerations) {
    auto pdb = open_pdb(fixture("sample64.pdb"));
    ASSERT_TRUE(pdb);
    auto type = pdb->type("_SAMPLE_KIND");
    ASSERT_TRUE(type);
    EXPECT_EQ((*type)->kind, TypeKind::enumeration);
    ASSERT_EQ((*type)->enumerators.size(), 3u);
    EXPECT_EQ((*type)->enumerators[1].name, "SampleSecond");
    EXPECT_EQ((*type)->enumerators[1].value, 2u);
    EXPECT_EQ(static_cast<std::int64_t>((*type)->enumerators[2].value), -5);
    EXPECT_EQ(pdb->layout("_SAMPLE_KIND").error().kind, ErrorKind::usage);
}

TEST(Layouts, TypesByName) {
    auto pdb = open_pdb(fixture("sample64.pdb"));
    ASSERT_TRUE(pdb);
    EXPECT_EQ(pdb->type("ULONG").value()->name, "Uint4B");
    EXPECT_EQ(pdb->type("PSAMPLE_RECORD").value()->name, "Ptr64 _SAMPLE_RECORD");
    EXPECT_EQ(pdb->type("struct _SAMPLE_LINKS").value()->size, 16u);
    EXPECT_EQ(pdb->type("_SAMPLE_LINKS *").value()->name, "Ptr64 _SAMPLE_LINKS");
    EXPECT_EQ(pdb->type("_SAMPLE_LINKS**").value()->name, "Ptr64 Ptr64 _SAMPLE_LINKS");
    auto none = pdb->type("_NO_SUCH_TYPE");
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().kind, ErrorKind::not_found);
    EXPECT_NE(none.error().message.find("_NO_SUCH_TYPE"), std::string::npos);
    EXPECT_EQ(pdb->layout("_SAMPLE_OPAQUE").error().kind, ErrorKind::not_found);
    EXPECT_EQ(pdb->layout("").error().kind, ErrorKind::not_found);
    EXPECT_THAT(pdb->match_types("_SAMPLE_[hkl]*", 100),
                ElementsAre("_SAMPLE_HEADER", "_SAMPLE_KIND", "_SAMPLE_LINKS"));
    EXPECT_EQ(pdb->match_types("*", 1).size(), 1u);
}

TEST(Layouts, DeclaredTypesOfGlobals) {
    auto pdb = open_pdb(fixture("sample64.pdb"));
    ASSERT_TRUE(pdb);
    EXPECT_EQ(pdb->type_of_symbol("SampleGlobal").value()->name, "_SAMPLE_RECORD");
    EXPECT_EQ(pdb->type_of_symbol("samplepointer").value()->name, "Ptr64 _SAMPLE_RECORD");
    EXPECT_EQ(pdb->type_of_symbol("SampleStatic").value()->name, "Uint4B");
    EXPECT_EQ(pdb->type_of_symbol("SampleText").value()->name, "Ptr64 Char");
    EXPECT_FALSE(pdb->type_of_symbol("SampleTake"));
    EXPECT_FALSE(pdb->type_of_symbol("SampleNone"));
}

TEST(Layouts, PointersOf32BitImages) {
    auto pdb = open_pdb(fixture("sample32.pdb"));
    ASSERT_TRUE(pdb);
    auto links = pdb->layout("_SAMPLE_LINKS");
    ASSERT_TRUE(links);
    EXPECT_THAT(lines(*links), ElementsAre("+0x000 Flink : Ptr32 _SAMPLE_LINKS", "+0x004 Blink : Ptr32 _SAMPLE_LINKS"));
    EXPECT_EQ(pdb->type("_SAMPLE_LINKS*").value()->name, "Ptr32 _SAMPLE_LINKS");
}

TEST(Layouts, ClassesWithBasesAndTemplates) {
    auto pdb = open_pdb(fixture("classes64.pdb"));
    ASSERT_TRUE(pdb);
    auto tracker = pdb->layout("Pool::Tracker");
    ASSERT_TRUE(tracker) << tracker.error().message;
    EXPECT_THAT(lines(*tracker), ElementsAre("+0x000 __VFN_table : Ptr64 ", "+0x008 base_value : Int4B",
                                             "+0x010 state : Pool::Tracker::State", "+0x014 slots : Pool::Slots<int,4>",
                                             "+0x028 self : Ptr64 Pool::Tracker"));
    EXPECT_EQ(tracker->find("state")->type->size, 1u);
    EXPECT_EQ(tracker->find("slots")->type->size, 16u);
    EXPECT_EQ(pdb->type("Pool::Tracker::State").value()->enumerators.size(), 2u);
}

} // namespace
} // namespace poolkd::symbols

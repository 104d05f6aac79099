#include "symbols/names.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace poolkd::symbols {
namespace {

TEST(Names, DecorationOfCallingConventionsGoes) {
    EXPECT_EQ(undecorate("PoolHitTag"), "PoolHitTag");
    EXPECT_EQ(undecorate("_PoolHitTag"), "PoolHitTag");
    EXPECT_EQ(undecorate("_ExAllocatePoolWithTag@12"), "ExAllocatePoolWithTag");
    EXPECT_EQ(undecorate("@ObfDereferenceObject@4"), "ObfDereferenceObject");
    EXPECT_EQ(undecorate("Vector@@32"), "Vector");
    EXPECT_EQ(undecorate("__imp__ExFreePool@4"), "_imp__ExFreePool");
    EXPECT_EQ(undecorate("_guard_dispatch_icall"), "guard_dispatch_icall");
    EXPECT_EQ(undecorate("Plain@Not"), "Plain@Not");
    EXPECT_EQ(undecorate("__real@40000000"), "_real@40000000");
    EXPECT_EQ(undecorate("_CT??_R0PEAX@8"), "_CT??_R0PEAX@8");
    EXPECT_EQ(undecorate("_"), "_");
    EXPECT_EQ(undecorate(""), "");
    EXPECT_EQ(undecorate("@8"), "8");
}

TEST(Names, CxxNamesComeWithoutParameters) {
    EXPECT_EQ(undecorate("?add@Tracker@Pool@@QEAAHH@Z"), "Pool::Tracker::add");
    EXPECT_EQ(undecorate("??0Tracker@Pool@@QEAA@XZ"), "Pool::Tracker::Tracker");
    EXPECT_EQ(undecorate("??1A@@QEAA@XZ"), "A::~A");
    EXPECT_EQ(undecorate("?count@Tracker@Pool@@2HA"), "Pool::Tracker::count");
    EXPECT_EQ(undecorate("??_7Tracker@Pool@@6B@"), "Pool::Tracker::`vftable'");
    EXPECT_EQ(undecorate("??2@YAPEAX_K@Z"), "operator new");
    EXPECT_EQ(undecorate("_ZN4Pool4takeEi"), "Pool::take");
    EXPECT_EQ(undecorate("?broken@@@@@"), "?broken@@@@@");
    EXPECT_EQ(undecorate("??_C@_07NFANNNEC@UNKNOWN@"), "`string'");
}

TEST(Names, TemplatesLookAsInKd) {
    EXPECT_EQ(undecorate("?take@?$Slots@U?$Slots@H$01@Pool@@$02@Pool@@QEAA?AU?$Slots@H$01@2@H@Z"),
              "Pool::Slots<Pool::Slots<int,2>,3>::take");
    EXPECT_EQ(undecorate("?f@?$A@V?$B@H@@@@QEAAXXZ"), "A<B<int> >::f");
    EXPECT_EQ(undecorate("??5A@@QEAAAEAV0@H@Z"), "A::operator>>");
    EXPECT_EQ(undecorate("??C?$P@H@@QEAAPEAHXZ"), "P<int>::operator->");
}

TEST(Names, VeryLongNamesStayAsTheyAre) {
    const std::string name = "?" + std::string(100000, '?');
    EXPECT_EQ(undecorate(name), name);
}

TEST(Names, OfTypesComeWithoutTheKeyword) {
    EXPECT_EQ(without_type_keyword("struct  _LIST_ENTRY"), "_LIST_ENTRY");
    EXPECT_EQ(without_type_keyword("enum _POOL_TYPE"), "_POOL_TYPE");
    EXPECT_EQ(without_type_keyword("structure"), "structure");
}

TEST(Names, StoredForms) {
    EXPECT_THAT(decorations("Foo", false), ::testing::ElementsAre("Foo", "_Foo"));
    EXPECT_THAT(decorations("Foo", true), ::testing::IsSupersetOf({"Foo", "_Foo", "_Foo@0", "_Foo@12", "@Foo@8"}));
}

TEST(SymbolPattern, OneLeadingUnderscoreStandsForAnyNumber) {
    EXPECT_TRUE(SymbolPattern("_pool*").matches("PoolHitTag"));
    EXPECT_TRUE(SymbolPattern("_pool*").matches("__PoolHitTag"));
    EXPECT_FALSE(SymbolPattern("pool*").matches("_PoolHitTag"));
    EXPECT_TRUE(SymbolPattern("poolhittag").matches("PoolHitTag"));
    EXPECT_TRUE(SymbolPattern("*Hit*").matches("poolhittag"));
    EXPECT_TRUE(SymbolPattern("po+l").matches("pooool"));
    EXPECT_TRUE(SymbolPattern("pob#l").matches("pol"));
    EXPECT_FALSE(SymbolPattern("pool").matches("poo"));
    EXPECT_TRUE(SymbolPattern("*").matches(""));
    EXPECT_TRUE(SymbolPattern("*h[a-i]t#TAG?").matches("PoolHiTags"));
    EXPECT_FALSE(SymbolPattern("*h[a-i]t#TAG?").matches("PoolHiTog"));
    EXPECT_TRUE(SymbolPattern("*x#tag+").matches("tagg"));
    EXPECT_TRUE(SymbolPattern("*a\\*b*").matches("1a*b2"));
    EXPECT_FALSE(SymbolPattern("*a\\*b*").matches("1a-b2"));
}

} // namespace
} // namespace poolkd::symbols

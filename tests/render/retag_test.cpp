#include "render/retag.h"

#include <gmock/gmock.h>

namespace poolkd::render {
namespace {

using hunt::RetagPlan;
using hunt::RetagState;
using ::testing::HasSubstr;
using ::testing::Not;

const PoolTag abc = *PoolTag::from_text("Abc ");

hunt::RetagPatch patch(std::uint64_t address, code::SiteKind kind, const char* new_tag, const char* place) {
    hunt::RetagPatch made;
    made.address = VirtAddr(address);
    made.kind = kind;
    if (*new_tag) made.new_tag = *PoolTag::from_text(new_tag);
    const bool release = kind == code::SiteKind::release;
    made.places = {{place, "report.cpp:8", release ? "ExFreePoolWithTag" : "ExAllocatePoolWithTag", {}}};
    return made;
}

RetagPlan two_sites() {
    RetagPlan plan;
    plan.tag = abc;
    plan.releases = {patch(0xfffff80100006175, code::SiteKind::release, "", "leaky!LeakyRetireEvent+0x9")};
    plan.allocations = {patch(0xfffff80100006200, code::SiteKind::allocation, "Ab01", "leaky!LeakyBuildReport+0x20")};
    return plan;
}

TEST(RetagText, ThePlanIsATableOfOldAndNew) {
    RetagPlan plan = two_sites();
    plan.allocations[0].places[0].via = {"MyAlloc"};
    plan.not_separable = {
        {{"leaky!DriverEntry+0x40", "", "ExInitializeNPagedLookasideList", {}}, "it prepares a list"}};
    const std::string text = retag_plan_text(plan, {}, 8);
    EXPECT_THAT(text, HasSubstr("Abc   0     fffff801`00006175  frees"));
    EXPECT_THAT(text, HasSubstr("Abc   Ab01  fffff801`00006200  allocates"));
    EXPECT_THAT(text, HasSubstr("leaky!LeakyBuildReport+0x20 by MyAlloc\n"));
    EXPECT_THAT(text, HasSubstr("leaky!DriverEntry+0x40 keeps its tag: it prepares a list."));
    EXPECT_THAT(text, Not(HasSubstr("Refused")));
}

TEST(RetagText, WhatStandsInTheWayIsSaid) {
    RetagPlan plan = two_sites();
    plan.obstacles = {{"It is not safe", false}, {"It may not be safe", true}};
    const std::string text = retag_plan_text(plan, {.force = true}, 8);
    EXPECT_THAT(text, HasSubstr("Refused: It is not safe.\n"));
    EXPECT_THAT(text, HasSubstr("In spite of: It may not be safe.\n"));
    EXPECT_THAT(text, Not(HasSubstr("/v")));
}

TEST(RetagText, ReasonsOfAKindAreCounted) {
    RetagPlan plan = two_sites();
    plan.obstacles = {{"The code of one is not there", true, "modules are not there"},
                      {"Something else", true, "things are else"},
                      {"The code of two is not there", true, "modules are not there"}};
    plan.notes = {"Not all code of a, b was seen"};
    plan.details = {"Not all code of a was seen (4096 bytes)", "Not all code of b was seen (8192 bytes)"};
    std::string text = retag_plan_text(plan, {}, 8);
    EXPECT_THAT(text, HasSubstr("Refused: 2 modules are not there. The first: The code of one is not there.\n"));
    EXPECT_THAT(text, HasSubstr("Refused: Something else.\n"));
    EXPECT_THAT(text, Not(HasSubstr("The code of two")));
    EXPECT_THAT(text, Not(HasSubstr("8192 bytes")));
    EXPECT_THAT(text, HasSubstr("/v shows each by itself.\n"));
    text = retag_plan_text(plan, {.verbose = true}, 8);
    EXPECT_THAT(text, HasSubstr("Refused: The code of two is not there.\n"));
    EXPECT_THAT(text, HasSubstr("8192 bytes"));
    EXPECT_THAT(text, Not(HasSubstr("/v")));
    const nlohmann::json json = retag_plan_json(plan, false, {});
    EXPECT_EQ(json["obstacles"].size(), 3u);
    EXPECT_EQ(json["details"].size(), 2u);
}

TEST(RetagText, PlacesThatWereRetaggedTwiceCountOnce) {
    RetagState state;
    state.tag = abc;
    state.allocations.resize(2);
    state.allocations[0].address = state.allocations[1].address = VirtAddr(0xfffff80100006175);
    state.allocations[0].undone = true;
    state.releases = state.allocations;
    state.other_releases = {{"late!LateFree+0x9", "", "ExFreePoolWithTag", {}}};
    const std::string text = retag_state_text({{state}, {}});
    EXPECT_THAT(text, HasSubstr("1 of 1 allocation sites have a tag of their own, 1 of 1 free sites pass 0"));
    EXPECT_THAT(text, HasSubstr("Warning: 1 site frees with it: late!LateFree+0x9. Where a block with a new tag"));
    EXPECT_EQ(retag_state_json({{state}, {}})["tags"][0]["other_frees"][0]["site"], "late!LateFree+0x9");
}

TEST(RetagText, TheStateTellsWhatEachSiteHolds) {
    RetagState state;
    state.tag = abc;
    state.allocations.resize(1);
    state.allocations[0].new_tag = *PoolTag::from_text("Ab01");
    state.allocations[0].places = "leaky!LeakyBuildReport+0x20";
    state.allocations[0].usage.paged = {30, 10, 1280};
    state.releases.resize(1);
    state.releases[0].undone = true;
    const std::string text = retag_state_text({{state}, {}});
    EXPECT_THAT(text, HasSubstr("1 of 1 allocation sites have a tag of their own, 0 of 1 free sites pass 0"));
    EXPECT_THAT(text, ::testing::ContainsRegex("Ab01 +30 +10 +20 +1280 +leaky!LeakyBuildReport"));
    EXPECT_THAT(retag_state_text({}), HasSubstr("No tag is retagged"));
}

TEST(RetagJson, PlanStateAndUndo) {
    RetagPlan plan = two_sites();
    plan.obstacles = {{"It may not be safe", true}};
    nlohmann::json json = retag_plan_json(plan, true, {3, 4});
    EXPECT_EQ(json["possible"], true);
    EXPECT_EQ(json["writes"], (nlohmann::json{3, 4}));
    EXPECT_EQ(json["allocations"][0]["new_tag"], "Ab01");
    EXPECT_EQ(json["frees"][0]["new_value"], 0);
    EXPECT_EQ(json["frees"][0]["sites"][0]["site"], "leaky!LeakyRetireEvent+0x9");
    EXPECT_EQ(retag_plan_json(plan, false, {})["possible"], false);
    control::UndoOutcome outcome;
    outcome.undone = {4};
    outcome.kept = {{3, "blocks are left"}};
    json = retag_undo_json(outcome);
    EXPECT_EQ(json["undone"], (nlohmann::json{4}));
    EXPECT_EQ(json["kept"][0]["write"], 3);
    EXPECT_THAT(retag_kept_text(outcome), HasSubstr("Write 3 stays: blocks are left."));
}

} // namespace
} // namespace poolkd::render

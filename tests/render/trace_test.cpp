#include "render/trace.h"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

namespace poolkd::render {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::Not;

hunt::TraceReport traced() {
    hunt::TraceReport report;
    report.options.tag = *PoolTag::from_text("Abc");
    report.options.age = 5s;
    report.hits = report.sampled = 1200;
    report.allocations = 700;
    report.releases = 500;
    report.matched = 450;
    report.older_blocks = 50;
    report.outstanding = 250;
    report.outstanding_bytes = 40960;
    report.blocks_sure = 1190;
    report.blocks_likely = 10;
    report.elapsed = 4s;
    report.stopped = 3s;
    report.requests = 6000;
    report.rate_before = 2400.0;
    report.rate_during = 300.0;
    report.slow_down = 8.0;
    report.counted_allocations = 700;
    report.counted_releases = 500;

    hunt::TraceStack leak;
    leak.kind = hunt::HitKind::allocation;
    leak.frames = {
        {VirtAddr(0xfffff80000401748), "nt!ExAllocatePoolWithTag+0x168", "nt", "", true},
        {VirtAddr(0xfffff801000063ec), "leaky!LeakyBuildReport+0x1c", "leaky", "report.cpp:7", false},
    };
    leak.caller = 1;
    leak.allocations = leak.outstanding = 250;
    leak.outstanding_bytes = 40960;
    leak.older = 100;
    leak.oldest = 3500ms;
    leak.median_age = 1s;
    hunt::TraceStack passing = leak;
    passing.frames[1].text = "leaky!LeakyQueueEvent+0x1b";
    passing.allocations = 450;
    passing.outstanding = passing.outstanding_bytes = passing.older = 0;
    passing.oldest = passing.median_age = std::nullopt;
    passing.freed_by = {VirtAddr(0xfffff8010000617f)};
    passing.freed_by_text = {"leaky!LeakyRetireEvent+0xf"};
    hunt::TraceStack frees = passing;
    frees.kind = hunt::HitKind::release;
    frees.allocations = 0;
    frees.releases = 500;
    frees.freed_by = {};
    frees.freed_by_text = {};
    report.stacks = {leak, passing, frees};

    hunt::TraceHit hit;
    hit.kind = hunt::HitKind::allocation;
    hit.block = VirtAddr(0xffffc00000000510);
    hit.block_sure = hunt::HowSure::sure;
    hit.process_name = "System";
    report.kept = {hit};
    return report;
}

TEST(TraceText, ASlowDownHasNoExponent) {
    hunt::TraceReport report = traced();
    report.slow_down = 104.0;
    EXPECT_THAT(trace_text(report, {}), HasSubstr("during the trace 300: 104 times slower."));
    report.slow_down = 0.98;
    EXPECT_THAT(trace_text(report, {}), HasSubstr("during the trace 300: hardly slower."));
}

TEST(TraceText, TextTellsSumsCostAndStacks) {
    const std::string text = trace_text(traced(), {});
    EXPECT_THAT(text, HasSubstr("1,200 hits of 'Abc ' in 4s by nt!PoolHitTag: 700 allocations, 500 frees.\n"));
    EXPECT_THAT(text, HasSubstr("Outstanding: 250 blocks allocated since the trace began, 40.0 KB."));
    EXPECT_THAT(text, HasSubstr("Block pointers: certain at 1,190 hits, likely at 10, not known at 0.\n"));
    EXPECT_THAT(text, HasSubstr("300 hits a second; the target stood still for 75 % of the time; 5.0 requests a hit."));
    EXPECT_THAT(text, HasSubstr("used 2,400 times a second, during the trace 300: 8 times slower."));
    EXPECT_THAT(text,
                HasSubstr("\n1. 250 allocations, 250 outstanding (40.0 KB), the oldest for 3.5s, half of them for "
                          "1s, 100 for more than 5s\n"));
    EXPECT_THAT(text, HasSubstr("     nt!ExAllocatePoolWithTag+0x168\n"
                                "  => leaky!LeakyBuildReport+0x1c [report.cpp:7]\n"));
    EXPECT_THAT(text, HasSubstr("\n2. 450 allocations, 0 outstanding\n"));
    EXPECT_THAT(text, HasSubstr("     freed by leaky!LeakyRetireEvent+0xf\n"));
    EXPECT_THAT(text, HasSubstr("\n3. 500 frees\n"));
    EXPECT_THAT(text, Not(HasSubstr("The kernel counted"))) << "the hits are all of them";
}

TEST(TraceText, TextTellsWhatWasMissed) {
    hunt::TraceReport report = traced();
    report.means = hunt::TraceMeans::call_sites;
    report.means_note = "The kernel has no nt!PoolHitTag.";
    report.end = hunt::TraceEnd::user;
    report.sampled = 400;
    report.freed_unseen = 7;
    report.paused = 1s;
    report.counted_allocations = 2000;
    report.notes = {"A note."};
    report.coverage.add_gap(GapReason::unmapped, VirtAddr(0x1000), 8);
    const std::string text = trace_text(report, {.stacks = 1});
    EXPECT_THAT(text, HasSubstr("by breakpoints on call sites"));
    EXPECT_THAT(text, HasSubstr("400 of the hits were looked at.\n"));
    EXPECT_THAT(text, HasSubstr("7 blocks more are gone without a hit"));
    EXPECT_THAT(text, HasSubstr("ran without stops for 25 % of it"));
    EXPECT_THAT(text,
                HasSubstr("The kernel counted 2,000 allocations and 500 frees meanwhile: the hits are 48 % of them."));
    EXPECT_THAT(text, HasSubstr("The kernel has no nt!PoolHitTag.\n"));
    EXPECT_THAT(text, HasSubstr("You stopped it"));
    EXPECT_THAT(text, HasSubstr("\n2 stacks more.\n"));
    EXPECT_THAT(text, HasSubstr("A note.\n"));
    EXPECT_THAT(text, HasSubstr("Stacks: Partial"));
}

TEST(TraceText, JsonHasAllOfIt) {
    const nlohmann::json json = trace_json(traced());
    EXPECT_EQ(json["tag"], "Abc ");
    EXPECT_EQ(json["means"], "hit_tag");
    EXPECT_EQ(json["end"], "limit");
    EXPECT_EQ(json["frees"], 500);
    EXPECT_EQ(json["pointers"]["likely"], 10);
    EXPECT_EQ(json["slow_down"], 8.0);
    EXPECT_EQ(json["elapsed_ms"], 4000);
    ASSERT_EQ(json["stacks"].size(), 3u);
    EXPECT_EQ(json["stacks"][0]["caller"], 1);
    EXPECT_EQ(json["stacks"][0]["oldest_ms"], 3500);
    EXPECT_EQ(json["stacks"][1]["oldest_ms"], nullptr);
    EXPECT_EQ(json["stacks"][1]["freed_by"][0]["text"], "leaky!LeakyRetireEvent+0xf");
    EXPECT_EQ(json["stacks"][2]["kind"], "free");
    EXPECT_EQ(json["stacks"][0]["frames"][1]["address"], "0xfffff801000063ec");
    EXPECT_EQ(json["last_hits"][0]["block"], "0xffffc00000000510");
    EXPECT_EQ(json["last_hits"][0]["size"], nullptr);
    EXPECT_EQ(trace_json(traced(), 1)["stacks"].size(), 1u);
}

TEST(TraceText, AnEmptyOneIsToldToo) {
    hunt::TraceReport report;
    report.options.tag = *PoolTag::from_text("None");
    const std::string text = trace_text(report, {});
    EXPECT_THAT(text, HasSubstr("0 hits of None in 0ms by nt!PoolHitTag: 0 allocations, 0 frees.\n"));
    EXPECT_EQ(trace_json(report)["rate_before"], nullptr);
}

} // namespace
} // namespace poolkd::render

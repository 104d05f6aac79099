#include "render/table.h"
#include "render/verdict.h"

#include <gtest/gtest.h>

namespace poolkd::render {
namespace {

using hunt::PoolKind;
using hunt::TagVerdict;
using hunt::Verdict;

const hunt::Time begin{std::chrono::milliseconds(1780300800000)};

TagVerdict row(const char* tag, PoolKind kind, Verdict verdict, double confidence, std::int64_t bytes,
               std::int64_t gained) {
    TagVerdict made;
    made.key = {*PoolTag::from_text(tag), kind};
    made.verdict = verdict;
    made.confidence = confidence;
    made.figures.samples = 60;
    made.figures.bytes = bytes;
    made.figures.blocks = bytes / 100;
    made.figures.bytes_gained = gained;
    made.figures.blocks_gained = gained / 100;
    made.figures.bytes_per_hour = static_cast<double>(gained) / 30;
    made.figures.freed_share = 0.5;
    made.figures.bytes_per_block = 100;
    made.chart = {0, 1, 2, 3, 4, 5, 6, 7};
    return made;
}

hunt::Report base_report() {
    hunt::Report report;
    report.snapshots = 60;
    report.first = begin;
    report.last = begin + std::chrono::hours(30);
    report.evidence = {"leak.csv, line 2", "leak.csv, line 12"};
    report.machine = "HOST";
    report.paged_bytes = 4ll << 30;
    report.nonpaged_bytes = 300 << 20;
    return report;
}

/// One leak of two tags, one tag that grows, and two that do nothing.
hunt::Report leak_report() {
    hunt::Report report = base_report();
    report.rows = {row("WCsc", PoolKind::paged, Verdict::leaking, 0.93, 1 << 30, 300 << 20),
                   row("NtFC", PoolKind::paged, Verdict::leaking, 0.9, 512 << 20, 150 << 20),
                   row("Abc", PoolKind::nonpaged, Verdict::growing, 0.6, 5 << 20, 1 << 20),
                   row("File", PoolKind::nonpaged, Verdict::flat, 0.8, 2 << 20, 0),
                   row("Thre", PoolKind::nonpaged, Verdict::sawtooth, 0.7, 1 << 20, 0)};
    TagVerdict& owner = report.rows[0];
    owner.reasons = {"0 % of its 503677 allocations in this time were freed", "It keeps its pace"};
    owner.binary = "wcifs.sys";
    owner.description = "filter context";
    owner.group = 0;
    owner.figures.freed_share = 0;
    owner.figures.share = 0.25;
    owner.figures.uniform_sizes = true;
    owner.figures.exhausted_hours = 125;
    report.rows[1].binary = "ntfs.sys";
    report.rows[1].group = 0;
    report.rows[2].reasons = {"It frees blocks too"};
    report.groups.resize(1);
    hunt::LeakGroup& group = report.groups[0];
    group.members = {{0, 1, "filter context"}, {1, 1.004, "file system structure"}};
    group.reason = "it stands above file system structure";
    group.confidence = 0.85;
    group.bytes = 3ll << 29;
    group.bytes_per_hour = 15 << 20;
    report.advice = {{"!poolfind WCsc 1", "In the debugger: the blocks themselves"}, {"", "Stop the load"}};
    report.notes = {"Line 7 is no row."};
    return report;
}

TEST(VerdictText, ALeak) {
    EXPECT_EQ(verdict_text(leak_report(), {.style = ChartStyle::ascii}),
              "Evidence:  leak.csv\n"
              "Machine:   HOST\n"
              "Time:      2026-06-01 08:00:00 to 2026-06-02 14:00:00 UTC (1d 6h), 60 snapshots\n"
              "Pool:      4.0 GB paged, 300 MB nonpaged\n"
              "\n"
              "LEAK: WCsc (wcifs.sys, filter context) leaks paged pool, and other tags grow with it, confidence\n"
              "93 %. It holds 1.0 GB, 25 % of its pool, and gained 300 MB in this evidence, 10.0 MB an hour. At\n"
              "this pace memory for it lasts 5d 5h.\n"
              "  One leak: WCsc + NtFC grow in 1 : 1, 1.5 GB together, 15.0 MB an hour. Likely owner: WCsc\n"
              "  (wcifs.sys, filter context), confidence 85 %. It stands above file system structure.\n"
              "\n"
              "Tag   Pool   Verdict  Sure  In use   Gained  Per hour  Freed  A block  Course    Driver\n"
              "WCsc  Paged  leaking  93 %  1.0 GB  +300 MB  +10.0 MB    0 %    100 B  _.-:=+*#  wcifs.sys\n"
              "      filter context\n"
              "      - 0 % of its 503677 allocations in this time were freed.\n"
              "      - It keeps its pace.\n"
              "NtFC  Paged  leaking  90 %  512 MB  +150 MB   +5.0 MB   50 %   ~100 B  _.-:=+*#  ntfs.sys\n"
              "Abc   Nonp   growing  60 %  5.0 MB  +1.0 MB  +34.1 KB   50 %   ~100 B  _.-:=+*#\n"
              "      - It frees blocks too.\n"
              "2 other tags: 1 flat, 1 sawtooth (--all shows them).\n"
              "\n"
              "Next:\n"
              "  - In the debugger: the blocks themselves.\n"
              "      !poolfind WCsc 1\n"
              "  - Stop the load.\n"
              "\n"
              "Notes:\n"
              "  - Line 7 is no row.\n");
}

TEST(VerdictText, NothingLeaks) {
    hunt::Report report = base_report();
    report.rows = {row("File", PoolKind::nonpaged, Verdict::flat, 0.8, 2 << 20, 0),
                   row("Thre", PoolKind::nonpaged, Verdict::sawtooth, 0.7, 1 << 20, 0)};
    EXPECT_EQ(verdict_text(report, {.style = ChartStyle::ascii}),
              "Evidence:  leak.csv\n"
              "Machine:   HOST\n"
              "Time:      2026-06-01 08:00:00 to 2026-06-02 14:00:00 UTC (1d 6h), 60 snapshots\n"
              "Pool:      4.0 GB paged, 300 MB nonpaged\n"
              "\n"
              "Nothing leaks as far as this evidence tells: of 2 tags none grows to stay within 1d 6h.\n"
              "\n"
              "Tag   Pool  Verdict   Sure  In use  Gained  Per hour  Freed  A block  Course    Driver\n"
              "File  Nonp  flat      80 %  2.0 MB       0         0   50 %   ~100 B  _.-:=+*#\n"
              "Thre  Nonp  sawtooth  70 %  1.0 MB       0         0   50 %   ~100 B  _.-:=+*#\n");
}

TEST(VerdictText, ItCannotBeTold) {
    hunt::Report report = base_report();
    report.snapshots = 1;
    report.times_assumed = true;
    report.activity = report.whole = false;
    report.rows = {row("File", PoolKind::nonpaged, Verdict::undecided, 0, 2 << 20, 0)};
    report.rows[0].figures = {};
    report.rows[0].figures.samples = 1;
    report.rows[0].figures.bytes = 2 << 20;
    EXPECT_EQ(verdict_text(report, {.style = ChartStyle::ascii}),
              "Evidence:  leak.csv\n"
              "Machine:   HOST\n"
              "Time:      2026-06-02 14:00:00 UTC, one snapshot; times are assumed, not of the evidence itself\n"
              "Missing:   allocations and frees: this evidence tells only what is in use\n"
              "Missing:   tags: the evidence does not list them all\n"
              "Pool:      4.0 GB paged, 300 MB nonpaged in the tags that are listed\n"
              "\n"
              "It cannot be told whether something leaks: one snapshot has no course over time.\n"
              "\n"
              "Tag   Pool  Verdict    Sure  In use  Gained  Per hour  Freed  A block  Course  Driver\n"
              "File  Nonp  undecided     -  2.0 MB       -         -      -        -\n");
    report.rows.clear();
    EXPECT_NE(verdict_text(report, {}).find("the evidence holds no tags"), std::string::npos);
}

TEST(VerdictText, OnlyGrowth) {
    hunt::Report report = base_report();
    report.restarts = 1;
    report.wraps = 3;
    report.rows = {row("Abc", PoolKind::nonpaged, Verdict::growing, 0.6, 5 << 20, 1 << 20),
                   row("Def", PoolKind::nonpaged, Verdict::growing, 0.5, 5 << 20, 1 << 19)};
    const std::string text = verdict_text(report, {});
    EXPECT_NE(text.find("No leak is proven. 'Abc ' in nonpaged pool grows, confidence 60 %"), std::string::npos)
        << text;
    EXPECT_NE(text.find("1 other grows too, below."), std::string::npos) << text;
    EXPECT_NE(text.find("Restarts:  1;"), std::string::npos);
    EXPECT_NE(text.find("Wraps:     3 of 32-bit counters"), std::string::npos);
}

TEST(VerdictText, AllShowsAllAndTopBounds) {
    const hunt::Report report = leak_report();
    EXPECT_NE(verdict_text(report, {.all = true, .rows = 0}).find("Thre  Nonp   sawtooth"), std::string::npos);
    const std::string text = verdict_text(report, {.rows = 1});
    EXPECT_EQ(text.find("NtFC  Paged"), std::string::npos);
    EXPECT_NE(text.find("4 other tags: 1 leaking, 1 growing, 1 flat, 1 sawtooth (--all shows them)."),
              std::string::npos)
        << text;
}

TEST(VerdictText, NoLineIsTooWide) {
    hunt::Report report = leak_report();
    for (TagVerdict& one : report.rows) {
        one.binary = std::string(80, 'b');
        one.figures.bytes = -(1ll << 62);
        one.figures.bytes_gained = -(1ll << 62);
        one.figures.bytes_per_hour = -1e18;
        one.reasons.emplace_back("A long sentence that has to be broken into lines, since it has more words than a "
                                 "hundred columns hold, as sentences do");
    }
    const std::string text = verdict_text(report, {.all = true, .rows = 0});
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = text.find('\n', at);
        EXPECT_LE(display_width(text.substr(at, end - at)), 100u) << text.substr(at, end - at);
        at = end + 1;
    }
}

TEST(VerdictJson, HasOwnersAndGroups) {
    const nlohmann::json json = verdict_json(leak_report());
    EXPECT_EQ(json["command"], "verdict");
    EXPECT_EQ(json["rows_total"], 5);
    ASSERT_EQ(json["rows"].size(), 5u);
    const nlohmann::json& second = json["rows"][1];
    EXPECT_EQ(second["tag"], "NtFC");
    EXPECT_EQ(second["type"], "Paged");
    EXPECT_EQ(second["verdict"], "leaking");
    EXPECT_EQ(second["group"], 1);
    EXPECT_EQ(second["owner"], "WCsc");
    EXPECT_EQ(second["owner_binary"], "wcifs.sys");
    EXPECT_EQ(second["binary"], "ntfs.sys");
    EXPECT_EQ(second["bytes"], 512 << 20);
    const nlohmann::json& alone = json["rows"][2];
    EXPECT_EQ(alone["owner"], "Abc ");
    EXPECT_TRUE(alone["group"].is_null());
    EXPECT_TRUE(alone["owner_binary"].is_null());
    EXPECT_TRUE(json["rows"][3]["owner"].is_null());
    ASSERT_EQ(json["groups"].size(), 1u);
    EXPECT_EQ(json["groups"][0]["tags"], (nlohmann::json{"WCsc", "NtFC"}));
    EXPECT_EQ(json["groups"][0]["ratios"][1], 1.004);
    EXPECT_EQ(json["groups"][0]["owner"], "WCsc");
    EXPECT_EQ(json["advice"][0]["command"], "!poolfind WCsc 1");
    EXPECT_TRUE(json["advice"][1]["command"].is_null());
    EXPECT_EQ(json["evidence"], nlohmann::json{"leak.csv"});
    EXPECT_EQ(json["first"], "2026-06-01T08:00:00Z");
    EXPECT_TRUE(json["uptime_seconds"].is_null());
    EXPECT_EQ(verdict_json(leak_report(), 2)["rows"].size(), 2u);
}

TEST(VerdictCsv, OneRowATag) {
    const std::string csv = verdict_csv(leak_report(), 1);
    EXPECT_EQ(csv, "tag,type,verdict,confidence,group,owner,owner_binary,binary,description,samples,blocks,bytes,"
                   "blocks_gained,bytes_gained,share,freed_share,blocks_per_hour,bytes_per_hour,rising_share,trend_p,"
                   "recent_pace,residence_ratio,bytes_per_block,uniform_sizes,exhausted_hours,reasons\n"
                   "WCsc,Paged,leaking,0.93,1,WCsc,wcifs.sys,wcifs.sys,filter context,60,10737418,1073741824,3145728,"
                   "314572800,0.25,0.0,,10485760.0,,,,,100.0,true,125.0,"
                   "\"0 % of its 503677 allocations in this time were freed; It keeps its pace\"\n");
}

} // namespace
} // namespace poolkd::render

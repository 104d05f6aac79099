#include "base/tag_text.h"
#include "hunt/hunt_steps.h"
#include "hunt/hunt_suspects.h"
#include "hunt/hunt_words.h"
#include "hunt/redact.h"
#include "hunt/signature.h"
#include "hunt/words.h"

#include <gmock/gmock.h>

namespace poolkd::hunt {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::Not;

/// 'Abc ' leaks paged pool, from leaky!LeakyBuildReport.
HuntReport report_of_a_leak() {
    HuntReport report;
    TagVerdict row;
    row.key = {*PoolTag::from_text("Abc"), PoolKind::paged};
    row.verdict = Verdict::leaking;
    row.confidence = 0.9;
    row.figures.samples = 33;
    report.verdict.rows.push_back(row);
    report.verdict.snapshots = 33;
    Suspect suspect;
    suspect.owners.push_back({"leaky.sys", false, 0.95, {"Its code allocates under the tag"}, {}});
    SuspectSite site;
    site.module = "leaky";
    site.site.rva = 0x1210;
    site.site.function = "LeakyBuildReport";
    site.confidence = 0.97;
    suspect.sites.push_back(site);
    suspect.confidence = 0.83;
    report.suspects.push_back(suspect);
    return report;
}

std::string signature(const HuntReport& report) {
    return signature_of(report.verdict.rows[0].key, report.suspects[0]);
}

TEST(Signature, IsTheSameWhateverTheMachineAndTheTime) {
    HuntReport one = report_of_a_leak(), two = report_of_a_leak();
    two.verdict.machine = "another";
    two.verdict.rows[0].figures.bytes = 1 << 30;
    two.suspects[0].owners[0].image = "LEAKY.SYS";
    two.suspects[0].owners[0].confidence = 0.7;
    two.suspects[0].sites[0].site.rva = 0x1300; // another build: the function has its name still
    EXPECT_EQ(signature(one), signature(two));
    EXPECT_EQ(signature(one), "pk1-" + signature(one).substr(4));
    EXPECT_EQ(signature(one).size(), 20u);
}

TEST(Signature, DiffersForAnotherTagPoolImageOrFunction) {
    const std::string before = signature(report_of_a_leak());
    HuntReport other = report_of_a_leak();
    other.verdict.rows[0].key.kind = PoolKind::nonpaged;
    EXPECT_NE(signature(other), before);
    other = report_of_a_leak();
    other.verdict.rows[0].key.tag = *PoolTag::from_text("Abd");
    EXPECT_NE(signature(other), before);
    other = report_of_a_leak();
    other.suspects[0].owners[0].image = "other.sys";
    EXPECT_NE(signature(other), before);
    other = report_of_a_leak();
    other.suspects[0].sites[0].site.function = "Another";
    EXPECT_NE(signature(other), before);
}

TEST(Signature, AFunctionWithoutANameIsItsPlaceInTheImage) {
    HuntReport report = report_of_a_leak();
    report.suspects[0].sites[0].site.function.clear();
    const std::string before = signature(report);
    report.suspects[0].sites[0].site.rva = 0x1300;
    EXPECT_NE(signature(report), before);
}

TEST(HuntWords, TheHeadlineNamesTagDriverFunctionAndHowSure) {
    HuntReport report = report_of_a_leak();
    tell_report(report, true, true);
    EXPECT_EQ(report.title, "LEAK: 'Abc ' leaks paged pool from leaky!LeakyBuildReport (leaky.sys), confidence 83 %.");
    EXPECT_THAT(report.confirm, Contains(Field(&Advice::command, "!hits \"Abc \" /t 60s")));
    EXPECT_THAT(report.confirm, Contains(Field(&Advice::command, HasSubstr("verifier /flags 0x8 /driver leaky.sys"))));
}

TEST(HuntWords, EachSuspectHasItsOwnStepsToConfirm) {
    HuntReport report = report_of_a_leak();
    TagVerdict other = report.verdict.rows[0];
    other.key = {*PoolTag::from_text("\x01O\xfe\t"), PoolKind::nonpaged};
    report.verdict.rows.push_back(other);
    Suspect second = report.suspects[0];
    second.row = 1;
    second.owners[0].image = "oddtags.sys";
    report.suspects.push_back(second);
    tell_report(report, true, true);
    EXPECT_THAT(report.suspects[0].confirm, Contains(Field(&Advice::command, "!poolfind \"Abc \" 1")));
    EXPECT_THAT(report.suspects[1].confirm, Contains(Field(&Advice::command, "!poolfind \\x01O\\xfe\\x09 0")));
    EXPECT_THAT(report.suspects[1].confirm, Contains(Field(&Advice::command, HasSubstr("/driver oddtags.sys"))));
    EXPECT_EQ(report.confirm.front().command, report.suspects[0].confirm.front().command);
}

/// The tags of the suspects in their order.
std::vector<std::string> ordered(HuntReport& report) {
    order_suspects(report);
    std::vector<std::string> tags;
    for (const Suspect& suspect : report.suspects)
        tags.push_back(report.verdict.rows[suspect.row].key.tag.text());
    return tags;
}

void add_suspect(HuntReport& report, std::string_view tag, double bytes_per_hour, double confidence) {
    TagVerdict row;
    row.key.tag = *PoolTag::from_text(tag);
    row.verdict = Verdict::leaking;
    row.figures.bytes_per_hour = bytes_per_hour;
    report.verdict.rows.push_back(row);
    Suspect suspect;
    suspect.row = report.verdict.rows.size() - 1;
    suspect.owners.push_back({"leaky.sys", false, confidence, {}, {}});
    report.suspects.push_back(suspect);
}

TEST(HuntOrder, WhatTakesMostMemoryAnHourComesFirst) {
    HuntReport report;
    add_suspect(report, "Slow", 1e3, 0.95);
    add_suspect(report, "Fast", 1e6, 0.85);
    add_suspect(report, "Some", 1e5, 0.55);
    EXPECT_THAT(ordered(report), ElementsAre("Fast", "Some", "Slow"));
}

TEST(HuntOrder, WhoCanBeNamedComesBeforeWhoCannot) {
    HuntReport report;
    add_suspect(report, "Whos", 1e9, 0.45);
    add_suspect(report, "Slow", 1e3, 0.95);
    EXPECT_THAT(ordered(report), ElementsAre("Slow", "Whos"));
}

TEST(HuntOrder, OrphansAreOrderedByWhatTheyHold) {
    HuntReport report;
    for (const auto& [tag, bytes] : {std::pair("Litt", 100), {"Much", 9000}}) {
        add_suspect(report, tag, 0, 0.9);
        report.verdict.rows.back().verdict = Verdict::flat;
        report.verdict.rows.back().figures.bytes = bytes;
        report.suspects.back().orphaned = true;
    }
    add_suspect(report, "Leak", 10, 0.9);
    EXPECT_THAT(ordered(report), ElementsAre("Leak", "Much", "Litt"));
}

TEST(Words, NamesBeyondAFewAreCounted) {
    const std::vector<std::string> names{"a", "b", "c"};
    EXPECT_EQ(names_text(names, 3), "a, b, c");
    EXPECT_EQ(names_text(names, 2), "a, b and 1 more");
    EXPECT_EQ(names_text({}, 2), "");
}

TEST(Words, ATagIsWrittenSoThatACommandTakesIt) {
    EXPECT_EQ(tag_argument_word(*PoolTag::from_text("BigF")), "BigF");
    EXPECT_EQ(tag_argument_word(*PoolTag::from_text("O d")), "\"O d \"");
    EXPECT_EQ(tag_argument_word(PoolTag(0x00fe4f01)), "\\x01O\\xfe\\x00");
    EXPECT_EQ(tag_word(*PoolTag::from_text("O d")), "'O d '");
}

TEST(Words, ATagThatACommandIsGivenIsReadBack) {
    for (const char* text : {"A\"b", "a'b", "a b\\", "a\\b", "\\x41", "0x1f", "0X1f", "@abc", "(abc", "/abc", "-tag",
                             ",abc", "a;b", " abc", "1", "_a"}) {
        const PoolTag tag = *PoolTag::from_text(text);
        const std::string word = tag_argument_word(tag);
        const auto read = parse_tag(word);
        ASSERT_TRUE(read) << word;
        EXPECT_EQ(*read, tag) << word;
        // What the debugger makes of a word before it is a tag.
        const bool quoted = word.starts_with('"') && word.ends_with('"');
        EXPECT_EQ(word.find_first_of("\"'", 1), quoted ? word.size() - 1 : std::string::npos) << word;
        EXPECT_TRUE(quoted || word.find_first_of(" ,;@(/-") == std::string::npos) << word;
    }
    EXPECT_EQ(tag_argument_word(*PoolTag::from_text("/abc")), "\"/abc\"");
    EXPECT_EQ(tag_argument_word(*PoolTag::from_text("A\"b")), "\"A\\x22b \"");
    EXPECT_EQ(tag_argument_word(*PoolTag::from_text("0x1f")), "\\x30x1f");
}

TEST(HuntWords, NobodyIsNamedBelowEvenOdds) {
    HuntReport report = report_of_a_leak();
    report.suspects[0].owners[0].confidence = 0.45;
    report.suspects[0].sites[0].confidence = 0.45;
    tell_report(report, false, true);
    EXPECT_THAT(report.title, AllOf(HasSubstr("whose it is cannot be told"), Not(HasSubstr("leaky"))));
}

TEST(HuntWords, WhatOnlyGrowsIsNoLeak) {
    HuntReport report = report_of_a_leak();
    report.verdict.rows[0].verdict = Verdict::growing;
    tell_report(report, true, true);
    EXPECT_THAT(report.title, HasSubstr("No leak is proven"));
    EXPECT_THAT(report.alternatives, Contains(HasSubstr("may be a load or a cache")));
}

TEST(HuntWords, CountersAloneSayThatTheyDoNotTellFromWhere) {
    HuntReport report = report_of_a_leak();
    tell_report(report, false, false);
    EXPECT_THAT(report.not_visible, Contains(HasSubstr("not from where")));
}

TEST(HuntPlan, IsThatOfTheEvidence) {
    HuntInput input;
    auto nothing = from_snapshots({});
    input.series = nothing.get();
    EXPECT_EQ(plan_of(input).size(), 1u);
    const HuntTimes times = times_of(60s);
    EXPECT_EQ(times.interval, 750ms);
    EXPECT_LT(times.interval * HuntTimes::snapshots + times.code + times.memory, 60s);
}

TEST(Redact, TakesOutMachinePathsAndProcesses) {
    HuntReport report = report_of_a_leak();
    report.verdict.machine = "build-07";
    report.verdict.evidence = {"/home/ann/build-07/leak.series"};
    report.verdict.notes = {"build-07 was restarted", R"(C:\Users\ann\snap.log: line 3)"};
    report.confirm.push_back({"!hits Leak /for 60s", "at 12:00"});
    report.suspects[0].trace.emplace().kept.resize(1);
    report.suspects[0].trace->kept[0].process_name = "payroll.exe";
    redact(report);
    EXPECT_EQ(report.verdict.machine, "<machine>");
    EXPECT_EQ(report.verdict.evidence[0], "<path>/leak.series");
    EXPECT_EQ(report.verdict.notes[0], "<machine> was restarted");
    EXPECT_EQ(report.verdict.notes[1], R"(<path>\snap.log: line 3)");
    EXPECT_EQ(report.confirm[0].command, "!hits Leak /for 60s");
    EXPECT_EQ(report.suspects[0].trace->kept[0].process_name, "");
    EXPECT_EQ(report.suspects[0].owners[0].image, "leaky.sys");
}

TEST(Redact, FoldersOfTheEvidenceMayHaveSpacesOrBeRelative) {
    HuntReport report = report_of_a_leak();
    report.verdict.evidence = {"/home/ann smith/leak.csv, line 12", "ann smith/june/two.csv"};
    report.verdict.notes = {"ann smith/june/two.csv: the times are assumed", "/home/ann smith/leak.csv is short"};
    redact(report);
    EXPECT_EQ(report.verdict.evidence[0], "<path>/leak.csv, line 12");
    EXPECT_EQ(report.verdict.evidence[1], "<path>/two.csv");
    EXPECT_EQ(report.verdict.notes[0], "<path>/two.csv: the times are assumed");
    EXPECT_EQ(report.verdict.notes[1], "<path>/leak.csv is short");
}

TEST(Redact, TakesOutTheNamesOfTheEvidence) {
    HuntReport report = report_of_a_leak();
    report.title = "LEAK: Abc leaks, and payroll.csv does not";
    report.verdict.evidence = {"payroll.csv", "leak"};
    report.verdict.notes = {"payroll.csv: the times are assumed", "leak: its layout is inferred", "oldpayroll.csv2"};
    report.confirm.push_back({"poolkd trend payroll.csv Abc", "Look at its course"});
    const std::vector<std::filesystem::path> evidence{"/srv/payroll.csv", "leak"};
    redact(report, evidence);
    EXPECT_EQ(report.title, "LEAK: Abc leaks, and <file 1> does not");
    EXPECT_THAT(report.verdict.evidence, ::testing::ElementsAre("<file 1>", "<file 2>"));
    EXPECT_THAT(report.verdict.notes, ::testing::ElementsAre("<file 1>: the times are assumed",
                                                             "<file 2>: its layout is inferred", "oldpayroll.csv2"));
    EXPECT_EQ(report.confirm[0].command, "poolkd trend <file 1> Abc");
    HuntReport alone = report_of_a_leak();
    alone.verdict.evidence = {"payroll.csv"};
    redact(alone, std::span(evidence).first(1));
    EXPECT_EQ(alone.verdict.evidence[0], "<file>");
    HuntReport with_machine = report_of_a_leak();
    with_machine.verdict.machine = "build-07";
    with_machine.verdict.evidence = {"/srv/build-07-payroll.csv"};
    with_machine.verdict.notes = {"build-07-payroll.csv: of build-07"};
    const std::vector<std::filesystem::path> of_machine{"/srv/build-07-payroll.csv"};
    redact(with_machine, of_machine);
    EXPECT_EQ(with_machine.verdict.evidence[0], "<path>/<file>");
    EXPECT_EQ(with_machine.verdict.notes[0], "<file>: of <machine>");
}

TEST(Redact, LeavesWhatIsNoPath) {
    EXPECT_EQ(without_paths("grows 1/2 as fast, report.cpp:12, com:pipe"),
              "grows 1/2 as fast, report.cpp:12, com:pipe");
    EXPECT_EQ(without_paths(R"(\\server\share\ann\dump.dmp)"), R"(<path>\dump.dmp)");
    EXPECT_EQ(without_paths("(/srv/x/y.c:12)"), "(<path>/y.c:12)");
    EXPECT_EQ(without_paths("com:pipe,port=/home/ann/kd.sock"), "com:pipe,port=<path>/kd.sock");
}

} // namespace
} // namespace poolkd::hunt

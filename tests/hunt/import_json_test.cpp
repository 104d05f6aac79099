#include "import_support.h"

#include <gmock/gmock.h>

namespace poolkd::hunt::import_json_test {
namespace {

using namespace imports;

TEST(ImportJson, OurOwnLines) {
    const Imported read = import_text(
        R"({"time": 1764063795.12, "machine": "SRV1", "uptime_seconds": 3600.5, "memory": {"physical": 4096, "nonpaged": 7},
            "whole": true, "tags": [{"tag": "Abc ", "type": "Nonp", "allocs": 10, "frees": 3, "bytes": 112},
                     {"tag": "File", "type": "Paged", "allocs": 5, "frees": 5, "bytes": 0}]}
{"time": "2025-11-25T09:44:15Z", "activity": false, "whole": false, "tags": [{"tag": "Abc", "type": "Nonp", "allocs": 7, "frees": 0, "bytes": 112}]}
)");
    ASSERT_EQ(read.snapshots.size(), 2u);
    const Snapshot& s = read.snapshots[0];
    EXPECT_EQ(s.time, at(1764063795120));
    EXPECT_EQ(s.machine, "SRV1");
    EXPECT_EQ(s.uptime, std::chrono::milliseconds(3'600'500));
    EXPECT_EQ(s.memory.physical, 4096u);
    EXPECT_EQ(s.memory.nonpaged, 7u);
    EXPECT_EQ(row(s, "Abc"), counts("Abc", PoolKind::nonpaged, 10, 3, 112));
    EXPECT_EQ(row(s, "File", PoolKind::paged).allocs, 5u);
    EXPECT_TRUE(s.activity && s.whole);
    EXPECT_EQ(read.snapshots[1].time, at(1764063855000));
    EXPECT_FALSE(read.snapshots[1].activity || read.snapshots[1].whole);
}

TEST(ImportJson, AnswersOfPoolused) {
    const Imported read = import_text(
        R"([{"command": "lm", "modules": []},
{"command": "!poolused", "coverage": {"bytes_missing": 4096, "bytes_read": 100, "complete": false}, "table_bytes": 114800, "tags": [
  {"nonpaged": {"allocs": 1, "bytes": 16, "frees": 0, "outstanding": 1}, "overflow": false,
   "paged": {"allocs": 46427, "bytes": 33930272, "frees": 10022, "outstanding": 36405}, "tag": "Abc ", "value": 543384129},
  {"nonpaged": {"allocs": 0, "bytes": 0, "frees": 0, "outstanding": 0}, "overflow": false,
   "paged": {"allocs": 2, "bytes": 2, "frees": 0, "outstanding": 2}, "tag": ".LMN", "value": 1313688819}],
 "tags_total": 2, "total": {}}])");
    ASSERT_EQ(read.snapshots.size(), 1u);
    const Snapshot& s = read.snapshots[0];
    EXPECT_EQ(row(s, "Abc", PoolKind::paged), counts("Abc", PoolKind::paged, 46427, 10022, 33930272));
    EXPECT_EQ(row(s, "Abc").bytes, 16);
    EXPECT_EQ(row(s, "\xf3LMN", PoolKind::paged).key.tag.value, 0x4e4d4cf3u & 0x7fffffffu);
    EXPECT_EQ(s.rows.size(), 3u);
    EXPECT_TRUE(s.activity);
    EXPECT_FALSE(s.whole);
    EXPECT_EQ(s.coverage.missing(), 4096u);
    EXPECT_FALSE(s.time);
    EXPECT_TRUE(read.noted("without tags left out"));
}

TEST(ImportJson, RowsOfPowerShell) {
    const Imported read = import_text(utf16(
        R"([ { "Time": "\/Date(1764063795120)\/", "Tag": "Abc", "PagedAllocs": 1, "PagedFrees": 0, "PagedUsed": 16,
               "NonPagedAllocs": 10, "NonPagedFrees": 3, "NonPagedUsed": 112.0 },
             { "Time": {"value": "\/Date(1764063796120)\/", "DisplayHint": 2}, "Tag": "Abc", "PagedAllocs": 2, "PagedFrees": 0,
               "PagedUsed": 32, "NonPagedAllocs": 0, "NonPagedFrees": 0, "NonPagedUsed": 0 } ])"));
    ASSERT_EQ(read.snapshots.size(), 2u);
    EXPECT_EQ(read.snapshots[0].time, at(1764063795120));
    EXPECT_EQ(row(read.snapshots[0], "Abc"), counts("Abc", PoolKind::nonpaged, 10, 3, 112));
    EXPECT_EQ(row(read.snapshots[1], "Abc", PoolKind::paged), counts("Abc", PoolKind::paged, 2, 0, 32));
    EXPECT_EQ(read.snapshots[1].evidence, "test, object 2");
}

TEST(ImportJson, DamageIsCountedAndNamed) {
    const Imported read = import_text(
        R"({"time": 1764063795, "tags": [{"tag": "Abc", "type": "Nonp", "diff": 1, "bytes": 1}, 7, {"tag": 5}]}
{"time": 1764063796, "tags": [oops]}
{"time": 1764063797, "tags": [{"tag": "Abc")");
    ASSERT_EQ(read.snapshots.size(), 1u);
    EXPECT_EQ(read.snapshots[0].rows.size(), 1u);
    EXPECT_FALSE(read.snapshots[0].activity);
    EXPECT_TRUE(read.noted("1 object could not be read (object 2)"));
    EXPECT_TRUE(read.noted("1 object with rows that could not be read (object 1)"));
    EXPECT_TRUE(read.noted("ends in the middle"));
}

TEST(ImportJson, WhatIsNoEvidence) {
    for (const std::string& text : {std::string(R"({"a": 1})"), std::string("[]"), std::string(R"({"a": 1} x)"),
                                    "{\"a\": " + std::string(100, '[') + std::string(100, ']') + "}"}) {
        const auto read = try_import(text);
        ASSERT_FALSE(read) << text;
        EXPECT_EQ(read.error().kind, ErrorKind::malformed);
    }
}

TEST(ImportJson, SeveralMachinesAreRefused) {
    EXPECT_TRUE(try_import(R"({"time": 1764063795, "machine": "SRV1", "tags": []}
{"time": 1764063796, "machine": "srv1", "tags": []} {"time": 1764063797, "tags": []})"));
    const auto two = try_import(R"({"time": 1764063795, "machine": "SRV1", "tags": []}
{"time": 1764063796, "machine": "SRV2", "tags": []})");
    ASSERT_FALSE(two);
    EXPECT_EQ(two.error().kind, ErrorKind::malformed);
    EXPECT_THAT(two.error().message, ::testing::HasSubstr("several machines (SRV1 and SRV2)"));
}

TEST(ImportJson, RowsWithoutFreesAmongOthersAreLeftOut) {
    const Imported read = import_text(R"({"time": 1764063795, "tags": [
        {"tag": "Abc", "type": "Nonp", "allocs": 10, "frees": 3, "bytes": 112},
        {"tag": "Def", "type": "Nonp", "allocs": 7, "bytes": 112}]})");
    ASSERT_EQ(read.snapshots.size(), 1u);
    EXPECT_TRUE(read.snapshots[0].activity);
    EXPECT_EQ(read.snapshots[0].rows.size(), 1u);
    EXPECT_TRUE(read.noted("1 object with rows that could not be read"));
    const Imported flat = import_text(R"([{"tag": "Abc", "type": "Nonp", "allocs": 10, "frees": 3, "bytes": 112},
        {"tag": "Def", "type": "Nonp", "allocs": 7, "frees": null, "bytes": 112}])");
    ASSERT_EQ(flat.snapshots.size(), 1u);
    EXPECT_TRUE(flat.snapshots[0].activity);
    EXPECT_TRUE(flat.noted("1 object could not be read (object 2)"));
}

TEST(ImportJson, WholeIsWhatSaysSoOrLooksSo) {
    const std::string one = R"("tags": [{"tag": "Abc", "type": "Nonp", "allocs": 10, "frees": 3, "bytes": 112}]})";
    EXPECT_FALSE(import_text("{" + one).snapshots.at(0).whole);
    EXPECT_TRUE(import_text("{\"whole\": true, " + one).snapshots.at(0).whole);
    EXPECT_TRUE(import_text("{\"tags_total\": 1, " + one).snapshots.at(0).whole);
    EXPECT_FALSE(import_text("{\"tags_total\": 2, " + one).snapshots.at(0).whole);
}

TEST(ImportJson, TooManyValuesAreRefused) {
    std::string text = "{\"tags\": [";
    for (std::size_t i = 0; i <= 1'000'000; ++i)
        text += "0,";
    const auto read = try_import(text + "0]}");
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().kind, ErrorKind::malformed);
    EXPECT_THAT(read.error().message, ::testing::HasSubstr("more than 1000000 values"));
}

TEST(ImportJson, SnapshotsOutOfOrderAreSorted) {
    const Imported read = import_text(R"({"time": 1764063797, "uptime_seconds": 3, "tags": []}
{"time": 1764063795, "uptime_seconds": 1, "tags": []} {"time": 1764063796, "uptime_seconds": 2, "tags": []})");
    ASSERT_EQ(read.snapshots.size(), 3u);
    for (std::size_t i = 0; i < 3; ++i)
        EXPECT_EQ(read.snapshots[i].time, at(1764063795000 + 1000 * static_cast<std::int64_t>(i)));
    EXPECT_EQ(read.snapshots[0].uptime, std::chrono::seconds(1));
    EXPECT_TRUE(read.noted("not in the order of time: sorted"));
    const Imported mixed =
        import_text(R"({"time": 1764063797, "tags": []} {"time": 1764063795, "tags": []} {"tags": []})");
    ASSERT_EQ(mixed.snapshots.size(), 3u);
    for (const Snapshot& snapshot : mixed.snapshots)
        EXPECT_FALSE(snapshot.time);
    EXPECT_TRUE(mixed.noted("their times are not used"));
}

TEST(ImportJson, OneDateDecidesTheOrderOfAll) {
    const Imported read =
        import_text(R"({"time": "05/11/2026 09:00", "tags": []} {"time": "28/11/2026 09:00", "tags": []})");
    ASSERT_EQ(read.snapshots.size(), 2u);
    EXPECT_EQ(read.snapshots[0].time, at(1793869200000));
    EXPECT_EQ(read.snapshots[1].time, at(1795856400000));
    EXPECT_THAT(read.notes, ::testing::IsEmpty());
}

TEST(ImportJson, BytesAloneAreRefused) {
    for (const char* text : {R"({"tags": [{"tag": "Abc", "type": "Nonp", "bytes": 112}]})",
                             R"([{"tag": "Abc", "type": "Nonp", "bytes": 112}])"}) {
        const auto read = try_import(text);
        ASSERT_FALSE(read);
        EXPECT_EQ(read.error().kind, ErrorKind::malformed);
        EXPECT_THAT(read.error().message, ::testing::HasSubstr("tells bytes but no blocks"));
    }
}

} // namespace
} // namespace poolkd::hunt::import_json_test

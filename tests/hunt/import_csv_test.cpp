#include "import_support.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

namespace poolkd::hunt::import_csv_test {
namespace {

using namespace imports;

TEST(ImportCsv, OurOwn) {
    const Imported read = import_text("time,tag,type,allocs,frees,bytes\n"
                                      "1764063795.120,Abc ,Nonp,10,3,112\n"
                                      "1764063795.120,File,Paged,5,5,0\n"
                                      "1764063855.5,Abc,Nonp,20,3,272\n");
    ASSERT_EQ(read.snapshots.size(), 2u);
    EXPECT_EQ(read.snapshots[0].time, at(1764063795120));
    EXPECT_EQ(read.snapshots[1].time, at(1764063855500));
    EXPECT_FALSE(read.snapshots[0].time_assumed);
    EXPECT_TRUE(read.snapshots[0].activity);
    EXPECT_EQ(row(read.snapshots[0], "Abc"), counts("Abc", PoolKind::nonpaged, 10, 3, 112));
    EXPECT_EQ(row(read.snapshots[0], "File", PoolKind::paged), counts("File", PoolKind::paged, 5, 5, 0));
    EXPECT_EQ(row(read.snapshots[1], "Abc").bytes, 272);
    EXPECT_EQ(read.snapshots[1].evidence, "test, line 4");
    EXPECT_THAT(read.notes, ::testing::IsEmpty());
}

TEST(ImportCsv, OtherNamesOrdersAndSeparators) {
    for (const char* text : {
             "Pool Tag;Pool_Type;Used Bytes;Alloc Count;Free Count;TimeStamp\nAbc;NonPagedPool;112;10;3;2025-11-25 "
             "09:43:15",
             "DATETIME\tTAG\tPOOL\tDIFF\tFREES\tUSED\n2025-11-25T09:43:15Z\tAbc \tNP\t7\t3\t112\n",
             "when,tag,type,allocs,outstanding,size\r\n\"11/25/2025 9:43:15 AM\",\"Abc \",0,10,7,112\r\n",
             "#TYPE "
             "System.Management.Automation.PSCustomObject\n\"Tag\",\"Type\",\"Allocs\",\"Frees\",\"Bytes\",\"Time\"\n"
             "\"0x20636241\",\"N\",\"10\",\"3\",\"112\",\"1764063795\"\n",
             "sep=,\ntime,TagUlong,type,allocs,frees,bytes\n1764063795,543384129,nonpaged,10,3,\"112.00\"\n",
         }) {
        const Imported read = import_text(text);
        ASSERT_EQ(read.snapshots.size(), 1u) << text;
        EXPECT_EQ(read.snapshots[0].time, at(1764063795000)) << text;
        EXPECT_EQ(row(read.snapshots[0], "Abc"), counts("Abc", PoolKind::nonpaged, 10, 3, 112)) << text;
    }
}

TEST(ImportCsv, WideRowsOfTheSystemsOwnNames) {
    const Imported read =
        import_text("Time,Tag,PagedAllocs,PagedFrees,PagedUsed,NonPagedAllocs,NonPagedFrees,NonPagedUsed\n"
                    "1764063795,Abc,1,0,16,10,3,112\n"
                    "1764063795,Defg,0,0,0,\"1,234,567\",7,\"12,345,678\"\n");
    ASSERT_EQ(read.snapshots.size(), 1u);
    EXPECT_EQ(read.snapshots[0].rows.size(), 3u);
    EXPECT_EQ(row(read.snapshots[0], "Abc"), counts("Abc", PoolKind::nonpaged, 10, 3, 112));
    EXPECT_EQ(row(read.snapshots[0], "Abc", PoolKind::paged), counts("Abc", PoolKind::paged, 1, 0, 16));
    EXPECT_EQ(row(read.snapshots[0], "Defg"), counts("Defg", PoolKind::nonpaged, 1234567, 7, 12345678));
}

TEST(ImportCsv, WithoutFreesOnlyWhatIsInUse) {
    const Imported read = import_text("tag,type,allocs,bytes\nAbc,Nonp,7,112\n");
    ASSERT_EQ(read.snapshots.size(), 1u);
    EXPECT_FALSE(read.snapshots[0].activity);
    EXPECT_EQ(row(read.snapshots[0], "Abc"), counts("Abc", PoolKind::nonpaged, 7, 0, 112));
    EXPECT_FALSE(read.snapshots[0].time);
}

TEST(ImportCsv, OddTags) {
    const Imported read = import_text("tag,type,allocs,frees,bytes\n"
                                      "\"Dh 1\",Paged,1,0,1\n"
                                      "\" xy\",Paged,2,0,1\n"
                                      "\"a,b\"\"\",Paged,3,0,1\n"
                                      "0x80636241,Paged,4,0,1\n"  // with the protected bit
                                      "\xc3\xb3LMN,Paged,5,0,1\n" // UTF-8 for one byte
                                      "#x,Paged,6,0,1\n");
    ASSERT_EQ(read.snapshots.size(), 1u);
    const Snapshot& s = read.snapshots[0];
    EXPECT_EQ(row(s, "Dh 1", PoolKind::paged).allocs, 1u);
    EXPECT_EQ(row(s, " xy ", PoolKind::paged).allocs, 2u);
    EXPECT_EQ(row(s, "a,b\"", PoolKind::paged).allocs, 3u);
    EXPECT_EQ(row(s, std::string("Abc\0", 4), PoolKind::paged).allocs, 4u);
    EXPECT_EQ(row(s, "\xf3LMN", PoolKind::paged).allocs, 5u);
    EXPECT_EQ(row(s, "#x", PoolKind::paged).allocs, 6u);
}

TEST(ImportCsv, MachineAndUptime) {
    const Imported read = import_text("time,computer,uptime,tag,type,allocs,frees,bytes\n"
                                      "1764063795,SRV1,3600.5,Abc,Nonp,1,0,1\n1764063796,srv1,3601.5,Abc,Nonp,1,0,1\n");
    ASSERT_EQ(read.snapshots.size(), 2u);
    EXPECT_EQ(read.snapshots[0].machine, "SRV1");
    EXPECT_EQ(read.snapshots[0].uptime, std::chrono::milliseconds(3'600'500));

    const auto two = try_import("time,computer,tag,type,allocs,frees,bytes\n"
                                "1764063795,SRV1,Abc,Nonp,1,0,1\n1764063795,SRV2,Abc,Nonp,1,0,1\n");
    ASSERT_FALSE(two);
    EXPECT_EQ(two.error().kind, ErrorKind::malformed);
    EXPECT_THAT(two.error().message, ::testing::HasSubstr("several machines (SRV1 and SRV2)"));
}

TEST(ImportCsv, RowsOutOfOrderAreSorted) {
    const Imported read = import_text("time,tag,type,allocs,frees,bytes\n"
                                      "1764063796,Abc,Nonp,2,0,1\n1764063795,Abc,Nonp,1,0,1\n"
                                      "1764063796,Def,Nonp,4,0,1\n1764063795,Def,Nonp,3,0,1\n");
    ASSERT_EQ(read.snapshots.size(), 2u);
    EXPECT_EQ(row(read.snapshots[0], "Abc").allocs, 1u);
    EXPECT_EQ(row(read.snapshots[0], "Def").allocs, 3u);
    EXPECT_EQ(row(read.snapshots[1], "Abc").allocs, 2u);
    EXPECT_TRUE(read.noted("sorted"));
}

TEST(ImportCsv, BadLinesAreCounted) {
    const Imported read = import_text("time,tag,type,allocs,frees,bytes\n"
                                      "1764063795,Abc,Nonp,1,0,1\nnever,Abc,Nonp,1,0,1\n1764063795,Abc,Maybe,1,0,1\n"
                                      "1764063795,Abc,Paged,x,0,1\n1764063795\ntime,tag,type,allocs,frees,bytes\n");
    ASSERT_EQ(read.snapshots.size(), 1u);
    EXPECT_EQ(read.snapshots[0].rows.size(), 1u);
    EXPECT_TRUE(read.noted("4 lines could not be read (the first: line 3)"));
}

TEST(ImportCsv, WhatIsMissingIsNamed) {
    for (auto [text, word] : {std::pair{"tag,bytes,time\nAbc,1,1764063795\n", "type"},
                              std::pair{"a,b,c\n1,2,3\n", "none of the formats"}, std::pair{"", "empty"}}) {
        const auto read = try_import(text);
        ASSERT_FALSE(read) << text;
        EXPECT_EQ(read.error().kind, ErrorKind::malformed);
        EXPECT_THAT(read.error().message, ::testing::HasSubstr(word));
    }
}

TEST(ImportCsv, ARowWithoutFreesAmongOthersIsUnreadable) {
    const Imported read = import_text("time,tag,type,allocs,frees,bytes\n"
                                      "1764063795,Abc,Nonp,10,3,112\n1764063795,Def,Nonp,7,,112\n"
                                      "1764063796,Abc,Nonp,7,,112\n1764063796,Def,Nonp,8,,112\n");
    ASSERT_EQ(read.snapshots.size(), 2u);
    EXPECT_TRUE(read.snapshots[0].activity);
    EXPECT_EQ(read.snapshots[0].rows.size(), 1u);
    EXPECT_FALSE(read.snapshots[1].activity);
    EXPECT_EQ(row(read.snapshots[1], "Def"), counts("Def", PoolKind::nonpaged, 8, 0, 112));
    EXPECT_TRUE(read.noted("1 line could not be read (line 3)"));
}

TEST(ImportCsv, NothingIsMadeUpForEmptyFields) {
    const Imported read =
        import_text("tag,type,allocs,frees,bytes\nAbc,Nonp,10,3,112\nDef,Nonp,,3,112\nGhi,Nonp,10,3,\n"
                    "Jkl,Nonp,,,\n");
    ASSERT_EQ(read.snapshots.size(), 1u);
    EXPECT_EQ(read.snapshots[0].rows.size(), 1u);
    EXPECT_TRUE(read.noted("3 lines could not be read (the first: line 3)"));
    const Imported wide = import_text("Tag,PagedAllocs,PagedFrees,PagedUsed,NonPagedAllocs,NonPagedFrees,NonPagedUsed\n"
                                      "Abc,,,,10,3,112\n");
    EXPECT_EQ(row(wide.snapshots.at(0), "Abc"), counts("Abc", PoolKind::nonpaged, 10, 3, 112));
    EXPECT_TRUE(wide.snapshots[0].activity);
}

TEST(ImportCsv, ManyRowsOfBothPoolsAreWhole) {
    std::string rows = "tag,type,allocs,frees,bytes\n";
    EXPECT_FALSE(import_text(rows + "Abc,Nonp,10,3,112\n").snapshots.at(0).whole);
    std::string one_pool = rows;
    for (int i = 0; i < 250; ++i) {
        rows += fmt::format("T{:03},{},10,3,700\n", i, i % 2 == 0 ? "Nonp" : "Paged");
        one_pool += fmt::format("T{:03},Nonp,10,3,700\n", i);
    }
    EXPECT_TRUE(import_text(rows).snapshots.at(0).whole);
    EXPECT_FALSE(import_text(one_pool).snapshots.at(0).whole);
}

TEST(ImportCsv, OneDateDecidesTheOrderOfAll) {
    const std::string names = "time,tag,type,allocs,frees,bytes\n";
    for (const char* text : {"05/11/2026,Abc,Nonp,1,0,1\n06/11/2026,Abc,Nonp,2,0,1\n28/11/2026,Abc,Nonp,3,0,1\n",
                             "11-05-2026,Abc,Nonp,1,0,1\n11-06-2026,Abc,Nonp,2,0,1\n11-28-2026,Abc,Nonp,3,0,1\n"}) {
        const Imported read = import_text(names + text);
        ASSERT_EQ(read.snapshots.size(), 3u) << text;
        EXPECT_EQ(read.snapshots[0].time, at(1793836800000)) << text;
        EXPECT_EQ(read.snapshots[1].time, at(1793923200000)) << text;
        EXPECT_EQ(read.snapshots[2].time, at(1795824000000)) << text;
        EXPECT_THAT(read.notes, ::testing::IsEmpty()) << text;
    }
    const Imported open = import_text(names + "05/11/2026,Abc,Nonp,1,0,1\n05/12/2026,Abc,Nonp,2,0,1\n");
    EXPECT_EQ(open.snapshots.at(0).time, at(1778457600000));
    EXPECT_TRUE(open.noted("(05/11/2026), and none of them decides: taken as the month first"));
    const Imported both = import_text(names + "25/11/2026,Abc,Nonp,1,0,1\n11/26/2026,Abc,Nonp,2,0,1\n");
    EXPECT_EQ(both.snapshots.size(), 1u);
    EXPECT_TRUE(both.noted("Some dates begin with the day and others with the month"));
    EXPECT_TRUE(both.noted("1 line could not be read (line 3)"));
}

TEST(ImportCsv, NumbersThatMayBeFractionsAreUnreadable) {
    const Imported commas = import_text("tag,type,allocs,frees,bytes\nAbc,Nonp,10,3,1.234\nDef,Nonp,10,3,1.234.567\n"
                                        "Ghi,Nonp,10,3,\"1,234\"\nJkl,Nonp,10,3,1.5\n");
    ASSERT_EQ(commas.snapshots.size(), 1u);
    EXPECT_EQ(row(commas.snapshots[0], "Def").bytes, 1234567);
    EXPECT_EQ(row(commas.snapshots[0], "Ghi").bytes, 1234);
    EXPECT_EQ(commas.snapshots[0].rows.size(), 2u);
    EXPECT_TRUE(commas.noted("2 lines could not be read (the first: line 2)"));
    const Imported semicolons =
        import_text("tag;type;allocs;frees;bytes\nAbc;Nonp;10;3;1,234\nDef;Nonp;10;3;1.234.567\n");
    ASSERT_EQ(semicolons.snapshots.size(), 1u);
    EXPECT_EQ(semicolons.snapshots[0].rows.size(), 1u);
}

TEST(ImportCsv, UnitsInNamesScale) {
    for (auto [name, value, bytes] :
         {std::tuple{"Size (KB)", "2", 2048}, std::tuple{"UsedKB", "1.5", 1536}, std::tuple{"Bytes (MB)", "2", 2097152},
          std::tuple{"Size", "2", 2}, std::tuple{"Used MiB", "0.25", 262144}}) {
        const Imported read = import_text(fmt::format("tag,type,allocs,frees,{}\nAbc,Nonp,10,3,{}\n", name, value));
        EXPECT_EQ(row(read.snapshots.at(0), "Abc").bytes, bytes) << name;
    }
    const auto ambiguous = try_import("tag,type,allocs,frees,UsedKB\nAbc,Nonp,10,3,1.234\n");
    ASSERT_FALSE(ambiguous);
    EXPECT_THAT(ambiguous.error().message, ::testing::HasSubstr("1 line (the first: line 2)"));
}

TEST(ImportCsv, ASecondLineOfNamesBeginsAnotherTable) {
    const Imported read = import_text("time,tag,type,allocs,frees,bytes\n1764063795,Abc,Nonp,10,3,112\n"
                                      "time,tag,type,bytes,frees,allocs\n1764063796,Abc,Nonp,224,4,20\n"
                                      "bytes;frees;tag;diff;type;time\n336;5;Abc;16;Nonp;1764063797\n");
    ASSERT_EQ(read.snapshots.size(), 3u);
    EXPECT_EQ(row(read.snapshots[1], "Abc"), counts("Abc", PoolKind::nonpaged, 20, 4, 224));
    EXPECT_EQ(row(read.snapshots[2], "Abc"), counts("Abc", PoolKind::nonpaged, 21, 5, 336));
    EXPECT_THAT(read.notes, ::testing::IsEmpty());
}

TEST(ImportCsv, BytesAloneAreRefused) {
    const auto read = try_import("tag,type,bytes\nAbc,Nonp,112\n");
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().kind, ErrorKind::malformed);
    EXPECT_THAT(read.error().message, ::testing::HasSubstr("tells bytes but no blocks"));
}

} // namespace
} // namespace poolkd::hunt::import_csv_test

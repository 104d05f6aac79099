#include "hunt/series_file.h"
#include "hunt/series_rows.h"
#include "import_support.h"
#include "support/temporary_directory.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <random>

namespace poolkd::hunt::series_test {
namespace {

using namespace imports;
using poolkd::testing::TemporaryDirectory;

std::vector<TagCounts> rows_of(std::mt19937_64& random, std::size_t count) {
    std::vector<TagCounts> rows;
    for (std::size_t i = 0; i < count; ++i)
        rows.push_back({.key = {PoolTag(static_cast<std::uint32_t>(random())).bare(),
                                random() % 2 == 0 ? PoolKind::nonpaged : PoolKind::paged},
                        .allocs = random() >> (random() % 64),
                        .frees = random() >> (random() % 64),
                        .bytes = static_cast<std::int64_t>(random() >> (random() % 64))});
    std::ranges::sort(rows, {}, &TagCounts::key);
    const auto twice = std::ranges::unique(rows, {}, &TagCounts::key);
    rows.erase(twice.begin(), twice.end());
    return rows;
}

TEST(SeriesRows, ComeBack) {
    std::mt19937_64 random(1);
    RowEncoder encoder;
    RowDecoder decoder;
    std::vector<TagCounts> rows = rows_of(random, 100);
    for (int round = 0; round < 300; ++round) {
        if (round % 10 == 7) rows = rows_of(random, random() % 50);
        for (TagCounts& row : rows) {
            if (random() % 4 == 0) row.allocs += random() % 100;
            if (random() % 8 == 0) row.bytes = -row.bytes / 2;
        }
        auto read = decoder.decode(encoder.encode(rows));
        ASSERT_TRUE(read) << read.error().message;
        EXPECT_TRUE(std::ranges::equal(*read, rows));
    }
}

TEST(SeriesRows, DifferencesNeedWhatTheyDifferFrom) {
    std::mt19937_64 random(2);
    RowEncoder encoder;
    const auto rows = rows_of(random, 20);
    (void)encoder.encode(rows);
    const auto blob = encoder.encode(rows);
    RowDecoder decoder;
    EXPECT_EQ(decoder.decode(blob).error().kind, ErrorKind::malformed);
    encoder.forget();
    EXPECT_TRUE(decoder.decode(encoder.encode(rows)));
}

TEST(SeriesRows, DamageIsRefused) {
    std::mt19937_64 random(3);
    RowEncoder encoder;
    const auto blob = encoder.encode(rows_of(random, 50));
    const std::vector<std::byte> good(blob.begin(), blob.end());
    RowDecoder decoder;
    EXPECT_FALSE(decoder.decode({}));
    for (std::size_t i = 0; i < good.size(); ++i) {
        std::vector<std::byte> bad = good;
        bad[i] ^= std::byte{0x55};
        (void)decoder.decode(bad); // no crash; some bits of numbers cannot be noticed
        EXPECT_FALSE(decoder.decode(std::span(good).first(i)));
    }
}

std::vector<Snapshot> small_series(std::size_t count) {
    std::mt19937_64 random(4);
    std::vector<Snapshot> snapshots(count);
    auto rows = rows_of(random, 30);
    std::int64_t time = 1764063795120;
    for (Snapshot& snapshot : snapshots) {
        snapshot.time = at(time += 1000);
        snapshot.uptime = std::chrono::milliseconds(time / 1000);
        snapshot.machine = "SRV1";
        snapshot.evidence = "live kernel over KD";
        snapshot.memory.commit = 4096;
        snapshot.memory.paged_limit = UINT64_MAX;
        rows[random() % rows.size()].allocs += 5;
        snapshot.rows = rows;
    }
    return snapshots;
}

void expect_equal(const Snapshot& a, const Snapshot& b) {
    EXPECT_EQ(a.rows, b.rows);
    EXPECT_EQ(a.time, b.time);
    EXPECT_EQ(a.time_assumed, b.time_assumed);
    EXPECT_EQ(a.uptime, b.uptime);
    EXPECT_EQ(a.machine, b.machine);
    EXPECT_EQ(a.evidence, "a.series"); // the file is the evidence now, not what it was recorded from
    EXPECT_EQ(a.activity, b.activity);
    EXPECT_EQ(a.whole, b.whole);
    EXPECT_EQ(a.memory, b.memory);
    EXPECT_EQ(a.coverage.sentence(), b.coverage.sentence());
}

TEST(SeriesFile, KeepsAllThatASnapshotKnows) {
    TemporaryDirectory folder;
    const auto file = folder.path() / "a.series";
    auto snapshots = small_series(10);
    snapshots[3].time.reset();
    snapshots[3].uptime.reset();
    snapshots[4].activity = false;
    snapshots[4].whole = false;
    snapshots[4].time_assumed = true;
    snapshots[5].coverage.add_read(100);
    snapshots[5].coverage.add_gap(GapReason::link_lost, VirtAddr(0), 28);
    snapshots[6].rows.clear();
    std::size_t written = 0;
    // Added to by several programs one after the other.
    for (std::size_t part : {3u, 3u, 4u}) {
        auto writer = SeriesWriter::open(file);
        ASSERT_TRUE(writer) << writer.error().message;
        EXPECT_EQ(writer->count(), written);
        for (std::size_t i = 0; i < part; ++i)
            ASSERT_TRUE(writer->add(snapshots[written++]));
    }
    EXPECT_FALSE(std::filesystem::exists(file.string() + "-journal"));
    EXPECT_FALSE(std::filesystem::exists(file.string() + "-wal"));

    Work work;
    auto source = open_evidence(file, {}, work);
    ASSERT_TRUE(source) << source.error().message;
    EXPECT_EQ((*source)->count(), 10u);
    Snapshot read; // one for all, so that nothing of the snapshot before stays
    for (const Snapshot& snapshot : snapshots) {
        auto more = (*source)->next(read, work);
        ASSERT_TRUE(more && *more);
        expect_equal(read, snapshot);
    }
    EXPECT_FALSE(*(*source)->next(read, work));
    EXPECT_THAT((*source)->notes(), ::testing::IsEmpty());
}

TEST(SeriesFile, CanBeReadWhileItIsRecorded) {
    TemporaryDirectory folder;
    const auto file = folder.path() / "a.series";
    const auto snapshots = small_series(6);
    auto writer = SeriesWriter::open(file);
    ASSERT_TRUE(writer);
    for (std::size_t i = 0; i < 3; ++i)
        ASSERT_TRUE(writer->add(snapshots[i]));
    auto source = SeriesSource::open(file);
    ASSERT_TRUE(source);
    Work work;
    Snapshot read;
    ASSERT_TRUE(*(*source)->next(read, work));
    ASSERT_TRUE(writer->add(snapshots[3]));
    EXPECT_TRUE(*(*source)->next(read, work));
    EXPECT_TRUE(*(*source)->next(read, work));
    EXPECT_FALSE(*(*source)->next(read, work)) << "what came after the opening";
}

TEST(SeriesFile, OutlivesAKill) {
    TemporaryDirectory folder;
    const auto file = folder.path() / "a.series";
    const auto snapshots = small_series(50);
    int ready[2];
    ASSERT_EQ(pipe(ready), 0);
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        auto writer = SeriesWriter::open(file, SeriesWriter::Safety::program_only);
        for (std::size_t i = 0; writer; ++i) {
            if (!writer->add(snapshots[i % snapshots.size()])) break;
            if (i + 1 == snapshots.size() && write(ready[1], "x", 1) != 1) break;
        }
        _exit(1);
    }
    char byte = 0;
    ASSERT_EQ(read(ready[0], &byte, 1), 1);
    kill(child, SIGKILL);
    int status = 0;
    waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status));
    close(ready[0]);
    close(ready[1]);

    auto source = SeriesSource::open(file);
    ASSERT_TRUE(source) << source.error().message;
    Work work;
    auto all = read_all(**source, work);
    ASSERT_TRUE(all) << all.error().message;
    ASSERT_GE(all->size(), snapshots.size());
    EXPECT_EQ(all->size(), (*source)->count());
    for (std::size_t i = 0; i < all->size(); ++i)
        EXPECT_EQ((*all)[i].rows, snapshots[i % snapshots.size()].rows);
    EXPECT_TRUE(SeriesWriter::open(file));
}

void run_sql(const std::filesystem::path& file, const char* sql) {
    sqlite3* database = nullptr;
    ASSERT_EQ(sqlite3_open(file.c_str(), &database), SQLITE_OK);
    ASSERT_EQ(sqlite3_exec(database, sql, nullptr, nullptr, nullptr), SQLITE_OK) << sqlite3_errmsg(database);
    sqlite3_close(database);
}

TEST(SeriesFile, DamagedSnapshotsAreLeftOutAndTold) {
    TemporaryDirectory folder;
    const auto file = folder.path() / "a.series";
    const auto snapshots = small_series(100);
    {
        auto writer = SeriesWriter::open(file, SeriesWriter::Safety::program_only);
        for (const Snapshot& snapshot : snapshots)
            ASSERT_TRUE(writer->add(snapshot));
    }
    run_sql(file, "UPDATE snapshots SET rows = x'00' WHERE id = 10");
    Work work;
    auto source = SeriesSource::open(file);
    ASSERT_TRUE(source);
    auto all = read_all(**source, work);
    ASSERT_TRUE(all);
    // The others up to the next that stands for itself (65) are differences.
    EXPECT_EQ(all->size(), 9u + 36u);
    EXPECT_EQ(all->back().rows, snapshots.back().rows);
    ASSERT_EQ((*source)->notes().size(), 1u);
    EXPECT_THAT((*source)->notes()[0], ::testing::StartsWith("55 of 100 snapshots are damaged"));

    run_sql(file, "UPDATE snapshots SET rows = x'00'");
    source = SeriesSource::open(file);
    EXPECT_EQ(read_all(**source, work).error().kind, ErrorKind::malformed);
}

TEST(SeriesFile, WhatIsNoSeries) {
    TemporaryDirectory folder;
    const auto file = folder.path() / "a.db";
    EXPECT_EQ(SeriesSource::open(file).error().kind, ErrorKind::not_found);
    run_sql(file, "CREATE TABLE t (x)");
    EXPECT_EQ(SeriesSource::open(file).error().kind, ErrorKind::malformed);
    EXPECT_EQ(SeriesWriter::open(file).error().kind, ErrorKind::malformed);
    run_sql(file,
            fmt::format("PRAGMA application_id = {}; PRAGMA user_version = 99", SeriesFile::application_id).c_str());
    EXPECT_EQ(SeriesSource::open(file).error().kind, ErrorKind::unsupported);
    run_sql(file, "PRAGMA user_version = 1; CREATE VIEW snapshots AS SELECT 1 AS id");
    EXPECT_EQ(SeriesSource::open(file).error().kind, ErrorKind::malformed);
    const auto text = folder.path() / "a.txt";
    std::ofstream(text) << std::string(5000, 'x');
    EXPECT_EQ(SeriesSource::open(text).error().kind, ErrorKind::malformed);
    EXPECT_FALSE(SeriesWriter::open(text));
    EXPECT_FALSE(SeriesWriter::open(folder.path() / "no" / "a.series"));
}

TEST(SeriesFile, TimesThatCannotBeAndClocksThatGoBack) {
    TemporaryDirectory folder;
    const auto file = folder.path() / "a.series";
    {
        auto writer = SeriesWriter::open(file, SeriesWriter::Safety::program_only);
        for (const Snapshot& snapshot : small_series(6))
            ASSERT_TRUE(writer->add(snapshot));
    }
    run_sql(file, "UPDATE snapshots SET machine = 'Srv1';"
                  "UPDATE snapshots SET machine = 'SRV1', uptime_ms = -9223372036854775807 WHERE id = 2;"
                  "UPDATE snapshots SET time_ms = 9223372036854775807 WHERE id = 3;"
                  "UPDATE snapshots SET time_ms = -9223372036854775807 WHERE id = 4;"
                  "UPDATE snapshots SET time_ms = 1000000000000 WHERE id = 6");
    Work work;
    auto source = SeriesSource::open(file);
    ASSERT_TRUE(source);
    auto all = read_all(**source, work);
    ASSERT_TRUE(all) << all.error().message;
    EXPECT_EQ(all->size(), 4u);
    EXPECT_FALSE((*all)[1].uptime);
    ASSERT_EQ((*source)->notes().size(), 2u);
    EXPECT_EQ((*source)->notes()[0], "2 of 6 snapshots are damaged and left out (snapshot 3: its time cannot be)");
    EXPECT_THAT((*source)->notes()[1], ::testing::HasSubstr("clock went back"));

    run_sql(file, "UPDATE snapshots SET machine = 'SRV2' WHERE id = 5");
    source = SeriesSource::open(file);
    auto two = read_all(**source, work);
    ASSERT_FALSE(two);
    EXPECT_THAT(two.error().message, ::testing::HasSubstr("several machines"));
}

} // namespace
} // namespace poolkd::hunt::series_test

#include "hunt/export.h"
#include "hunt/iso_time.h"
#include "hunt/series_file.h"
#include "import_support.h"
#include "support/temporary_directory.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <fstream>
#include <random>
#include <sstream>

namespace poolkd::hunt::export_test {
namespace {

using namespace imports;
using poolkd::testing::TemporaryDirectory;

std::string text_of(const std::filesystem::path& file) {
    std::stringstream text;
    text << std::ifstream(file, std::ios::binary).rdbuf();
    return text.str();
}

/// Snapshots with odd tags and numbers, by seed.
std::vector<Snapshot> generated(unsigned seed, std::size_t count, bool printable) {
    std::mt19937_64 random(seed);
    std::vector<Snapshot> snapshots(count);
    std::vector<TagKey> keys;
    const std::string_view letters = "aZ 9,\"-;.?*\\0x";
    for (int i = 0; i < 250; ++i) {
        std::string text;
        for (int c = 0; c < 4; ++c)
            text += printable || i % 5 != 0 ? letters[random() % letters.size()] : static_cast<char>(random() % 256);
        if (text == "    ") continue;
        keys.push_back({PoolTag::from_text(text)->bare(), random() % 2 == 0 ? PoolKind::nonpaged : PoolKind::paged});
    }
    std::int64_t time = 1764063795120;
    for (Snapshot& snapshot : snapshots) {
        snapshot.time = at(time += 60'000 + static_cast<std::int64_t>(random() % 5000));
        snapshot.machine = "SRV-\xc3\xa4";
        snapshot.evidence = "test";
        snapshot.uptime = std::chrono::milliseconds(random() % 1'000'000'000);
        snapshot.memory.physical = (random() % 100000 + 1) * 1024;
        snapshot.memory.nonpaged = (random() % 100000 + 1) * 1024;
        snapshot.memory.commit_peak = (random() % 100000 + 1) * 1024;
        for (TagKey key : keys) {
            if (random() % 50 == 0) continue;
            const std::uint64_t allocs = random() >> (32 + random() % 32);
            const std::uint64_t frees = allocs - std::min<std::uint64_t>(allocs, random() % 10000);
            snapshot.rows.push_back({.key = key,
                                     .allocs = allocs,
                                     .frees = frees,
                                     .bytes = static_cast<std::int64_t>((allocs - frees) * (random() % 4096))});
        }
        std::ranges::sort(snapshot.rows, {}, &TagCounts::key);
        const auto twice = std::ranges::unique(snapshot.rows, {}, &TagCounts::key);
        snapshot.rows.erase(twice.begin(), twice.end());
    }
    return snapshots;
}

TEST(Export, CsvComesBack) {
    const auto snapshots = generated(1, 5, false);
    std::string text(csv_header);
    for (const Snapshot& snapshot : snapshots)
        ASSERT_TRUE(append_csv(text, snapshot));
    const Imported read = import_text(text);
    ASSERT_EQ(read.snapshots.size(), snapshots.size());
    for (std::size_t i = 0; i < snapshots.size(); ++i) {
        EXPECT_EQ(read.snapshots[i].rows, snapshots[i].rows);
        EXPECT_EQ(read.snapshots[i].time, snapshots[i].time);
    }
    EXPECT_THAT(read.notes, ::testing::IsEmpty());
}

TEST(Export, CsvLines) {
    Snapshot snapshot;
    snapshot.time = at(1764063795000);
    snapshot.rows = {counts("Io", PoolKind::nonpaged, 10, 3, 112), counts("a,b", PoolKind::paged, 1, 0, 2),
                     counts("\xf3LMN", PoolKind::paged, 1, 0, 2)};
    std::string text;
    ASSERT_TRUE(append_csv(text, snapshot));
    EXPECT_EQ(text,
              "1764063795,Io  ,Nonp,10,3,112\n1764063795,\"a,b \",Paged,1,0,2\n1764063795,0x4e4d4cf3,Paged,1,0,2\n");

    snapshot.activity = false;
    snapshot.time = at(1764063795050);
    snapshot.rows = {counts("Io", PoolKind::nonpaged, 7, 0, 112)};
    text = csv_header;
    ASSERT_TRUE(append_csv(text, snapshot));
    EXPECT_THAT(text, ::testing::EndsWith("1764063795.050,Io  ,Nonp,7,,112\n"));
    const Imported read = import_text(text);
    EXPECT_FALSE(read.snapshots.at(0).activity);
    EXPECT_EQ(read.snapshots[0].rows, snapshot.rows);

    snapshot.time.reset();
    EXPECT_EQ(append_csv(text, snapshot).error().kind, ErrorKind::unsupported);
}

TEST(Export, JsonComesBackWithAllItKnows) {
    auto snapshots = generated(2, 5, false);
    snapshots[1].activity = false;
    for (TagCounts& row : snapshots[1].rows)
        row.frees = 0;
    snapshots[2].whole = false;
    snapshots[2].coverage.add_gap(GapReason::unmapped, VirtAddr(0), 4096);
    snapshots[3].time.reset();
    snapshots[4].time_assumed = true;
    std::string text;
    for (const Snapshot& snapshot : snapshots)
        append_json_line(text, snapshot);
    EXPECT_EQ(std::ranges::count(text, '\n'), 5);
    const Imported read = import_text(text);
    ASSERT_EQ(read.snapshots.size(), snapshots.size());
    for (std::size_t i = 0; i < snapshots.size(); ++i) {
        const Snapshot& a = read.snapshots[i];
        const Snapshot& b = snapshots[i];
        EXPECT_EQ(a.rows, b.rows) << i;
        EXPECT_EQ(a.time, b.time);
        EXPECT_EQ(a.time_assumed, b.time_assumed);
        EXPECT_EQ(a.machine, b.machine);
        EXPECT_EQ(a.uptime, b.uptime);
        EXPECT_EQ(a.memory, b.memory);
        EXPECT_EQ(a.activity, b.activity);
        EXPECT_EQ(a.whole, b.whole);
        EXPECT_EQ(a.coverage.sentence(), b.coverage.sentence());
    }
}

TEST(Export, PoolmonComesBack) {
    auto snapshots = generated(3, 5, true);
    std::string text;
    for (const Snapshot& snapshot : snapshots)
        ASSERT_TRUE(append_poolmon(text, snapshot, true));
    const Imported read = import_text(text);
    ASSERT_EQ(read.snapshots.size(), snapshots.size());
    for (std::size_t i = 0; i < snapshots.size(); ++i) {
        EXPECT_EQ(read.snapshots[i].rows, snapshots[i].rows);
        EXPECT_EQ(read.snapshots[i].time, snapshots[i].time);
        EXPECT_EQ(read.snapshots[i].memory, snapshots[i].memory);
        EXPECT_TRUE(read.snapshots[i].whole);
    }
    snapshots[0].activity = false;
    EXPECT_EQ(append_poolmon(text, snapshots[0], true).error().kind, ErrorKind::unsupported);
}

/// What PoolMon wrote, read and written again, is the same but for the faults that we do not know.
TEST(Export, PoolmonAsPoolmonWritesIt) {
    const auto path = std::filesystem::path(POOLKD_SHARED_DATA) / "poolmon/intel-mfd-poolsnap.log";
    if (!std::filesystem::exists(path)) GTEST_SKIP() << "no " << path;
    const std::string original = text_of(path);
    Imported read = import_text(original);
    ASSERT_EQ(read.snapshots.size(), 1u);
    std::string written;
    ASSERT_TRUE(append_poolmon(written, read.snapshots[0], false));
    auto lines = [](const std::string& text) {
        std::vector<std::string> out;
        std::istringstream in(text);
        for (std::string line; std::getline(in, line);)
            if (!line.starts_with(" Memory:")) out.push_back(line);
        return out;
    };
    EXPECT_THAT(lines(written), ::testing::UnorderedElementsAreArray(lines(original)));
}

TEST(Export, FilesOfAllFormats) {
    TemporaryDirectory folder;
    const auto snapshots = generated(4, 4, true);
    for (std::string_view name : {"a.csv", "a.jsonl", "a.log", "a.poolkd"}) {
        const auto file = folder.path() / name;
        const ExportFormat format = format_by_name(file);
        for (std::size_t i = 0; i < snapshots.size(); ++i) {
            auto writer = open_writer(file, format, i == 0 ? ExportMode::replace : ExportMode::append);
            ASSERT_TRUE(writer) << writer.error().message;
            ASSERT_TRUE((*writer)->add(snapshots[i]));
        }
        Work work;
        auto source = open_evidence(file, {}, work);
        ASSERT_TRUE(source) << source.error().message;
        auto read = read_all(**source, work);
        ASSERT_TRUE(read) << read.error().message;
        ASSERT_EQ(read->size(), snapshots.size()) << name;
        for (std::size_t i = 0; i < snapshots.size(); ++i)
            EXPECT_EQ((*read)[i].rows, snapshots[i].rows) << name;
        ASSERT_TRUE(open_writer(file, format, ExportMode::replace));
        if (format != ExportFormat::series) {
            EXPECT_LT(text_of(file).size(), 40u);
        } else {
            EXPECT_EQ((*SeriesSource::open(file))->count(), 0u);
        }
    }
    EXPECT_EQ(open_writer(folder.path() / "no" / "a.csv", ExportFormat::csv, ExportMode::append).error().kind,
              ErrorKind::io);
    const auto foreign = folder.path() / "letter";
    std::ofstream(foreign) << "Dear reader";
    EXPECT_FALSE(open_writer(foreign, ExportFormat::series, ExportMode::replace));
    EXPECT_EQ(text_of(foreign), "Dear reader");
}

TEST(Export, IsoTime) {
    EXPECT_EQ(iso_time(at(1795599795120)), "2026-11-25T09:43:15.120Z");
    EXPECT_EQ(iso_time(at(1795599795000)), "2026-11-25T09:43:15Z");
}

} // namespace
} // namespace poolkd::hunt::export_test

#include "import_support.h"
#include "support/temporary_directory.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <fstream>

namespace poolkd::hunt::import_merge_test {
namespace {

using poolkd::testing::TemporaryDirectory;
using namespace imports;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::string_view csv_names = "time,tag,type,allocs,frees,bytes\n";
constexpr std::string_view poolmon_names = " Tag  Type     Allocs         Frees    Diff   Bytes    Per Alloc\n";

class ImportMerge : public ::testing::Test {
  protected:
    std::filesystem::path write(const std::string& name, const std::string& text) {
        const auto file = folder_.path() / name;
        std::ofstream(file, std::ios::binary) << text;
        return file;
    }
    /// A file of `poolmon -n` with a date.
    std::filesystem::path poolmon(const std::string& name, int allocs, std::int64_t unix_seconds) {
        const auto file = write(name, fmt::format("{} Abc  Nonp {:10} {:9} {:9} {:8} {:10}\n", poolmon_names, allocs, 0,
                                                  allocs, 16 * allocs, 16));
        const timespec times[2] = {{unix_seconds, 0}, {unix_seconds, 0}};
        EXPECT_EQ(utimensat(AT_FDCWD, file.c_str(), times, 0), 0);
        return file;
    }
    Result<std::vector<Snapshot>> read(const std::vector<std::filesystem::path>& files,
                                       const EvidenceOptions& options = {}) {
        Work work;
        POOLKD_TRY(auto source, open_evidence(files, options, work));
        POOLKD_TRY(auto all, read_all(*source, work));
        notes_ = source->notes();
        return all;
    }
    static std::vector<std::uint64_t> allocs(const std::vector<Snapshot>& snapshots) {
        std::vector<std::uint64_t> out;
        for (const Snapshot& snapshot : snapshots)
            out.push_back(row(snapshot, "Abc").allocs);
        return out;
    }

    TemporaryDirectory folder_;
    std::vector<std::string> notes_;
};

TEST_F(ImportMerge, AnIntervalTimesTheFilesInTheOrderGiven) {
    // Copied: the dates of the files say nothing.
    const auto a = poolmon("b.log", 1, 1764000000), b = poolmon("a.log", 2, 1764000000),
               c = poolmon("c.log", 3, 1764000000);
    auto all = read({a, b, c}, {.interval = std::chrono::minutes(30), .uptime = {}});
    ASSERT_TRUE(all.has_value()) << all.error().message;
    EXPECT_THAT(allocs(*all), ElementsAre(1, 2, 3));
    EXPECT_EQ(*(*all)[2].time - *(*all)[0].time, std::chrono::hours(1));
    EXPECT_EQ((*all)[2].time->time_since_epoch(), std::chrono::seconds(1764000000));
    EXPECT_TRUE((*all)[0].time_assumed);
    EXPECT_THAT(notes_, Contains(HasSubstr("1800 s apart in the order of the files")));
}

TEST_F(ImportMerge, FilesOfOneDateHaveNoTimes) {
    const auto a = poolmon("a.log", 1, 1764000000), b = poolmon("b.log", 2, 1764000000);
    auto all = read({a, b});
    ASSERT_TRUE(all.has_value()) << all.error().message;
    EXPECT_THAT(allocs(*all), ElementsAre(1, 2));
    EXPECT_FALSE((*all)[0].time.has_value());
    EXPECT_THAT(notes_, Contains(HasSubstr("give the interval")));
}

TEST_F(ImportMerge, WhatIsGivenTwiceCountsOnce) {
    const auto a = write("a.csv", fmt::format("{}1764000010,Abc,Nonp,1,0,1\n1764000030,Abc,Nonp,3,0,1\n", csv_names));
    auto all = read({a, a});
    ASSERT_TRUE(all.has_value()) << all.error().message;
    EXPECT_THAT(allocs(*all), ElementsAre(1, 3));
    EXPECT_THAT(notes_, Contains(HasSubstr("2 snapshots are given more than once")));
}

TEST_F(ImportMerge, ByTimeAcrossFormats) {
    const auto a = write("a.csv", fmt::format("{}1764000010,Abc,Nonp,1,0,1\n1764000030,Abc,Nonp,3,0,1\n"
                                              "1764000050,Abc,Nonp,5,0,1\n",
                                              csv_names));
    const auto b = write("b.csv", fmt::format("{}1764000020,Abc,Nonp,2,0,1\n1764000040,Abc,Nonp,4,0,1\n", csv_names));
    const auto c = poolmon("c.log", 6, 1764000045);
    const auto all = read({b, c, a});
    ASSERT_TRUE(all) << all.error().message;
    EXPECT_THAT(allocs(*all), ::testing::ElementsAre(1, 2, 3, 4, 6, 5));
    EXPECT_THAT(notes_, ::testing::ElementsAre("c.log: The time is that of the file: the evidence states none"));
    EXPECT_EQ(all->back().evidence, "a.csv, line 4");
}

TEST_F(ImportMerge, OnlyTheFilesThatOverlapAreOpen) {
    std::vector<std::filesystem::path> files;
    for (int i = 0; i < 100; ++i)
        files.push_back(poolmon(fmt::format("{:03}.log", 37 * i % 100), i, 1764000000 + i));
    std::ranges::sort(files);
    rlimit normal{};
    ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &normal), 0);
    rlimit low = normal;
    low.rlim_cur = 50;
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
    const auto all = read(files);
    setrlimit(RLIMIT_NOFILE, &normal);
    ASSERT_TRUE(all) << all.error().message;
    ASSERT_EQ(all->size(), 100u);
    for (std::size_t i = 0; i < all->size(); ++i)
        EXPECT_EQ(row((*all)[i], "Abc").allocs, i);
    ASSERT_EQ(notes_.size(), 1u);
    EXPECT_THAT(notes_[0], ::testing::HasSubstr("and 99 more: The time is that of the file"));
}

TEST_F(ImportMerge, WithoutTimesOneAfterTheOther) {
    const auto several = write(
        "several.log", fmt::format("{0} Abc  Nonp 10 0 10 160 16\n{0} Abc  Nonp 20 0 20 320 16\n", poolmon_names));
    const auto late = poolmon("late.log", 30, 1764000045);
    const auto all = read({several, late});
    ASSERT_TRUE(all);
    EXPECT_THAT(allocs(*all), ::testing::ElementsAre(10, 20, 30));
    const auto other_way = read({late, several}, {.interval = std::nullopt, .uptime = std::chrono::hours(5)});
    ASSERT_TRUE(other_way);
    EXPECT_THAT(allocs(*other_way), ::testing::ElementsAre(30, 10, 20));
    EXPECT_EQ(other_way->back().uptime, std::chrono::hours(5));
    EXPECT_FALSE(other_way->front().uptime);
}

TEST_F(ImportMerge, SeveralMachinesAreRefused) {
    const auto a = write("a.json", R"({"time": 1764000010, "machine": "A", "tags": []})");
    const auto b = write("b.json", R"({"time": 1764000011, "machine": "B", "tags": []})");
    const auto same = write("c.json", R"({"time": 1764000012, "machine": "a", "tags": []})");
    const auto late = write("d.json", R"({"time": 1764000013, "tags": []}
{"time": 1764000014, "machine": "B", "tags": []})");
    EXPECT_TRUE(read({a, same}));
    for (const auto& files : {std::vector{a, b}, std::vector{a, late}}) {
        const auto refused = read(files);
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().kind, ErrorKind::malformed);
        EXPECT_THAT(refused.error().message, ::testing::HasSubstr("several machines"));
    }
}

TEST_F(ImportMerge, NotesOfManyFilesAreFew) {
    std::vector<std::filesystem::path> files;
    for (int i = 0; i < 120; ++i)
        files.push_back(write(fmt::format("{:03}.csv", i),
                              fmt::format("{}{}{},Abc,Nonp,1,0,1\n?,Abc,Nonp,1,0,1\n", csv_names,
                                          std::string(static_cast<std::size_t>(i), '\n'), 1764000000 + i)));
    ASSERT_TRUE(read(files));
    EXPECT_LE(notes_.size(), 51u);
    EXPECT_EQ(notes_.back(), "70 notes more");
}

TEST_F(ImportMerge, FilesThatCannotBeRead) {
    const auto good = poolmon("a.log", 1, 1764000000);
    EXPECT_EQ(read({}).error().kind, ErrorKind::usage);
    EXPECT_EQ(read({good, folder_.path() / "none"}).error().kind, ErrorKind::not_found);
    EXPECT_EQ(read({folder_.path()}).error().kind, ErrorKind::io);
    EXPECT_EQ(read({good, write("letter", "Dear reader,\n")}).error().kind, ErrorKind::malformed);
    EXPECT_THAT(read({write("letter", "Dear reader,\n")}).error().message, ::testing::HasSubstr("Dear reader"));
}

TEST_F(ImportMerge, StopsWhenTheUserWants) {
    Work work;
    auto source = from_snapshots(std::vector<Snapshot>(3));
    work.request_stop();
    EXPECT_EQ(read_all(*source, work).error().kind, ErrorKind::stopped);
}

TEST_F(ImportMerge, EvidenceOfOtherKindsStandsBesideOurs) {
    const auto csv = write("a.csv", std::string(csv_names) + "2026-01-01T00:00:00Z,Abc,Nonp,1,0,16\n"
                                                             "2026-01-01T02:00:00Z,Abc,Nonp,3,0,48\n");
    const auto image = write("b.dmp", "PAGEDU64");
    EvidenceOptions options;
    options.open_other = [&](const std::filesystem::path& file, Work& work) -> Result<std::unique_ptr<SnapshotSource>> {
        if (file != image) return nullptr;
        return open_evidence_bytes("b.dmp", std::string(csv_names) + "2026-01-01T01:00:00Z,Abc,Nonp,2,0,32\n", {},
                                   work);
    };
    const auto all = read({csv, image}, options);
    ASSERT_TRUE(all) << all.error().message;
    EXPECT_THAT(allocs(*all), ElementsAre(1u, 2u, 3u));
    const auto alone = read({image}, options);
    ASSERT_TRUE(alone) << alone.error().message;
    EXPECT_THAT(allocs(*alone), ElementsAre(2u));

    options.open_other = [](const std::filesystem::path&, Work&) -> Result<std::unique_ptr<SnapshotSource>> {
        return fail(ErrorKind::unsupported, "no counters in it");
    };
    const auto failed = read({image}, options);
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().message, "no counters in it");
}

} // namespace
} // namespace poolkd::hunt::import_merge_test

// The verdict on long evidence: CPU seconds and memory by the number of snapshots and of tags. Aims: 10,000 snapshots
// of 3,000 tags from a series file under 5 s and 1 GB, and linear in both: the rows a second (`items_per_second`) stay
// the same, or grow, since the judging of a tag is bounded however many snapshots there are.
#include "hunt/evidence.h"
#include "hunt/series_file.h"
#include "hunt/verdict.h"

#include <benchmark/benchmark.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>

namespace {

using namespace poolkd;
using namespace poolkd::hunt;

/// Tags of all manners, with little work for each row: what is measured is the reading and the judging.
std::vector<Snapshot> a_few_snapshots(std::size_t from, std::size_t count, std::size_t tags) {
    std::vector<Snapshot> snapshots;
    for (std::size_t i = from; i < from + count; ++i) {
        Snapshot& snapshot = snapshots.emplace_back();
        snapshot.time = Time(std::chrono::seconds(1'750'000'000 + 60 * i));
        snapshot.evidence = "benchmark";
        for (std::size_t t = 0; t < tags; ++t) {
            const auto step = static_cast<std::uint64_t>(i);
            const std::uint64_t busy = 1000 + step * (t % 97) + (t * 7919 + step * 104729) % 50;
            const std::uint64_t held = t % 5 == 0 ? 500 + step / (1 + t % 7) : 500 + (t * 31 + step * 17) % 40;
            const TagKey key{
                PoolTag(0x41414141u + static_cast<std::uint32_t>((t % 50) | (t / 50 % 50) << 8 | (t / 2500) << 16)),
                t % 3 == 0 ? PoolKind::paged : PoolKind::nonpaged};
            snapshot.rows.push_back({key, busy + held, busy, static_cast<std::int64_t>(held * (64 + t % 512))});
        }
        sort_rows(snapshot.rows);
    }
    return snapshots;
}

std::filesystem::path series_of(std::size_t snapshots, std::size_t tags) {
    const char* folder = std::getenv("TMPDIR");
    std::filesystem::path file = std::filesystem::path(folder ? folder : "/tmp") /
                                 ("poolkd-bench-" + std::to_string(snapshots) + "x" + std::to_string(tags) + ".series");
    std::filesystem::remove(file);
    auto writer = SeriesWriter::open(file, SeriesWriter::Safety::program_only);
    if (!writer) return {};
    for (std::size_t i = 0; i < snapshots; ++i)
        for (const Snapshot& snapshot : a_few_snapshots(i, 1, tags))
            if (!writer->add(snapshot)) return {};
    return file;
}

double peak_megabytes() {
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);)
        if (line.starts_with("RssAnon:")) return std::strtod(line.c_str() + 8, nullptr) / 1024;
    return 0;
}

void judge_series(benchmark::State& state) {
    const auto snapshots = static_cast<std::size_t>(state.range(0)), tags = static_cast<std::size_t>(state.range(1));
    const std::filesystem::path file = series_of(snapshots, tags);
    double memory = 0;
    for (auto _ : state) {
        Work work;
        auto source = open_evidence(file, {}, work);
        if (!source) {
            state.SkipWithError(source.error().message.c_str());
            return;
        }
        auto report = judge(**source, {}, work);
        if (!report || report->snapshots != snapshots) {
            state.SkipWithError("wrong answer");
            return;
        }
        memory = std::max(memory, peak_megabytes());
    }
    state.counters["anonymous_MB"] = memory;
    state.counters["file_MB"] = static_cast<double>(std::filesystem::file_size(file)) / 1e6;
    state.SetItemsProcessed(static_cast<std::int64_t>(snapshots * tags) * state.iterations());
    std::filesystem::remove(file);
}

} // namespace

BENCHMARK(judge_series)
    ->Args({1000, 3000})
    ->Args({10'000, 300})
    ->Args({10'000, 1000})
    ->Args({10'000, 3000})
    ->Iterations(1)
    ->Unit(benchmark::kMillisecond);

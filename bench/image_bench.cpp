// Memory images: how fast the pool of one is walked, beside what the memory itself gives. Aims: pages of the pool are
// visited at 60 % of the rate of a plain read of the same bytes by as many threads; 20 million blocks a second and core
// looked through; 5 million random virtual reads a second; time linear in the pool's size, anonymous memory the same;
// `!poolused` in under 0.3 s of CPU, from the start of the program to its end.
// Plain reads go through a mapping of the file of their own, in the same run; nothing is translated there.
// POOLKD_BENCH_GB: the pool's size for the first (8); POOLKD_BENCH_FOLDER: where the images are made (/dev/shm).
#include "memory/visit_pages.h"
#include "pool/blocks.h"
#include "pool/stretches.h"
#include "pool_image.h"

#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <numeric>
#include <random>
#include <thread>

namespace {

using namespace poolkd;
using bench::Contents;
using bench::Placing;
using bench::PoolImage;

constexpr std::uint64_t gigabyte = 1ull << 30;
constexpr std::size_t threads = 2;

std::filesystem::path folder() {
    const char* named = std::getenv("POOLKD_BENCH_FOLDER");
    return named ? named : "/dev/shm";
}

double available_bytes() {
    std::ifstream info("/proc/meminfo");
    for (std::string line; std::getline(info, line);)
        if (line.starts_with("MemAvailable:")) return std::strtod(line.c_str() + 13, nullptr) * 1024;
    return 0;
}

double anonymous_megabytes() {
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);)
        if (line.starts_with("RssAnon:")) return std::strtod(line.c_str() + 8, nullptr) / 1024;
    return 0;
}

double seconds(const std::function<void()>& work) {
    const auto begin = std::chrono::steady_clock::now();
    work();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

double cpu_seconds() {
    timespec now{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

/// The least of several rounds. The CPU's time is what the work took on a machine that does other things as well.
struct Times {
    double wall = 1e9, cpu = 1e9;
    void take(const std::function<void()>& work) {
        const double before = cpu_seconds();
        wall = std::min(wall, seconds(work));
        cpu = std::min(cpu, cpu_seconds() - before);
    }
};

/// An image for one benchmark, gone with it. The memory of the machine that measures must hold it.
class Made {
  public:
    Made(benchmark::State& state, std::uint64_t pool_bytes, Placing placing = Placing::scattered,
         Contents contents = Contents::blocks) {
        if (available_bytes() < static_cast<double>(pool_bytes) + 2.5e9) {
            state.SkipWithError("the machine has not the memory for it");
            return;
        }
        image_ = bench::make_pool_image(folder(), pool_bytes, placing, contents);
        auto opened = bench::open_pool_image(image_);
        if (!opened) {
            state.SkipWithError(opened.error().message.c_str());
            return;
        }
        kernel_ = std::move(*opened);
    }
    ~Made() {
        if (!image_.file.empty()) std::filesystem::remove(image_.file);
    }
    Made(const Made&) = delete;
    Made& operator=(const Made&) = delete;

    explicit operator bool() const { return kernel_.kernel != nullptr; }
    [[nodiscard]] const PoolImage& image() const { return image_; }
    [[nodiscard]] nt::Kernel& kernel() { return *kernel_.kernel; }

  private:
    PoolImage image_;
    bench::PoolKernel kernel_;
};

/// The same code for every way of reading, as wide as the compiler makes it: what is measured is the way there.
[[gnu::noinline]] std::uint64_t sum_of(Bytes bytes) {
    const std::byte* at = bytes.data();
    std::uint64_t sum = 0;
    for (std::size_t words = bytes.size() / sizeof sum; words != 0; --words, at += sizeof sum) {
        std::uint64_t word = 0;
        std::memcpy(&word, at, sizeof word);
        sum += word;
    }
    return sum;
}

/// Through the page tables, page by page in the order of virtual addresses.
std::uint64_t visited_sum(nt::Kernel& kernel, std::uint64_t& pages) {
    Work work;
    std::atomic<std::uint64_t> sum{0}, count{0};
    auto ranges = pool::find_ranges(kernel, work);
    if (!ranges) return 0;
    pool::StretchReaders readers(kernel.target(), threads);
    for (const pool::PoolRange& range : *ranges) {
        auto present = pool::find_present_pages(kernel, range, work);
        if (!present) return 0;
        const std::vector<pool::BigPage> none;
        pool::Stretches cut(present->value.runs, none, 4096, 2u << 20);
        std::vector<pool::PageRun> stretches;
        while (auto stretch = cut.next())
            stretches.push_back(*stretch);
        readers.run(stretches, [&](std::size_t i, memory::AddressSpace& memory) {
            std::uint64_t own = 0, own_pages = 0;
            memory::visit_pages(memory, stretches[i].first, stretches[i].bytes, 4096, work,
                                [&](std::span<const memory::VisitedPage> visited) {
                                    for (const memory::VisitedPage& page : visited)
                                        own += sum_of(page.bytes);
                                    own_pages += visited.size();
                                });
            sum += own;
            count += own_pages;
        });
    }
    pages = count;
    return sum;
}

/// The pool's bytes as they lie in the file, in a mapping of its own.
class PlainMapping {
  public:
    explicit PlainMapping(const PoolImage& image) : image_(image), begin_(PoolImage::file_offset(image.pool_bytes)) {
        const int descriptor = open(image.file.c_str(), O_RDONLY | O_CLOEXEC);
        size_ = begin_ + image.pool_bytes;
        mapped_ = mmap(nullptr, size_, PROT_READ, MAP_SHARED, descriptor, 0);
        close(descriptor);
    }
    ~PlainMapping() { munmap(mapped_, size_); }
    PlainMapping(const PlainMapping&) = delete;
    PlainMapping& operator=(const PlainMapping&) = delete;

    [[nodiscard]] Bytes pool() const { return {static_cast<const std::byte*>(mapped_) + begin_, size_ - begin_}; }

    /// From front to end, each thread a part of it.
    [[nodiscard]] std::uint64_t sum() const {
        return by_threads([&](std::uint64_t first, std::uint64_t last) {
            return sum_of(pool().subspan(first * 4096, (last - first) * 4096));
        });
    }
    /// Page by page in the order of the pool's addresses.
    [[nodiscard]] std::uint64_t sum_by_address() const {
        return by_threads([&](std::uint64_t first, std::uint64_t last) {
            std::uint64_t sum = 0;
            for (std::uint64_t page = first; page < last; ++page)
                sum += sum_of(pool().subspan(image_.place_of_page(page) * 4096, 4096));
            return sum;
        });
    }

  private:
    template <class Sum>
    std::uint64_t by_threads(Sum&& sum_of_pages) const {
        const std::uint64_t pages = image_.pool_bytes / 4096;
        std::uint64_t sums[threads] = {};
        std::vector<std::thread> readers;
        for (std::size_t i = 0; i < threads; ++i)
            readers.emplace_back([&, i] { sums[i] = sum_of_pages(pages * i / threads, pages * (i + 1) / threads); });
        for (std::thread& reader : readers)
            reader.join();
        return std::accumulate(std::begin(sums), std::end(sums), std::uint64_t{0});
    }

    const PoolImage& image_;
    std::uint64_t begin_;
    std::size_t size_ = 0;
    void* mapped_ = nullptr;
};

/// The file's bytes are in memory all the time. Each way twice: the first time the system maps the file's pages one by
/// one, into either mapping.
void visit_pages(benchmark::State& state, Placing placing, std::uint64_t gigabytes, Contents contents, int rounds) {
    const std::uint64_t bytes = gigabyte * gigabytes;
    Made made(state, bytes, placing, contents);
    if (!made) return;
    Times plain[2], by_address, visit[2];
    double memory = 0;
    for (auto _ : state) {
        for (int round = 0; round < rounds; ++round) {
            const PlainMapping mapping(made.image());
            auto fresh = bench::open_pool_image(made.image());
            const double before = anonymous_megabytes();
            for (int pass = 0; pass < 2; ++pass) {
                std::uint64_t expected = 0, again = 0, sum = 0, pages = 0;
                plain[pass].take([&] { expected = mapping.sum(); });
                visit[pass].take([&] { sum = visited_sum(*fresh->kernel, pages); });
                if (pass == 1) by_address.take([&] { again = mapping.sum_by_address(); });
                if (sum == expected && pages == bytes / 4096 && (pass == 0 || again == expected)) continue;
                state.SkipWithError("other bytes than those of the file");
                return;
            }
            memory = std::max(memory, anonymous_megabytes() - before);
        }
    }
    const double size = static_cast<double>(bytes) / 1e9;
    state.counters["GB"] = size;
    state.counters["first_plain_GB_s"] = size / plain[0].wall;
    state.counters["first_percent"] = 100 * plain[0].wall / visit[0].wall;
    state.counters["plain_GB_s"] = size / plain[1].wall;
    state.counters["percent"] = 100 * plain[1].wall / visit[1].wall;
    state.counters["percent_by_cpu"] = 100 * plain[1].cpu / visit[1].cpu;
    state.counters["percent_of_plain_by_address"] = 100 * by_address.wall / visit[1].wall;
    state.counters["ms_a_GB"] = 1000 * visit[1].wall / size;
    state.counters["anonymous_MB"] = memory;
}

void visit_pool_pages(benchmark::State& state, Placing placing) {
    const char* named = std::getenv("POOLKD_BENCH_GB");
    visit_pages(state, placing, named ? std::strtoull(named, nullptr, 10) : 8, Contents::blocks, 3);
}

/// Of holes, which take no room on a disk. Each of their bytes is looked at twice, so the system's file cache needs
/// room for the whole image: that of a disk (POOLKD_BENCH_FOLDER) can be taken back, that of /dev/shm cannot.
void visit_growing(benchmark::State& state) {
    visit_pages(state, Placing::in_order, static_cast<std::uint64_t>(state.range(0)), Contents::zeros, 1);
}

void find_blocks(benchmark::State& state) {
    const std::uint64_t bytes = gigabyte * static_cast<std::uint64_t>(state.range(0));
    Made made(state, bytes);
    if (!made) return;
    const double before = anonymous_megabytes();
    double memory = 0, cpu = 1e9, wall = 1e9;
    std::uint64_t found = 0;
    pool::WalkOptions options;
    options.wanted = [](PoolTag tag) { return tag.bare() == PoolTag(PoolImage::wanted_tag); };
    for (auto _ : state) {
        for (int round = 0; round < 3; ++round) {
            Work work;
            found = 0;
            const double cpu_before = cpu_seconds();
            wall = std::min(wall, seconds([&] {
                                (void)pool::walk_blocks(made.kernel(), options, work, [&](const pool::PoolBlock&) {
                                    if ((++found & 0x3ff) == 0) memory = std::max(memory, anonymous_megabytes());
                                });
                            }));
            cpu = std::min(cpu, cpu_seconds() - cpu_before);
        }
    }
    if (found != made.image().wanted) state.SkipWithError("other blocks than those of the image");
    state.counters["blocks_M"] = static_cast<double>(made.image().blocks) / 1e6;
    state.counters["M_blocks_s_core"] = static_cast<double>(made.image().blocks) / cpu / 1e6;
    state.counters["seconds_a_GB"] = wall / static_cast<double>(state.range(0));
    state.counters["anonymous_MB"] = memory - before;
}

/// Of 8 bytes each, anywhere in the first `range(0)` MiB of the pool, by which the translations are cached. Plain: as
/// many reads of the mapped file, at the same distances.
void random_reads(benchmark::State& state) {
    Made made(state, gigabyte);
    if (!made) return;
    const auto span = static_cast<std::uint64_t>(state.range(0)) << 20;
    std::mt19937_64 random(1);
    std::vector<VirtAddr> places;
    for (std::size_t i = 0; i < (1u << 20); ++i)
        places.push_back(VirtAddr(PoolImage::pool + random() % (span / 8) * 8));
    memory::AddressSpace& memory = made.kernel().memory();
    const PlainMapping mapping(made.image());
    std::uint64_t sum = 0, plain_sum = 0;
    auto read = [&] {
        for (const VirtAddr place : places)
            sum += memory::read_unsigned(memory, place, 8).value_or(0);
    };
    auto read_plain = [&] {
        for (const VirtAddr place : places)
            plain_sum += load_or<std::uint64_t>(mapping.pool(), place.value - PoolImage::pool);
    };
    read(); // once for the caches
    read_plain();
    Times all, plain;
    for (auto _ : state) {
        all.take(read);
        state.PauseTiming();
        plain.take(read_plain);
        state.ResumeTiming();
    }
    benchmark::DoNotOptimize(sum);
    benchmark::DoNotOptimize(plain_sum);
    const double millions = static_cast<double>(places.size()) / 1e6;
    state.counters["M_reads_s"] = millions / all.cpu;
    state.counters["plain_M_reads_s"] = millions / plain.cpu;
    state.counters["percent"] = 100 * plain.cpu / all.cpu;
}

/// CPU seconds of a program from start to end; its output goes nowhere. Negative: it failed.
double cpu_of(const std::vector<std::string>& words) {
    std::vector<char*> arguments;
    for (const std::string& word : words)
        arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    const pid_t child = fork();
    if (child == 0) {
        const int nowhere = open("/dev/null", O_RDWR);
        for (int descriptor = 0; descriptor < 3; ++descriptor)
            dup2(nowhere, descriptor);
        execvp(arguments[0], arguments.data());
        _exit(127);
    }
    int status = 0;
    rusage usage{};
    if (child < 0 || wait4(child, &status, 0, &usage) != child || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return -1;
    auto in_seconds = [](const timeval& time) {
        return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
    };
    return in_seconds(usage.ru_utime) + in_seconds(usage.ru_stime);
}

/// The program on images of Windows' layouts.
void start_and_poolused(benchmark::State& state, const std::string& layout, const std::string& container,
                        const std::string& mib) {
    const std::filesystem::path place = folder() / ("poolkd-bench-" + std::to_string(getpid()));
    const std::string image = place / ("memory." + container), symbols = place / "symbols";
    std::filesystem::create_directories(symbols);
    double least = 1e9;
    if (cpu_of({"python3", "-B", POOLKD_FORGE, "--facts", layout, "--mib", mib, "--out", image, "--symbols", symbols,
                "--blocks", "5000"}) < 0) {
        state.SkipWithError("the forge failed");
    } else {
        for (auto _ : state)
            for (int round = 0; round < 5; ++round) {
                const double used = cpu_of({POOLKD_PROGRAM, "-z", image, "-y", symbols, "-c", "!poolused; q"});
                if (used < 0) state.SkipWithError("poolkd failed");
                least = std::min(least, used);
            }
        state.counters["cpu_s"] = least;
    }
    std::filesystem::remove_all(place);
}

} // namespace

BENCHMARK_CAPTURE(visit_pool_pages, in_order, Placing::in_order)->Iterations(1)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(visit_pool_pages, scattered, Placing::scattered)->Iterations(1)->Unit(benchmark::kMillisecond);
BENCHMARK(visit_growing)->Arg(1)->Arg(4)->Arg(16)->Iterations(1)->Unit(benchmark::kMillisecond);
BENCHMARK(find_blocks)->Arg(1)->Arg(4)->Arg(16)->Iterations(1)->Unit(benchmark::kMillisecond);
BENCHMARK(random_reads)->Arg(4)->Arg(1024)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(start_and_poolused, x64_7_dump, "7601-x64", "dmp", "8192")->Iterations(1);
BENCHMARK_CAPTURE(start_and_poolused, x64_11_dump, "22621-x64", "dmp", "8192")->Iterations(1);
BENCHMARK_CAPTURE(start_and_poolused, x64_10_core, "14393-x64", "elf", "8192")->Iterations(1);
BENCHMARK_CAPTURE(start_and_poolused, x86_7_lime, "7601-x86", "lime", "8192")->Iterations(1);
BENCHMARK_CAPTURE(start_and_poolused, x64_10_raw, "19041-x64", "raw", "2048")->Iterations(1);
BENCHMARK_CAPTURE(start_and_poolused, x86_xp_raw, "2600-x86", "raw", "2048")->Iterations(1);

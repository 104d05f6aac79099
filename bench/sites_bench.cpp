// The call-site index: bytes of code a second of processor time, so on one core (`bytes_per_second`). Aim: 40 MB a
// second in a release build, over 200 MB of code. The images are those of the practice machines, and the drivers of the
// shared data where they are there, also put together to large ones (large_image.h): of the smallest, what is measured
// is the work for an image as such. So many of them take turns that none is still in the processor's cache.
#include "app/lab_images.h"
#include "code/site_index.h"
#include "large_image.h"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace {

using namespace poolkd;
namespace fs = std::filesystem;

constexpr std::uint64_t code_wanted = 200u << 20; // bytes looked through in one measurement
constexpr std::uint64_t larger_than_caches = 64u << 20;

ByteVector bytes_of(const fs::path& file) {
    std::ifstream in(file, std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    const auto bytes = std::as_bytes(std::span(text));
    return {bytes.begin(), bytes.end()};
}

enum Kind : std::int64_t { lab_drivers, lab_kernels, known_drivers };

std::vector<ByteVector> images_of(Kind kind) {
    std::vector<ByteVector> images;
    if (kind == known_drivers) {
        std::error_code code;
        for (const auto& entry : fs::recursive_directory_iterator(POOLKD_SHARED_DATA "/drivers", code))
            if (entry.path().extension() == ".sys" && !entry.path().string().contains("arm64"))
                images.push_back(bytes_of(entry.path()));
        return images;
    }
    for (const char* arch : {"x64", "x86"}) {
        app::LabOptions options;
        options.arch = arch;
        const auto lab = app::find_lab_images(options);
        if (!lab) continue;
        // The kernel is the first.
        const auto drivers = lab->modules.begin() + 1;
        for (auto file = kind == lab_kernels ? lab->modules.begin() : drivers;
             file != (kind == lab_kernels ? drivers : lab->modules.end()); ++file)
            images.push_back(bytes_of(*file));
    }
    return images;
}

void index_images(benchmark::State& state) {
    std::vector<ByteVector> once = images_of(static_cast<Kind>(state.range(0)));
    if (state.range(1) != 0)
        for (ByteVector& image : once)
            image = bench::LargeImage::of(image);
    if (once.empty()) {
        state.SkipWithError("no such images here");
        return;
    }
    std::vector<ByteVector> copies;
    for (std::uint64_t bytes = 0; bytes < larger_than_caches; bytes += copies.back().size())
        copies.push_back(once[copies.size() % once.size()]);
    std::uint64_t code = 0, images = 0, sites = 0, unresolved = 0;
    for (auto _ : state) {
        for (std::size_t i = 0; code < code_wanted; i = (i + 1) % copies.size(), ++images) {
            Work work;
            const auto index = code::index_file(copies[i], work);
            if (!index || index->code_bytes == 0) {
                state.SkipWithError(index ? "no code" : index.error().message.c_str());
                return;
            }
            code += index->code_bytes;
            sites += index->sites.size();
            unresolved += static_cast<std::uint64_t>(
                std::ranges::count(index->sites, code::TagSource::unresolved, &code::PoolSite::tag_source));
        }
    }
    state.SetBytesProcessed(static_cast<std::int64_t>(code));
    state.counters["images"] = static_cast<double>(images);
    state.counters["sites"] = static_cast<double>(sites);
    state.counters["unresolved"] = static_cast<double>(unresolved);
}

} // namespace

BENCHMARK(index_images)
    ->ArgNames({"kind", "large"})
    ->ArgsProduct({{lab_drivers, lab_kernels, known_drivers}, {0, 1}})
    ->Iterations(1)
    ->Unit(benchmark::kMillisecond);

#include "code/site_cache.h"

#include "code/site_file.h"
#include "symbols/store_folder.h"
#include "symbols/symbol_path.h"

#include <llvm/Support/xxhash.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace poolkd::code {

namespace {

namespace fs = std::filesystem;

constexpr std::uintmax_t largest_file = 16u << 20; // bytes; a kernel's is below 1 MB

symbols::StoreKey file_of(const SiteKey& key) {
    symbols::StoreKey out = symbols::StoreKey::of_image(key.image_name, key.timestamp, key.size);
    if (out.name.empty()) out.name = "image";
    const std::string text = key.text();
    out.index += "-" + digest(std::as_bytes(std::span(text)));
    return out;
}

std::optional<ByteVector> read_cached(const fs::path& file) {
    std::error_code code;
    const std::uintmax_t size = fs::file_size(file, code); // fails for what is no regular file
    if (code || size > largest_file) return std::nullopt;
    ByteVector bytes(size);
    std::ifstream in(file, std::ios::binary);
    if (!in.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(size))) return std::nullopt;
    return bytes;
}

} // namespace

std::string SiteKey::text() const {
    return fmt::format("{} {:x} {:x} {:x} {} {}", image_name, timestamp, size, checksum, pdb, state);
}

std::string digest(Bytes bytes) {
    const auto sum = llvm::xxh3_128bits({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
    return fmt::format("{:016x}{:016x}", sum.high64, sum.low64);
}

SiteCache SiteCache::of_process() {
    // NOLINTNEXTLINE(concurrency-mt-unsafe): nothing changes the environment
    if (const char* set = std::getenv("POOLKD_SITE_CACHE")) return SiteCache(set);
    const auto environment = symbols::SymbolEnvironment::of_process();
    if (environment.cache_home) return SiteCache(*environment.cache_home + "/poolkd/sites");
    return environment.home ? SiteCache(*environment.home + "/.cache/poolkd/sites") : SiteCache();
}

std::optional<SiteIndex> SiteCache::find(const SiteKey& key) const {
    if (!in_use()) return std::nullopt;
    const auto bytes = read_cached(fs::path(folder_) / file_of(key).path());
    return bytes ? read_sites(*bytes, key.text()) : std::nullopt;
}

void SiteCache::keep(const SiteKey& key, const SiteIndex& index) const {
    if (!in_use() || !index.coverage.complete()) return;
    const ByteVector bytes = write_sites(key.text(), index);
    if (bytes.size() > largest_file) return; // nobody would read it
    const symbols::StoreFolder folder(folder_);
    auto file = folder.stage();
    if (!file || !file->write(bytes)) return;
    (void)folder.publish(std::move(*file), file_of(key));
}

} // namespace poolkd::code

#include "app/image_sites.h"

#include "base/parallel.h"
#include "code/site_index.h"
#include "pe/debug_directory.h"
#include "pe/image.h"

#include <fstream>
#include <system_error>

namespace poolkd::app {

namespace {

namespace fs = std::filesystem;

constexpr std::uintmax_t largest_image = 512u << 20; // bytes; far above any driver or kernel

Result<ByteVector> read_whole(const fs::path& file) {
    std::error_code code;
    const fs::file_status status = fs::status(file, code);
    if (!fs::exists(status)) return fail(ErrorKind::not_found, "There is no such file");
    // Opening a pipe or a device could block.
    if (!fs::is_regular_file(status)) return fail(ErrorKind::io, "It is no file that can be read");
    const std::uintmax_t size = fs::file_size(file, code);
    if (code || size > largest_image) return fail(ErrorKind::malformed, "It is too large for an image");
    ByteVector bytes(size);
    std::ifstream in(file, std::ios::binary);
    if (!in.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(size)))
        return fail(ErrorKind::io, "It cannot be read");
    return bytes;
}

/// The folder of an image goes before the path; one whose name means something on a path does not.
std::string path_for(const fs::path& file, const std::string& symbol_path) {
    const fs::path parent = file.parent_path();
    const std::string folder = parent.empty() ? "." : parent.string();
    if (folder.find_first_of(";*") != std::string::npos) return symbol_path;
    return symbol_path.empty() ? folder : folder + ";" + symbol_path;
}

} // namespace

ImageSites::ImageSites(const std::optional<std::string>& symbol_path, code::SiteCache cache)
    : symbol_path_(symbol_path ? *symbol_path : environment_.initial_path()), cache_(std::move(cache)) {}

Result<code::SiteIndex> ImageSites::index_of(const fs::path& file, Bytes bytes, const pe::Image& image, Work& work) {
    if (!cache_.in_use()) return code::index_file(bytes, work);
    const auto pdb = pe::find_pdb_reference(image);
    const code::SiteKey key{.image_name = file.filename().string(),
                            .timestamp = image.timestamp,
                            .size = image.size_of_image,
                            .checksum = image.checksum,
                            .pdb = pdb && *pdb ? (*pdb)->identity.text() : "",
                            .state = "file " + code::digest(bytes)};
    if (auto found = cache_.find(key)) return std::move(*found);
    POOLKD_TRY(code::SiteIndex index, code::index_file(bytes, work));
    cache_.keep(key, index);
    return index;
}

Result<code::SiteIndex> ImageSites::of_file(const fs::path& file, Work& work) {
    POOLKD_TRY(ByteVector bytes, read_whole(file));
    pe::SpanReader reader(bytes);
    POOLKD_TRY(pe::Image image, pe::Image::open(reader, pe::ImageLayout::file));
    POOLKD_TRY(code::SiteIndex index, index_of(file, bytes, image, work));
    if (index.sites.empty()) return index; // nothing to name: no PDB is asked for
    symbols::SymbolServers servers(symbols::HttpLimits{.proxy = environment_.symbol_proxy.value_or("")});
    const auto loaded =
        store_.load(reader, pe::ImageLayout::file, {file.filename().string(), image.timestamp, image.size_of_image},
                    symbols::SymbolPath::parse(path_for(file, symbol_path_), environment_),
                    {.servers = &servers, .log = nullptr, .work = &work});
    if (loaded.symbols) code::name_sites(index, *loaded.symbols);
    return index;
}

std::vector<Result<code::SiteIndex>> ImageSites::of(const std::vector<fs::path>& files, Work& work) {
    std::vector<Result<code::SiteIndex>> results(files.size(), fail(ErrorKind::stopped, "Not looked at: stopped"));
    run_parallel(files.size(), worker_threads(), work, "Files looked through",
                 [&](std::size_t i, Work& own) { results[i] = of_file(files[i], own); });
    return results;
}

} // namespace poolkd::app

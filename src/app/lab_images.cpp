#include "app/lab_images.h"

#include "pe/debug_directory.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <set>
#include <span>

namespace poolkd::app {

namespace {

std::vector<std::filesystem::path> candidate_roots() {
    std::vector<std::filesystem::path> roots;
    if (const char* set = std::getenv("POOLKD_LAB_IMAGES"); set && *set) roots.emplace_back(set);
    std::error_code error;
    auto program = std::filesystem::read_symlink("/proc/self/exe", error);
    if (!error) {
        for (const char* place : {"../lab",               // build/<preset>/src/poolkd
                                  "../share/poolkd/lab"}) // <prefix>/bin/poolkd
            roots.push_back((program.parent_path() / place).lexically_normal());
    }
    return roots;
}

bool is_build(const std::filesystem::path& directory) {
    std::error_code error;
    return std::filesystem::exists(directory / "loader.elf", error) &&
           std::filesystem::exists(directory / "ntoskrnl.exe", error);
}

/// Adds "x64/era10/seed0" and so on: what one root has.
void add_builds(std::set<std::string>& builds, const std::filesystem::path& root) {
    std::error_code error;
    for (auto entry = std::filesystem::recursive_directory_iterator(root, error);
         !error && entry != std::filesystem::recursive_directory_iterator(); entry.increment(error)) {
        if (entry.depth() != 2) continue;
        entry.disable_recursion_pending();
        if (is_build(entry->path())) builds.insert(entry->path().lexically_relative(root).string());
    }
}

std::optional<pe::PdbIdentity> identity_of(const std::filesystem::path& image_file) {
    std::ifstream stream(image_file, std::ios::binary);
    const std::string content{std::istreambuf_iterator<char>(stream), {}};
    pe::SpanReader reader(std::as_bytes(std::span(content)));
    auto image = pe::Image::open(reader, pe::ImageLayout::file);
    if (!image) return std::nullopt;
    auto reference = pe::find_pdb_reference(*image);
    return reference && *reference ? std::optional((*reference)->identity) : std::nullopt;
}

} // namespace

std::optional<std::filesystem::path> find_lab_build(const pe::PdbIdentity& kernel) {
    for (const auto& root : candidate_roots()) {
        std::set<std::string> builds;
        add_builds(builds, root);
        for (const std::string& build : builds)
            if (identity_of(root / build / "ntoskrnl.exe") == kernel) return root / build;
    }
    return std::nullopt;
}

Result<LabImages> find_lab_images(const LabOptions& options) {
    const std::string build = fmt::format("{}/era{}/seed{}", options.arch, options.era, options.seed);
    std::vector<std::string> looked;
    std::set<std::string> there;
    for (const auto& root : candidate_roots()) {
        const auto directory = root / build;
        looked.push_back(directory.string());
        if (!is_build(directory)) {
            add_builds(there, root);
            continue;
        }
        LabImages images{directory, directory / "loader.elf", {}};
        std::error_code error;
        for (const auto& entry : std::filesystem::directory_iterator(directory, error))
            if (entry.path().extension() == ".sys") images.modules.push_back(entry.path());
        std::ranges::sort(images.modules);
        images.modules.insert(images.modules.begin(), directory / "ntoskrnl.exe");
        return images;
    }
    if (!there.empty())
        return fail(ErrorKind::not_found, "The practice kernel {} is not installed, only {}", build,
                    fmt::join(there, ", "));
    return fail(ErrorKind::not_found, "The images of the practice kernel {} were not found; looked in {}", build,
                fmt::join(looked, ", "));
}

} // namespace poolkd::app

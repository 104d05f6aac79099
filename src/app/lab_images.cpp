#include "app/lab_images.h"

#include <algorithm>
#include <cstdlib>

namespace poolkd::app {

namespace {

std::vector<std::filesystem::path> candidate_roots() {
    std::vector<std::filesystem::path> roots;
    if (const char* set = std::getenv("POOLKD_LAB_IMAGES"); set && *set) roots.emplace_back(set);
    std::error_code error;
    auto program = std::filesystem::read_symlink("/proc/self/exe", error);
    if (!error) {
        roots.push_back(program.parent_path() / "../lab");              // build/<preset>/src/poolkd
        roots.push_back(program.parent_path() / "../share/poolkd/lab"); // <prefix>/bin/poolkd
    }
    return roots;
}

} // namespace

Result<LabImages> find_lab_images(const LabOptions& options) {
    const std::string build = fmt::format("{}/era{}/seed{}", options.arch, options.era, options.seed);
    std::string looked;
    for (const auto& root : candidate_roots()) {
        auto directory = (root / build).lexically_normal();
        looked += (looked.empty() ? "" : ", ") + directory.string();
        if (!std::filesystem::exists(directory / "loader.elf") || !std::filesystem::exists(directory / "ntoskrnl.exe"))
            continue;
        LabImages images{directory, directory / "loader.elf", {}};
        std::error_code error;
        for (const auto& entry : std::filesystem::directory_iterator(directory, error))
            if (entry.path().extension() == ".sys") images.modules.push_back(entry.path());
        std::ranges::sort(images.modules);
        images.modules.insert(images.modules.begin(), directory / "ntoskrnl.exe");
        return images;
    }
    return fail(ErrorKind::not_found, "The images of the practice kernel {} were not found; looked in {}", build,
                looked);
}

} // namespace poolkd::app

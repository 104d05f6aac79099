#include "app/script_folders.h"

#include "base/text.h"

#include <cstdlib>

namespace poolkd::app {

std::vector<std::filesystem::path> script_folders() {
    std::vector<std::filesystem::path> folders;
    // NOLINTNEXTLINE(concurrency-mt-unsafe): read before anything else runs
    if (const char* set = std::getenv("POOLKD_SCRIPTS"))
        for (std::string_view folder : split(set, ':'))
            if (!folder.empty()) folders.emplace_back(folder);
    std::error_code error;
    const auto program = std::filesystem::read_symlink("/proc/self/exe", error);
    if (!error) {
        folders.push_back(
            (program.parent_path() / "../share/poolkd/scripts").lexically_normal());        // <prefix>/bin/poolkd
        folders.push_back((program.parent_path() / "../../../scripts").lexically_normal()); // build/<preset>/src/poolkd
    }
    return folders;
}

} // namespace poolkd::app

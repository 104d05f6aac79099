#include "hunt/import/input.h"

#include <sys/stat.h>

#include <fstream>
#include <sstream>
#include <system_error>

namespace poolkd::hunt::import {

Result<Input> file_input(const std::filesystem::path& file) {
    struct stat status{};
    if (::stat(file.c_str(), &status) != 0) {
        const std::error_code code(errno, std::generic_category());
        if (code == std::errc::no_such_file_or_directory)
            return fail(ErrorKind::not_found, "There is no file {}", file.string());
        return fail(ErrorKind::io, "{} cannot be read: {}", file.string(), code.message());
    }
    if (S_ISDIR(status.st_mode)) return fail(ErrorKind::io, "{} is a folder, not a file", file.string());

    Input input{.name = file.filename().string(), .open = {}, .modified = std::nullopt, .dates = {}};
    // `file_clock` is not converted to UTC by this libstdc++; stat's time is.
    input.modified = Time(std::chrono::milliseconds(status.st_mtim.tv_sec * 1000 + status.st_mtim.tv_nsec / 1'000'000));
    input.open = [file]() -> Result<std::unique_ptr<std::istream>> {
        errno = 0;
        auto stream = std::make_unique<std::ifstream>(file, std::ios::binary);
        if (!*stream)
            return fail(ErrorKind::io, "{} cannot be read: {}", file.string(),
                        std::error_code(errno, std::generic_category()).message());
        return stream;
    };
    return input;
}

Input memory_input(std::string name, std::string bytes) {
    auto shared = std::make_shared<const std::string>(std::move(bytes));
    return {.name = std::move(name),
            .open = [shared]() -> Result<std::unique_ptr<std::istream>> {
                return std::make_unique<std::istringstream>(*shared);
            },
            .modified = std::nullopt,
            .dates = {}};
}

} // namespace poolkd::hunt::import

#include "debugger/script_file.h"

#include <cerrno>
#include <cstring>
#include <fstream>

namespace poolkd::debugger {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view utf8_mark = "\xef\xbb\xbf";

fs::path find(const fs::path& name, std::span<const fs::path> folders) {
    std::error_code error;
    if (name.has_parent_path() || fs::exists(name, error)) return name;
    for (const fs::path& folder : folders)
        if (fs::exists(folder / name, error)) return folder / name;
    return name;
}

} // namespace

Result<std::string> read_script(std::string_view name, std::span<const fs::path> folders) {
    if (name.empty()) return fail(ErrorKind::usage, "Which script file?");
    const fs::path file = find(name, folders);
    auto refused = [&](std::string_view why) {
        return fail(ErrorKind::io, "Unable to open script file '{}': {}", file.string(), why);
    };
    std::error_code error;
    const auto status = fs::status(file, error);
    if (fs::exists(status) && !fs::is_regular_file(status)) return refused("it is no file");
    std::ifstream stream(file, std::ios::binary);
    if (!stream) return refused(std::strerror(errno));
    if (fs::file_size(file, error) > script_bytes_limit) return refused("it is too large");
    const std::string raw(std::istreambuf_iterator<char>(stream), {});
    if (raw.find('\0') != std::string::npos) return refused("it is no text in ASCII or UTF-8");
    std::string text;
    text.reserve(raw.size());
    for (char c : std::string_view(raw).substr(raw.starts_with(utf8_mark) ? utf8_mark.size() : 0))
        if (c != '\r') text += c;
    return text;
}

} // namespace poolkd::debugger

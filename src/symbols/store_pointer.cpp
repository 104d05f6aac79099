#include "symbols/store_pointer.h"

#include "base/text.h"

#include <algorithm>
#include <filesystem>
#include <fstream>

namespace poolkd::symbols {

namespace {
constexpr std::size_t max_pointer = 4096; // longer than any path
}

Result<StorePointer> read_store_pointer(const std::string& file) {
    std::ifstream in(file, std::ios::binary);
    std::string text(max_pointer + 1, '\0');
    in.read(text.data(), static_cast<std::streamsize>(text.size()));
    if (in.bad()) return fail(ErrorKind::io, "{} cannot be read", file);
    text.resize(static_cast<std::size_t>(in.gcount()));
    if (text.size() > max_pointer) return fail(ErrorKind::malformed, "{} is no pointer to a symbol file", file);
    std::string_view line = trim(split(text, '\n').front());
    if (line.empty()) return fail(ErrorKind::malformed, "{} points to nothing", file);
    const std::string lower = to_lower(line);
    if (lower.starts_with("msg:")) return StorePointer{{}, std::string(trim(line.substr(4)))};
    if (lower.starts_with("path:")) line = trim(line.substr(5));
    return StorePointer{std::string(line), {}};
}

bool is_url(std::string_view location) {
    const std::string lower = to_lower(location);
    return lower.starts_with("http://") || lower.starts_with("https://");
}

std::string local_path(const std::string& location) {
    std::error_code code;
    if (std::filesystem::exists(location, code)) return location;
    std::string turned = location;
    std::ranges::replace(turned, '\\', '/');
    return turned;
}

} // namespace poolkd::symbols

#include "dumps/recognise.h"

#include "dumps/format.h"
#include "dumps/placement.h"

#include <algorithm>
#include <string_view>

namespace poolkd::dumps {

namespace {

constexpr std::uint64_t smallest_memory = 1u << 20;

/// Four zeros in a row are in no text, of one or two bytes a character. Memory begins with them, or with the real
/// mode's vectors and soon has them. A database has them too, and pages.
bool looks_like_raw_memory(const ImageFile& file) {
    using namespace std::string_view_literals;
    if (file.size() < smallest_memory || file.size() % page_bytes != 0) return false;
    const Bytes head = file.view(FileOffset(0), 64u << 10);
    const std::string_view text(reinterpret_cast<const char*>(head.data()), head.size());
    return !text.starts_with("SQLite format 3\0"sv) && text.find("\0\0\0\0"sv) != std::string_view::npos;
}

} // namespace

bool looks_like_image(std::shared_ptr<const ImageFile> file) {
    if (file->size() == 0) return false;
    const FormatInput input{std::move(file), {}};
    for (const Format& format : formats()) {
        if (format.name == raw_format.name) continue; // recognises everything
        if (format.recognises(input)) return true;
    }
    return looks_like_raw_memory(*input.file);
}

} // namespace poolkd::dumps

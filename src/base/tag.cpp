#include "base/tag.h"

#include "base/text.h"

namespace poolkd {

namespace {
constexpr bool is_printable(std::uint32_t c) {
    return c >= 0x20 && c <= 0x7e;
}
} // namespace

std::string PoolTag::text() const {
    std::string out(4, '.');
    for (unsigned i = 0; i < 4; ++i) {
        std::uint32_t c = (value >> (8 * i)) & 0xff;
        if (is_printable(c)) out[i] = static_cast<char>(c);
    }
    return out;
}

bool PoolTag::printable() const {
    for (unsigned i = 0; i < 4; ++i)
        if (!is_printable((value >> (8 * i)) & 0xff)) return false;
    return true;
}

PoolTag PoolTag::reversed() const {
    return PoolTag(__builtin_bswap32(value));
}

std::optional<PoolTag> PoolTag::from_text(std::string_view text) {
    if (text.empty() || text.size() > 4) return std::nullopt;
    std::uint32_t value = 0;
    for (unsigned i = 0; i < 4; ++i) {
        auto c = i < text.size() ? static_cast<unsigned char>(text[i]) : static_cast<unsigned char>(' ');
        value |= static_cast<std::uint32_t>(c) << (8 * i);
    }
    return PoolTag(value);
}

bool tag_matches(PoolTag tag, std::string_view pattern) {
    std::string padded(pattern);
    if (padded.find('*') == std::string::npos && padded.size() < 4) padded.resize(4, ' ');
    return wildcard_match(padded, tag.bare().text(), {.ignore_case = false, .sets = false});
}

} // namespace poolkd

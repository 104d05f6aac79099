#include "pool/tag_pattern.h"

namespace poolkd::pool {

TagPattern::TagPattern(std::string_view pattern) {
    const std::size_t star = pattern.find('*');
    // "." in a pattern stands for bytes that cannot be shown as well; a star in the middle may be of any length.
    const bool bits_tell =
        pattern.find('.') == std::string_view::npos &&
        (star == std::string_view::npos ? pattern.size() <= 4 : star + 1 == pattern.size() && star <= 4);
    if (!bits_tell) {
        text_ = pattern;
        return;
    }
    const std::size_t fixed = star == std::string_view::npos ? 4 : star;
    for (std::size_t i = 0; i < fixed; ++i) {
        const char c = i < pattern.size() ? pattern[i] : ' ';
        if (c == '?') continue;
        mask_ |= 0xffu << (8 * i);
        value_ |= static_cast<std::uint32_t>(static_cast<unsigned char>(c)) << (8 * i);
    }
    mask_ &= ~PoolTag::protected_bit;
    value_ &= ~PoolTag::protected_bit;
}

} // namespace poolkd::pool

#include "debugger/number.h"

#include "base/text.h"

namespace poolkd::debugger {

namespace {

std::optional<unsigned> digit_of(char c) {
    if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
    char lower = to_lower(c);
    if (lower >= 'a' && lower <= 'f') return static_cast<unsigned>(lower - 'a' + 10);
    return std::nullopt;
}

} // namespace

NumberWord read_number_word(std::string_view word, unsigned radix) {
    NumberWord number;
    if (word.empty() || word.front() == '`') return number;
    unsigned base = radix;
    if (word.size() >= 2 && word[0] == '0') {
        char prefix = to_lower(word[1]);
        unsigned prefixed = prefix == 'x' ? 16 : prefix == 'n' ? 10 : prefix == 't' ? 8 : prefix == 'y' ? 2 : 0;
        if (prefixed != 0) {
            base = prefixed;
            word.remove_prefix(2);
            if (word.empty()) return {.kind = NumberWord::Kind::number};
        }
    }
    if (word.size() >= 2 && to_lower(word.back()) == 'h' && base == radix) {
        base = 16;
        word.remove_suffix(1);
    }
    bool overflow = false;
    bool grave = false;
    std::uint64_t value = 0;
    for (char c : word) {
        if (c == '`') {
            grave = true;
            continue;
        }
        auto digit = digit_of(c);
        if (!digit || *digit >= base) return number;
        if (value > (~0ull - *digit) / base) overflow = true;
        value = value * base + *digit;
    }
    if (overflow) return {.kind = NumberWord::Kind::overflow};
    if (!grave && value >= 0x80000000 && value <= 0xffffffff) value |= 0xffffffff00000000;
    return {.kind = NumberWord::Kind::number, .value = value};
}

std::optional<std::uint64_t> character_constant(std::string_view characters) {
    if (characters.empty() || characters.size() > 4) return std::nullopt;
    std::uint64_t value = 0;
    for (char c : characters)
        value = value << 8 | static_cast<unsigned char>(c);
    return value;
}

} // namespace poolkd::debugger

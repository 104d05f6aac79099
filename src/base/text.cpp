#include "base/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

namespace poolkd {

namespace {

constexpr std::string_view blanks = " \t\r\n";

/// One element of a pattern: what it takes, and how often.
struct Item {
    enum class Take { one, set, any } take = Take::one;
    enum class Repeat { once, zero_or_more, one_or_more } repeat = Repeat::once;
    char character = 0;
    std::string_view set = {};

    [[nodiscard]] bool accepts(char c, bool ignore_case) const {
        auto same = [&](char a, char b) { return ignore_case ? to_lower(a) == to_lower(b) : a == b; };
        if (take == Take::any) return true;
        if (take == Take::one) return same(character, c);
        for (std::size_t i = 0; i < set.size(); ++i) {
            if (i + 2 < set.size() && set[i + 1] == '-') {
                char low = ignore_case ? to_lower(set[i]) : set[i];
                char high = ignore_case ? to_lower(set[i + 2]) : set[i + 2];
                char x = ignore_case ? to_lower(c) : c;
                if (low <= x && x <= high) return true;
                i += 2;
            } else if (same(set[i], c)) {
                return true;
            }
        }
        return false;
    }
};

std::vector<Item> parse_pattern(std::string_view pattern, bool sets) {
    std::vector<Item> items;
    for (std::size_t i = 0; i < pattern.size(); ++i) {
        char c = pattern[i];
        if (c == '*') {
            items.push_back({Item::Take::any, Item::Repeat::zero_or_more});
        } else if (c == '?') {
            items.push_back({Item::Take::any, Item::Repeat::once});
        } else if (sets && c == '\\' && i + 1 < pattern.size()) {
            items.push_back({Item::Take::one, Item::Repeat::once, pattern[++i]});
        } else if (std::size_t end = pattern.find(']', i); sets && c == '[' && end != std::string_view::npos) {
            items.push_back({Item::Take::set, Item::Repeat::once, 0, pattern.substr(i + 1, end - i - 1)});
            i = end;
        } else if (sets && (c == '#' || c == '+') && !items.empty()) {
            items.back().repeat = c == '#' ? Item::Repeat::zero_or_more : Item::Repeat::one_or_more;
        } else {
            items.push_back({Item::Take::one, Item::Repeat::once, c});
        }
    }
    return items;
}

} // namespace

char to_lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

std::string to_lower(std::string_view text) {
    std::string out(text);
    std::ranges::transform(out, out.begin(), [](char c) { return to_lower(c); });
    return out;
}

bool equals_ignore_case(std::string_view a, std::string_view b) {
    return std::ranges::equal(a, b, [](char x, char y) { return to_lower(x) == to_lower(y); });
}

std::string_view trim(std::string_view text) {
    std::size_t first = text.find_first_not_of(blanks);
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

std::vector<std::string_view> split_blanks(std::string_view text) {
    std::vector<std::string_view> pieces;
    while (!(text = trim(text)).empty()) {
        std::size_t end = std::min(text.find_first_of(blanks), text.size());
        pieces.push_back(text.substr(0, end));
        text.remove_prefix(end);
    }
    return pieces;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
    std::vector<std::string_view> pieces;
    while (true) {
        std::size_t end = text.find(separator);
        pieces.push_back(text.substr(0, end));
        if (end == std::string_view::npos) return pieces;
        text.remove_prefix(end + 1);
    }
}

std::optional<std::uint32_t> decimal_number(std::string_view text) {
    std::uint32_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

std::string hex_text(Bytes bytes) {
    std::string text;
    for (std::byte byte : bytes)
        text += fmt::format("{:02x}", std::to_integer<unsigned>(byte));
    return text;
}

bool wildcard_match(std::string_view pattern, std::string_view text, WildcardOptions options) {
    std::vector<Item> items = parse_pattern(pattern, options.sets);
    // reachable[i]: the first i items can match the text read so far.
    std::vector<bool> reachable(items.size() + 1, false);
    auto skip_optional = [&](std::vector<bool>& state) {
        for (std::size_t i = 0; i < items.size(); ++i)
            if (state[i] && items[i].repeat == Item::Repeat::zero_or_more) state[i + 1] = true;
    };
    reachable[0] = true;
    skip_optional(reachable);
    for (char c : text) {
        std::vector<bool> next(items.size() + 1, false);
        for (std::size_t i = 0; i < items.size(); ++i) {
            if (!reachable[i] || !items[i].accepts(c, options.ignore_case)) continue;
            next[i + 1] = true;
            if (items[i].repeat != Item::Repeat::once) next[i] = true;
        }
        // An item that repeats at least once has been passed already; staying on it must not require another match.
        skip_optional(next);
        reachable = std::move(next);
    }
    return reachable[items.size()];
}

bool has_wildcard(std::string_view pattern) {
    return pattern.find_first_of("*?[#+") != std::string_view::npos;
}

std::string format_address(std::uint64_t value, unsigned pointer_size) {
    if (pointer_size == 4) return fmt::format("{:08x}", value & 0xffffffff);
    return fmt::format("{:08x}`{:08x}", value >> 32, value & 0xffffffff);
}

} // namespace poolkd

#include "symbols/isf/json_scanner.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <array>
#include <charconv>
#include <cstring>

namespace poolkd::symbols {

namespace {

bool is_blank(char c) {
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

bool ends_a_value(char c) {
    return c == ',' || c == '}' || c == ']' || is_blank(c);
}

} // namespace

std::string JsonScanner::problem() const {
    return problem_ ? fmt::format("{} at character {}", problem_, at_) : std::string();
}

bool JsonScanner::reject(const char* what) {
    if (!problem_) problem_ = what;
    return false;
}

void JsonScanner::blanks() {
    while (at_ < text_.size() && is_blank(text_[at_]))
        ++at_;
}

bool JsonScanner::expect(char c) {
    blanks();
    if (problem_) return false;
    if (at_ == text_.size()) return reject("the text ends too early");
    if (text_[at_] != c) return reject("unexpected character");
    ++at_;
    return true;
}

bool JsonScanner::open(char bracket) {
    if (!expect(bracket)) return false;
    return ++depth_ <= max_depth || reject("nested too deeply");
}

bool JsonScanner::close(char bracket) {
    blanks();
    if (at_ >= text_.size() || text_[at_] != bracket) return false;
    ++at_;
    return true;
}

bool JsonScanner::leave() {
    --depth_;
    return !problem_;
}

bool JsonScanner::at_end() {
    blanks();
    return at_ == text_.size() || reject("unexpected character");
}

std::optional<std::string_view> JsonScanner::raw_string() {
    if (!expect('"')) return std::nullopt;
    const std::size_t begin = at_;
    while (true) {
        const void* quote = std::memchr(text_.data() + at_, '"', text_.size() - at_);
        if (!quote) break;
        const auto end = static_cast<std::size_t>(static_cast<const char*>(quote) - text_.data());
        std::size_t slashes = 0;
        while (end - slashes > begin && text_[end - slashes - 1] == '\\')
            ++slashes;
        at_ = end + 1;
        if (slashes % 2 == 0) return text_.substr(begin, end - begin);
    }
    reject("a string without end");
    return std::nullopt;
}

std::optional<std::string_view> JsonScanner::string() {
    auto raw = raw_string();
    if (!raw || raw->find('\\') == std::string_view::npos) return raw;
    return unescape(*raw);
}

std::optional<std::string_view> JsonScanner::unescape(std::string_view raw) {
    auto value = nlohmann::json::parse(fmt::format("\"{}\"", raw), nullptr, false);
    if (!value.is_string()) {
        reject("a damaged string");
        return std::nullopt;
    }
    return unescaped_.emplace_back(value.get<std::string>());
}

std::optional<std::uint64_t> JsonScanner::number() {
    auto value = skip();
    if (!value) return std::nullopt;
    std::uint64_t parsed = 0;
    const auto [end, code] = std::from_chars(value->data(), value->data() + value->size(), parsed);
    if (code != std::errc() || end != value->data() + value->size()) return std::nullopt;
    return parsed;
}

std::optional<std::string_view> JsonScanner::skip() {
    blanks();
    const std::size_t begin = at_;
    std::array<char, max_depth> closing{};
    std::size_t open_brackets = 0;
    do {
        if (problem_) return std::nullopt;
        if (at_ >= text_.size()) {
            reject("the text ends too early");
            return std::nullopt;
        }
        const char c = text_[at_];
        if (c == '"') {
            if (!raw_string()) return std::nullopt;
        } else if (c == '{' || c == '[') {
            if (depth_ + open_brackets >= max_depth) {
                reject("nested too deeply");
                return std::nullopt;
            }
            closing[open_brackets++] = c == '{' ? '}' : ']';
            ++at_;
        } else if (c == '}' || c == ']') {
            if (open_brackets == 0 || closing[open_brackets - 1] != c) {
                reject("unexpected character");
                return std::nullopt;
            }
            --open_brackets;
            ++at_;
        } else if (open_brackets != 0) {
            ++at_;
        } else {
            while (at_ < text_.size() && !ends_a_value(text_[at_]))
                ++at_;
            if (at_ == begin) {
                reject("unexpected character");
                return std::nullopt;
            }
        }
    } while (open_brackets != 0);
    return text_.substr(begin, at_ - begin);
}

} // namespace poolkd::symbols

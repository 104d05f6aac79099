#include "render/html.h"

#include <optional>

namespace poolkd::render {

namespace {

constexpr std::string_view replacement = "\xef\xbf\xbd";

struct CodePoint {
    char32_t value = 0;
    std::size_t bytes = 0;
};

/// The character at the front of a text; nothing when its bytes are none.
std::optional<CodePoint> first_code_point(std::string_view text) {
    const auto lead = static_cast<unsigned char>(text.front());
    if (lead < 0x80) return CodePoint{lead, 1};
    const std::size_t bytes = lead >= 0xc2 && lead < 0xe0   ? 2
                              : (lead & 0xf0) == 0xe0       ? 3
                              : lead >= 0xf0 && lead < 0xf5 ? 4
                                                            : 0;
    if (bytes == 0 || text.size() < bytes) return std::nullopt;
    char32_t value = lead & (0x7fu >> bytes);
    for (std::size_t i = 1; i < bytes; ++i) {
        const auto next = static_cast<unsigned char>(text[i]);
        if ((next & 0xc0) != 0x80) return std::nullopt;
        value = value << 6 | (next & 0x3fu);
    }
    const bool overlong = (bytes == 3 && value < 0x800) || (bytes == 4 && value < 0x10000);
    const bool surrogate = value >= 0xd800 && value < 0xe000;
    if (overlong || surrogate || value > 0x10ffff) return std::nullopt;
    return CodePoint{value, bytes};
}

bool shown(char32_t c) {
    if (c < 0x20) return c == '\n' || c == '\t';
    const bool control = c >= 0x7f && c < 0xa0;
    const bool turns_writing =
        (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0x200e || c == 0x200f;
    return !control && !turns_writing;
}

} // namespace

std::string html_text(std::string_view text) {
    std::string out;
    out.reserve(text.size() + text.size() / 8);
    while (!text.empty()) {
        const std::optional<CodePoint> c = first_code_point(text);
        if (!c || !shown(c->value)) {
            out += replacement;
        } else if (c->value == '&') {
            out += "&amp;";
        } else if (c->value == '<') {
            out += "&lt;";
        } else if (c->value == '>') {
            out += "&gt;";
        } else if (c->value == '"') {
            out += "&quot;";
        } else if (c->value == '\'') {
            out += "&#39;";
        } else {
            out += text.substr(0, c->bytes);
        }
        text.remove_prefix(c ? c->bytes : 1);
    }
    return out;
}

std::string html_json(const nlohmann::json& json) {
    // ASCII alone: U+2028 and its like are escaped by the library. These three it leaves; they occur in strings only.
    const std::string text = json.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
    std::string out;
    out.reserve(text.size() + text.size() / 16);
    for (char c : text) {
        switch (c) {
        case '<': out += "\\u003c"; break;
        case '>': out += "\\u003e"; break;
        case '&': out += "\\u0026"; break;
        default: out += c;
        }
    }
    return out;
}

std::string html_page(std::string_view page, const std::map<std::string_view, std::string>& values) {
    std::string out;
    while (true) {
        const std::size_t open = page.find("{{");
        const std::size_t close = open == std::string_view::npos ? open : page.find("}}", open);
        if (close == std::string_view::npos) return out += page;
        out += page.substr(0, open);
        if (const auto value = values.find(page.substr(open + 2, close - open - 2)); value != values.end())
            out += value->second;
        page.remove_prefix(close + 2);
    }
}

} // namespace poolkd::render

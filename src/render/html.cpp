#include "render/html.h"

#include "render/characters.h"

namespace poolkd::render {

namespace {

constexpr std::string_view replacement = "\xef\xbf\xbd";

} // namespace

std::string html_text(std::string_view text) {
    std::string out;
    out.reserve(text.size() + text.size() / 8);
    while (!text.empty()) {
        const std::optional<CodePoint> c = first_code_point(text);
        if (!c || !is_only_shown(c->value)) {
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

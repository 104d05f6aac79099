#include "debugger/aliases.h"

#include "base/text.h"
#include "debugger/lexer.h"

#include <algorithm>

namespace poolkd::debugger {

namespace {

bool delimits(char c) {
    return is_blank(c) || c == ';' || c == '"';
}

std::unexpected<Error> too_long() {
    return fail(ErrorKind::refused, "With their aliases replaced the commands are longer than {} MB",
                Aliases::expanded_limit >> 20);
}

bool is_alias_command(std::string_view line) {
    line = trim(line);
    return word_at(line, 0, "as") || word_at(line, 0, "ad") || word_at(line, 0, "al");
}

} // namespace

bool Aliases::remove(std::string_view name) {
    auto found = aliases_.find(name);
    if (found == aliases_.end()) return false;
    aliases_.erase(found);
    return true;
}

const std::string* Aliases::find(std::string_view name, const AliasMap& locals) const {
    if (auto local = locals.find(name); local != locals.end()) return &local->second;
    auto found = aliases_.find(name);
    return found != aliases_.end() ? &found->second : nullptr;
}

Result<std::string> Aliases::expand_fixed(std::string_view text) const {
    std::string out;
    for (std::size_t at = 0; at < text.size();) {
        if (out.size() > expanded_limit) return too_long();
        const bool named =
            text.substr(at).starts_with("$u") && at + 2 < text.size() && text[at + 2] >= '0' && text[at + 2] <= '9';
        const auto& value = named ? fixed_[static_cast<std::size_t>(text[at + 2] - '0')] : std::nullopt;
        if (value) {
            out += *value;
            at += 3;
        } else {
            out += text[at++];
        }
    }
    return out;
}

std::optional<std::string> Aliases::expand_token(std::string_view content, const AliasMap& locals) const {
    char form = 0;
    if (content.size() > 3 && content[0] == '/' && content[2] == ':') {
        form = content[1];
        content.remove_prefix(3);
    }
    const std::string* value = find(content, locals);
    switch (form) {
    case 0: return value ? std::optional(*value) : std::nullopt;
    case 'd': return value ? "1" : "0";
    case 'f': return value ? *value : std::string();
    case 'n': return value ? std::optional(std::string(content)) : std::nullopt;
    default: return std::nullopt;
    }
}

Result<std::string> Aliases::expand_names(std::string_view text, const AliasMap& locals) const {
    std::string out;
    std::size_t at = 0;
    while (at < text.size()) {
        if (out.size() > expanded_limit) return too_long();
        if (text.substr(at).starts_with("${")) {
            std::size_t close = text.find('}', at);
            if (close != std::string_view::npos) {
                auto value = expand_token(text.substr(at + 2, close - at - 2), locals);
                out += value ? std::string_view(*value) : text.substr(at, close - at + 1);
                at = close + 1;
                continue;
            }
        }
        if (delimits(text[at])) {
            out += text[at++];
            continue;
        }
        std::size_t end = at;
        while (end < text.size() && !delimits(text[end]) && !text.substr(end).starts_with("${"))
            ++end;
        std::string_view word = text.substr(at, std::max<std::size_t>(end - at, 1));
        // Alone on both sides: not what touches a `${…}` before or behind it.
        const bool alone = (at == 0 || delimits(text[at - 1])) && (end >= text.size() || delimits(text[end]));
        const std::string* value = alone ? find(word, locals) : nullptr;
        out += value ? std::string_view(*value) : word;
        at += word.size();
    }
    return out;
}

Result<std::string> Aliases::expand_block(std::string_view text, const AliasMap& locals) const {
    POOLKD_TRY(std::string fixed, expand_fixed(text));
    return expand_names(fixed, locals);
}

Result<std::string> Aliases::expand_line(std::string_view line) const {
    POOLKD_TRY(std::string text, expand_fixed(line));
    if (is_alias_command(line)) return text;
    return expand_names(text, {});
}

std::string_view alias_name(std::string_view word) {
    if (word.starts_with("${/v:") && word.ends_with('}')) return word.substr(5, word.size() - 6);
    return word;
}

} // namespace poolkd::debugger

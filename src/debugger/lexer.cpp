#include "debugger/lexer.h"

#include "base/text.h"

#include <algorithm>

namespace poolkd::debugger {

namespace {

bool is_separator(char c) {
    return c == ';' || c == '\n';
}

std::size_t end_of_line(std::string_view text, std::size_t from) {
    return std::min(text.find('\n', from), text.size());
}

bool takes_rest_of_line(std::string_view text, std::size_t at) {
    std::string_view rest = text.substr(at);
    if (rest.starts_with("$<") || rest.starts_with("$><")) return true;
    if (word_at(text, at, "j") || word_at(text, at, ".shell")) return true;
    // `aS` ends at a `;`, as the forms of `as` with a slash do, but for the one that takes commands.
    if (!rest.starts_with("as") || !word_at(text, at, "as")) return false;
    std::string_view arguments = trim(rest.substr(2, end_of_line(rest, 0) - 2));
    return !arguments.starts_with('/') || arguments.starts_with("/c");
}

/// The end of the comment that begins here; nothing when none does. `$$<` and `$$>` run scripts.
std::optional<std::size_t> end_of_comment(std::string_view text, std::size_t at) {
    std::string_view rest = text.substr(at);
    if (rest.starts_with('*')) return end_of_line(text, at);
    if (!rest.starts_with("$$") || rest.starts_with("$$<") || rest.starts_with("$$>")) return std::nullopt;
    return std::min(text.find_first_of(";\n", at), text.size());
}

/// Calls `see(position)` for every character that is neither quoted nor in an alias `${…}`; `see` returns false to end.
/// In comments quotes mean nothing ("don't"), but brackets count, so that `{ k; $$ note }` is closed.
template <class See>
void scan(std::string_view text, std::size_t start, See see) {
    bool command_begins = true;
    std::size_t comment_end = start;
    for (std::size_t at = start; at < text.size();) {
        if (command_begins && at >= comment_end && !is_blank(text[at])) {
            if (auto end = end_of_comment(text, at)) comment_end = *end;
            command_begins = false;
        }
        if (at >= comment_end) {
            if (std::size_t behind = end_of_quoted(text, at); behind != at) {
                at = behind;
                continue;
            }
            if (text.substr(at).starts_with("${")) {
                at = std::min(text.find('}', at), text.size() - 1) + 1;
                continue;
            }
        }
        if (!see(at)) return;
        if (is_separator(text[at]) || text[at] == '{') command_begins = true;
        ++at;
    }
}

/// Where the plain command that begins at `start` ends: at its separator or at the end of the text.
std::size_t end_of_command(std::string_view text, std::size_t start) {
    std::size_t depth = 0;
    std::size_t end = text.size();
    scan(text, start, [&](std::size_t at) {
        if (text[at] == '{') ++depth;
        if (text[at] == '}' && depth > 0) --depth;
        if (depth != 0 || !is_separator(text[at])) return true;
        end = at;
        return false;
    });
    return end;
}

constexpr std::string_view control_tokens[] = {".if",    ".elsif", ".else",  ".for",  ".foreach",
                                               ".while", ".do",    ".block", ".catch"};

/// Where a command with blocks ends; nothing when no control token begins here, or no block follows.
std::optional<std::size_t> end_of_control(std::string_view text, std::size_t at) {
    std::optional<std::size_t> command_end;
    while (true) {
        auto is = [&](std::string_view name) { return word_at(text, at, name); };
        if (std::ranges::none_of(control_tokens, is)) return std::nullopt;
        const auto block = find_block(text, at);
        const auto end = block ? end_of_group(text, *block) : std::nullopt;
        // A branch without its block takes the rest with it.
        if (!end) return command_end ? std::optional(text.size()) : std::nullopt;
        command_end = end;
        const std::size_t next = skip_to_command(text, *end);
        if (is(".do")) return end_of_command(text, next);
        const bool may_branch = is(".if") || is(".elsif");
        if (!may_branch || !(word_at(text, next, ".elsif") || word_at(text, next, ".else"))) return end;
        at = next;
    }
}

} // namespace

bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

bool is_word_character(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

bool word_at(std::string_view text, std::size_t at, std::string_view name) {
    if (at > text.size() || !equals_ignore_case(text.substr(at, name.size()), name)) return false;
    return at + name.size() >= text.size() || !is_word_character(text[at + name.size()]);
}

bool is_escape(std::string_view text, std::size_t at) {
    return text[at] == '\\' && at + 1 < text.size() && (text[at + 1] == '"' || text[at + 1] == '\\');
}

std::size_t skip_to_command(std::string_view text, std::size_t at) {
    while (at < text.size() && (is_blank(text[at]) || text[at] == ';'))
        ++at;
    return at;
}

std::size_t end_of_quoted(std::string_view text, std::size_t start) {
    if (start >= text.size()) return start;
    if (text[start] == '"') {
        const std::size_t line_end = end_of_line(text, start);
        for (std::size_t at = start + 1; at < line_end; at += is_escape(text, at) ? 2u : 1u)
            if (text[at] == '"') return at + 1;
        return line_end;
    }
    if (text[start] == '\'' && (start == 0 || !is_word_character(text[start - 1]))) {
        std::size_t close = text.find_first_of("'\n", start + 1);
        return close == std::string_view::npos || text[close] == '\n' ? start : close + 1;
    }
    return start;
}

std::optional<std::size_t> end_of_group(std::string_view text, std::size_t start) {
    const char open = text[start];
    const char close = open == '(' ? ')' : '}';
    std::size_t depth = 0;
    std::optional<std::size_t> end;
    scan(text, start, [&](std::size_t at) {
        if (text[at] == open) ++depth;
        if (text[at] != close || --depth != 0) return true;
        end = at + 1;
        return false;
    });
    return end;
}

std::optional<std::size_t> find_block(std::string_view text, std::size_t start) {
    std::size_t depth = 0;
    std::optional<std::size_t> block;
    scan(text, start, [&](std::size_t at) {
        const char c = text[at];
        if (c == '(') ++depth;
        if (c == ')' && depth > 0) --depth;
        if (depth != 0) return true;
        if (c == '{') block = at;
        if (block) return false;
        // A separator may stand before the block, as where the lines of a script were joined.
        const std::size_t next = skip_to_command(text, at);
        return !is_separator(c) || (next < text.size() && text[next] == '{');
    });
    return block;
}

std::vector<std::string_view> split_semicolons(std::string_view text, std::size_t most) {
    std::vector<std::string_view> parts;
    std::size_t begin = 0;
    std::size_t depth = 0;
    scan(text, 0, [&](std::size_t at) {
        const char c = text[at];
        if (c == '(' || c == '{') ++depth;
        if ((c == ')' || c == '}') && depth > 0) --depth;
        if (depth != 0 || c != ';') return true;
        if (parts.size() + 1 == most) return false;
        parts.push_back(text.substr(begin, at - begin));
        begin = at + 1;
        return true;
    });
    parts.push_back(text.substr(begin));
    return parts;
}

std::vector<CommandText> split_commands(std::string_view text) {
    std::vector<CommandText> commands;
    std::size_t at = 0;
    while ((at = skip_to_command(text, at)) < text.size()) {
        if (auto end = end_of_comment(text, at)) {
            at = *end;
            continue;
        }
        const std::size_t end = takes_rest_of_line(text, at)
                                    ? end_of_line(text, at)
                                    : end_of_control(text, at).value_or(end_of_command(text, at));
        commands.push_back({trim(text.substr(at, end - at)), at});
        at = end;
    }
    return commands;
}

} // namespace poolkd::debugger

#include "debugger/lexer.h"

#include "base/text.h"

#include <algorithm>

namespace poolkd::debugger {

namespace {

constexpr std::string_view rest_of_line_symbols[] = {"$<", "$><"};
constexpr std::string_view rest_of_line_words[] = {"as", ".shell"};

bool takes_rest_of_line(std::string_view command) {
    for (std::string_view symbol : rest_of_line_symbols)
        if (command.starts_with(symbol)) return true;
    return std::ranges::any_of(rest_of_line_words, [&](std::string_view word) {
        return equals_ignore_case(command.substr(0, word.size()), word) &&
               (command.size() == word.size() || is_blank(command[word.size()]));
    });
}

bool is_comment(std::string_view command) {
    // $$< and $$> run scripts.
    return command.starts_with("$$") && !command.starts_with("$$<") && !command.starts_with("$$>");
}

/// Where the command that begins at `start` ends: at its `;` or at the end of the line.
std::size_t end_of_command(std::string_view line, std::size_t start) {
    std::size_t depth = 0;
    std::size_t at = start;
    while (at < line.size()) {
        if (std::size_t behind = end_of_quoted(line, at); behind != at) {
            at = behind;
            continue;
        }
        char c = line[at];
        if (c == '{') ++depth;
        if (c == '}' && depth > 0) --depth;
        if (c == ';' && depth == 0) return at;
        ++at;
    }
    return at;
}

} // namespace

bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

bool is_word_character(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

std::size_t end_of_quoted(std::string_view text, std::size_t start) {
    if (start >= text.size()) return start;
    if (text[start] == '"') {
        for (std::size_t at = start + 1; at < text.size(); ++at) {
            if (text[at] == '\\' && at + 1 < text.size() && text[at + 1] == '"') {
                ++at;
            } else if (text[at] == '"') {
                return at + 1;
            }
        }
        return text.size();
    }
    if (text[start] == '\'' && (start == 0 || !is_word_character(text[start - 1]))) {
        std::size_t close = text.find('\'', start + 1);
        return close == std::string_view::npos ? start : close + 1;
    }
    return start;
}

std::vector<CommandText> split_commands(std::string_view line) {
    std::vector<CommandText> commands;
    std::size_t at = 0;
    while (at < line.size()) {
        if (is_blank(line[at]) || line[at] == ';') {
            ++at;
            continue;
        }
        std::string_view rest = line.substr(at);
        if (rest.front() == '*') break;
        if (is_comment(rest)) {
            at = std::min(line.find(';', at), line.size());
            continue;
        }
        std::size_t end = takes_rest_of_line(rest) ? line.size() : end_of_command(line, at);
        commands.push_back({trim(line.substr(at, end - at)), at});
        at = end;
    }
    return commands;
}

} // namespace poolkd::debugger

#include "debugger/aliases.h"

#include "base/text.h"
#include "debugger/lexer.h"

namespace poolkd::debugger {

namespace {

bool delimits(char c) {
    return is_blank(c) || c == ';' || c == '"';
}

bool is_alias_command(std::string_view line) {
    line = trim(line);
    if (line.size() < 2) return false;
    std::string_view name = line.substr(0, 2);
    bool known = equals_ignore_case(name, "as") || equals_ignore_case(name, "ad") || equals_ignore_case(name, "al");
    return known && (line.size() == 2 || is_blank(line[2]));
}

} // namespace

bool Aliases::remove(std::string_view name) {
    auto found = aliases_.find(name);
    if (found == aliases_.end()) return false;
    aliases_.erase(found);
    return true;
}

std::string Aliases::expand(std::string_view line) const {
    if (aliases_.empty() || is_alias_command(line)) return std::string(line);
    std::string out;
    std::size_t at = 0;
    while (at < line.size()) {
        if (line.substr(at).starts_with("${")) {
            std::size_t close = line.find('}', at);
            if (close != std::string_view::npos) {
                auto found = aliases_.find(line.substr(at + 2, close - at - 2));
                out += found != aliases_.end() ? std::string_view(found->second) : line.substr(at, close - at + 1);
                at = close + 1;
                continue;
            }
        }
        if (delimits(line[at])) {
            out += line[at++];
            continue;
        }
        std::size_t end = at;
        while (end < line.size() && !delimits(line[end]) && !line.substr(end).starts_with("${"))
            ++end;
        std::string_view word = line.substr(at, std::max<std::size_t>(end - at, 1));
        auto found = aliases_.find(word);
        out += found != aliases_.end() ? std::string_view(found->second) : word;
        at += word.size();
    }
    return out;
}

} // namespace poolkd::debugger

#include "app/completion.h"

#include "base/text.h"
#include "debugger/lexer.h"

namespace poolkd::app {

namespace {

bool ends_word(char c) {
    return !debugger::is_word_character(c) && c != '!' && c != '.' && c != '$' && c != '?';
}

/// Symbol names are patterns to `match`: what the user typed is taken literally.
std::string literal(std::string_view text) {
    std::string out;
    for (char c : text) {
        if (!debugger::is_word_character(c)) out += '\\';
        out += c;
    }
    return out;
}

std::vector<std::string> symbols_of(debugger::Session& session, std::string_view module, std::string_view prefix) {
    std::vector<std::string> names;
    nt::Modules& modules = session.kernel().modules();
    nt::Module* found = modules.find(module);
    symbols::ModuleSymbols* symbols = found ? modules.symbols(*found) : nullptr;
    if (!symbols) return names;
    for (const symbols::Symbol& symbol : symbols->match(literal(prefix) + "*", most_candidates))
        if (equals_ignore_case(symbol.name.substr(0, prefix.size()), prefix))
            names.push_back(found->name + "!" + symbol.name);
    return names;
}

} // namespace

Completions complete(debugger::Session& session, std::string_view before) {
    std::size_t start = before.size();
    while (start > 0 && !ends_word(before[start - 1]))
        --start;
    std::string_view word = before.substr(start);
    std::size_t command = before.find_last_of(';');
    std::string_view ahead = before.substr(command == std::string_view::npos ? 0 : command + 1);
    ahead.remove_suffix(word.size());
    if (trim(ahead).empty()) return {start, session.commands().completions(word)};
    Completions found{start, {}};
    if (!session.has_target() || session.running()) return found;
    std::size_t bang = word.find('!');
    if (bang != std::string_view::npos) {
        found.candidates = symbols_of(session, word.substr(0, bang), word.substr(bang + 1));
        return found;
    }
    for (const auto& module : session.kernel().modules().loaded())
        if (equals_ignore_case(module->name.substr(0, word.size()), word))
            found.candidates.push_back(module->name + "!");
    return found;
}

} // namespace poolkd::app

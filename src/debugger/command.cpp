#include "debugger/command.h"

#include "base/text.h"
#include "debugger/lexer.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <numeric>
#include <utility>

namespace poolkd::debugger {

namespace {

std::unexpected<Error> no_command(std::string_view text) {
    return fail(ErrorKind::not_found, "^ Syntax error in '{}'", trim(text));
}

/// The end of a name that begins with a sign: letters, digits, `_` and (of an extension) the dot of its module.
std::size_t end_of_signed_name(std::string_view text) {
    std::size_t end = 1;
    while (end < text.size() && (is_word_character(text[end]) || (text[0] == '!' && text[end] == '.')))
        ++end;
    return end;
}

/// ".reload" and "!poolused" are remembered by their letters.
std::string_view without_sign(std::string_view name) {
    return name.starts_with('.') || name.starts_with('!') ? name.substr(1) : name;
}

/// How many letters have to be changed, added or left out to make one word of the other (Levenshtein's distance).
std::size_t changes_between(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 0; i < a.size(); ++i) {
        std::size_t diagonal = std::exchange(row[0], i + 1);
        for (std::size_t j = 0; j < b.size(); ++j) {
            const std::size_t replaced = diagonal + (a[i] != b[j]);
            diagonal = row[j + 1];
            row[j + 1] = std::min({row[j] + 1, diagonal + 1, replaced});
        }
    }
    return row.back();
}

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

bool word_ends(std::string_view text, std::size_t at) {
    return at >= text.size() || !is_word_character(text[at]);
}

} // namespace

void CommandTable::add(Command command) {
    commands_.push_back(std::make_unique<Command>(std::move(command)));
}

const Command* CommandTable::exact(std::string_view name) const {
    const Command* other_case = nullptr;
    for (const auto& command : commands_) {
        for (std::string_view known : command->names) {
            if (known == name) return command.get();
            if (!other_case && equals_ignore_case(known, name)) other_case = command.get();
        }
    }
    return other_case;
}

const Command* CommandTable::named(std::string_view name) const {
    if (const Command* command = exact(name)) return command;
    for (const char* sign : {".", "!"})
        if (const Command* command = exact(sign + std::string(name))) return command;
    return nullptr;
}

std::vector<std::string_view> CommandTable::near(std::string_view name) const {
    constexpr std::size_t most_names = 3, most_changes = 2;
    const std::string_view letters = without_sign(name);
    std::vector<std::pair<std::size_t, std::string_view>> found;
    for (const auto& command : all())
        for (const std::string_view other : command->names)
            if (const std::size_t changes = changes_between(letters, without_sign(other));
                changes <= most_changes && changes < letters.size())
                found.emplace_back(changes, other);
    std::ranges::sort(found);
    std::vector<std::string_view> names;
    for (const auto& [changes, other] : found)
        if (names.size() < most_names) names.push_back(other);
    return names;
}

Result<CommandTable::Found> CommandTable::find(std::string_view text) const {
    std::size_t start = 0;
    std::optional<std::uint32_t> processor;
    if (!text.empty() && is_digit(text.front())) {
        std::uint32_t number = 0;
        for (; start < text.size() && is_digit(text[start]) && start < 5; ++start)
            number = number * 10 + static_cast<std::uint32_t>(text[start] - '0');
        processor = number;
    }
    std::string_view name = text.substr(start);
    if (name.empty()) return no_command(text);
    if (name.front() == '!' || name.front() == '.') {
        std::size_t end = end_of_signed_name(name);
        std::string_view word = name.substr(0, end);
        const Command* command = processor ? nullptr : exact(word);
        std::size_t dot = word.rfind('.');
        // "!module.name" picks an extension of one module; ours are all in one.
        if (!command && !processor && word.front() == '!' && dot != std::string_view::npos)
            command = exact("!" + std::string(word.substr(dot + 1)));
        if (command) return Found{command, end, std::nullopt};
        if (word.front() == '!' && word.size() > 1)
            return fail(ErrorKind::not_found, "No export {} found",
                        word.substr(dot == std::string_view::npos ? 1 : dot + 1));
        return no_command(text);
    }
    const Command* best = nullptr;
    std::size_t length = 0;
    bool best_exact = false;
    for (const auto& command : commands_) {
        for (std::string_view known : command->names) {
            if (known.front() == '.' || known.front() == '!' || known.size() < length) continue;
            if (!equals_ignore_case(name.substr(0, known.size()), known)) continue;
            if (!command->may_touch && !word_ends(name, known.size())) continue;
            bool same_case = name.starts_with(known);
            if (known.size() == length && (best_exact || !same_case)) continue;
            best = command.get();
            length = known.size();
            best_exact = same_case;
        }
    }
    if (!best) return no_command(text);
    if (processor && !best->takes_processor) return no_command(text);
    return Found{best, start + length, processor};
}

std::vector<std::string> CommandTable::completions(std::string_view prefix) const {
    std::vector<std::string> names;
    for (const auto& command : commands_)
        for (std::string_view name : command->names)
            if (equals_ignore_case(name.substr(0, prefix.size()), prefix)) names.emplace_back(name);
    std::ranges::sort(names);
    return names;
}

std::string help_text(const Command& command) {
    std::string text =
        fmt::format("{} - {}\n\n  {}\n", fmt::join(command.names, ", "), command.summary, command.syntax);
    if (!command.options.empty() || command.json) text += "\n";
    for (const CommandOption& option : command.options)
        text += fmt::format("  {:<14} {}\n", option.name, option.text);
    if (command.json) text += fmt::format("  {:<14} {}\n", "--json", "the same data as JSON");
    if (!command.help.empty()) text += fmt::format("\n{}\n", command.help);
    return text;
}

nlohmann::json help_json(const Command& command) {
    nlohmann::json options = nlohmann::json::array();
    for (const CommandOption& option : command.options)
        options.push_back({{"name", option.name}, {"text", option.text}});
    return {{"names", command.names},
            {"family", command.family},
            {"summary", command.summary},
            {"syntax", command.syntax},
            {"help", command.help},
            {"options", std::move(options)},
            {"needs_target", command.needs_target},
            {"resumes", command.resumes},
            {"json", command.json}};
}

std::string help_overview(const CommandTable& table) {
    std::vector<std::string_view> families;
    for (const auto& command : table.all())
        if (std::ranges::find(families, command->family) == families.end()) families.push_back(command->family);
    std::string text;
    for (std::string_view family : families) {
        text += fmt::format("{}{}:\n", text.empty() ? "" : "\n", family);
        for (const auto& command : table.all())
            if (command->family == family)
                text +=
                    fmt::format("  {:<28} {}\n", fmt::format("{}", fmt::join(command->names, " ")), command->summary);
    }
    text += "\n.help <command> (or <command> -?) tells more about one.\n";
    return text;
}

} // namespace poolkd::debugger

#include "commands/tag_argument.h"

#include "base/tag_text.h"

namespace poolkd::commands {

namespace {

/// 'Abc ' with its quotes; nothing when it has no end.
std::optional<std::string_view> in_single_quotes(debugger::Arguments& arguments) {
    const std::size_t begin = arguments.position();
    const std::size_t end = arguments.command().find('\'', begin + 1);
    if (end == std::string_view::npos) return std::nullopt;
    arguments.set_position(end + 1);
    return arguments.command().substr(begin, end + 1 - begin);
}

} // namespace

Result<PoolTag> tag_argument(debugger::Session& session, debugger::Arguments& arguments, SingleQuotes quotes) {
    const debugger::Arguments here = arguments;
    const char first = arguments.peek();
    if (first == '@' || first == '(' || (first == '\'' && quotes == SingleQuotes::constant)) {
        POOLKD_TRY(std::uint64_t value, session.expression(arguments));
        return PoolTag(static_cast<std::uint32_t>(value));
    }
    std::string word;
    if (first == '\'') {
        const auto characters = in_single_quotes(arguments);
        if (!characters) return session.caret_error(here, "Syntax error");
        word = *characters;
    } else if (auto inside = arguments.quoted()) {
        word = fmt::format("\"{}\"", *inside);
    } else {
        word = arguments.word();
    }
    if (auto tag = parse_tag(word)) return *tag;
    if (word.find('!') != std::string::npos && session.has_target()) {
        POOLKD_TRY(std::uint64_t address, session.evaluate_text(word));
        POOLKD_TRY(std::uint64_t value, memory::read_unsigned(session.memory(), VirtAddr(address), 4));
        return PoolTag(static_cast<std::uint32_t>(value));
    }
    return session.caret_error(here, "Syntax error");
}

std::optional<PoolTag> escaped_tag(std::string_view word) {
    if (word.find("\\x") == std::string_view::npos) return std::nullopt;
    const auto tag = parse_tag(word);
    return tag ? std::optional(*tag) : std::nullopt;
}

} // namespace poolkd::commands

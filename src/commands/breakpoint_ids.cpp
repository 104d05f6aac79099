#include "commands/breakpoint_ids.h"

#include "base/text.h"

namespace poolkd::commands {

using control::Breakpoint;
using debugger::Arguments;
using debugger::Session;

namespace {

/// The text in `[...]`, taken.
std::optional<std::string_view> bracketed(Arguments& arguments) {
    if (arguments.peek() != '[') return std::nullopt;
    const std::size_t start = arguments.position() + 1;
    const std::size_t end = arguments.command().find(']', start);
    if (end == std::string_view::npos) return std::nullopt;
    arguments.set_position(end + 1);
    return arguments.command().substr(start, end - start);
}

/// A word that a comma ends, too.
std::string_view id_word(Arguments& arguments) {
    const std::string_view word = arguments.word();
    const std::size_t comma = word.find(',');
    if (comma == std::string_view::npos) return word;
    arguments.set_position(arguments.position() - (word.size() - comma));
    return word.substr(0, comma);
}

} // namespace

Result<std::vector<std::uint32_t>> breakpoint_ids(Session& session, Arguments& arguments) {
    std::vector<std::uint32_t> wanted;
    auto& breakpoints = session.controller().breakpoints();
    auto add_where = [&](auto&& fits) {
        for (const Breakpoint& b : breakpoints.all())
            if (!b.internal && fits(b)) wanted.push_back(b.id);
    };
    auto add_one = [&](std::uint64_t id) -> Result<void> {
        const Breakpoint* found = id <= UINT32_MAX ? breakpoints.find(static_cast<std::uint32_t>(id)) : nullptr;
        if (!found || found->internal) return fail(ErrorKind::not_found, "There is no breakpoint {}", id);
        wanted.push_back(found->id);
        return {};
    };
    if (arguments.done()) return fail(ErrorKind::usage, "Which breakpoint? A number, a range, or *");
    while (!arguments.done()) {
        if (auto pattern = arguments.quoted()) {
            add_where([&](const Breakpoint& b) {
                return wildcard_match(*pattern, b.expression) ||
                       (b.address && wildcard_match(*pattern, session.symbol_text(*b.address)));
            });
            continue;
        }
        if (auto expression = bracketed(arguments)) {
            POOLKD_TRY(std::uint64_t id, session.evaluate_text(*expression));
            POOLKD_CHECK(add_one(id));
            continue;
        }
        const std::string_view word = id_word(arguments);
        if (word == "*") {
            add_where([](const Breakpoint&) { return true; });
            continue;
        }
        const std::size_t dash = word.find('-');
        auto first = decimal_number(word.substr(0, dash));
        auto last = dash == std::string_view::npos ? first : decimal_number(word.substr(dash + 1));
        if (!first || !last) return fail(ErrorKind::usage, "'{}' is no breakpoint number", word);
        if (dash == std::string_view::npos) {
            POOLKD_CHECK(add_one(*first));
        } else {
            add_where([&](const Breakpoint& b) { return b.id >= *first && b.id <= *last; });
        }
    }
    return wanted;
}

} // namespace poolkd::commands

#include "commands/events.h"

#include "commands/stop_text.h"
#include "debugger/session.h"
#include "debugger/times.h"

namespace poolkd::commands {

using control::EventFilter;
using control::Reaction;
using debugger::Arguments;
using debugger::Command;
using debugger::CommandOption;
using debugger::Session;

namespace {

std::string_view reaction_words(Reaction reaction) {
    switch (reaction) {
    case Reaction::stop: return "break";
    case Reaction::second_chance: return "second-chance break";
    case Reaction::tell: return "output";
    case Reaction::ignore: break;
    }
    return "ignore";
}

std::string event_row(const EventFilter& filter) {
    std::string text = fmt::format("{:>4} - {} - {}", filter.name, filter.title, reaction_words(filter.reaction));
    if (filter.is_exception()) text += filter.handled ? " - handled" : " - not handled";
    text += '\n';
    if (!filter.pattern.empty()) text += fmt::format("       (only break for {})\n", filter.pattern);
    if (!filter.command.empty()) text += fmt::format("       Command: \"{}\"\n", filter.command);
    if (!filter.second_command.empty())
        text += fmt::format("       Second-chance command: \"{}\"\n", filter.second_command);
    return text;
}

Result<void> list_events(Session& session, Arguments& arguments) {
    POOLKD_CHECK(session.no_more(arguments));
    nlohmann::json json = nlohmann::json::array();
    for (const EventFilter& filter : session.controller().filters().all()) {
        if (!arguments.json) {
            session.write(event_row(filter));
            continue;
        }
        json.push_back(
            {{"event", filter.name}, {"title", filter.title}, {"reaction", reaction_words(filter.reaction)}});
        if (filter.is_exception()) json.back()["handled"] = filter.handled;
        if (!filter.pattern.empty()) json.back()["pattern"] = filter.pattern;
        if (!filter.command.empty()) json.back()["commands"] = filter.command;
        if (!filter.second_command.empty()) json.back()["second_commands"] = filter.second_command;
    }
    if (arguments.json) session.write_json(nlohmann::json{{"events", json}});
    return {};
}

/// `ld`, `ld:zeta.sys`, `av`, `c0000005`, `*`; the pattern of a module may also stand behind a blank.
Result<EventFilter*> take_event(Session& session, Arguments& arguments, std::optional<std::string>& pattern) {
    if (arguments.done()) return fail(ErrorKind::usage, "Which event? sx lists them");
    const std::string_view word = arguments.word();
    const std::size_t colon = word.find(':');
    const std::string_view name = word.substr(0, colon);
    auto& filters = session.controller().filters();
    EventFilter* filter = filters.find(name);
    if (!filter) {
        auto code = session.evaluate_text(name);
        // As a number of a command line, c0000005 is negative.
        const bool is_code = code && (*code <= UINT32_MAX || *code >= ~std::uint64_t{INT32_MAX});
        if (!is_code || *code == 0)
            return fail(ErrorKind::not_found, "'{}' is no event that a kernel reports; sx lists them", name);
        filter = &filters.row_of(static_cast<std::uint32_t>(*code));
    }
    if (filter->is_exception()) {
        if (colon != std::string_view::npos)
            return fail(ErrorKind::usage, "{} takes no name of a module", filter->name);
        return filter;
    }
    pattern = colon != std::string_view::npos ? std::string(word.substr(colon + 1)) : arguments.text();
    return filter;
}

/// `sxe` and its like; without a reaction it is `sx-`, which changes only commands.
Result<void> change_event(Session& session, Arguments& arguments, std::optional<Reaction> reaction) {
    std::optional<std::string> command, second_command;
    bool handling = false;
    while (arguments.peek() == '-' || arguments.peek() == '/') {
        if (arguments.take_option("c2")) {
            second_command = arguments.text();
        } else if (arguments.take_option("c")) {
            command = arguments.text();
        } else if (arguments.take_option("h")) {
            handling = true;
        } else {
            return fail(ErrorKind::usage, "There is no option '{}'", arguments.word());
        }
    }
    std::optional<std::string> pattern;
    POOLKD_TRY(EventFilter * filter, take_event(session, arguments, pattern));
    POOLKD_CHECK(session.no_more(arguments));
    if (handling && reaction) {
        if (!filter->is_exception()) return fail(ErrorKind::usage, "{} is no exception", filter->name);
        filter->handled = *reaction == Reaction::stop;
    } else if (reaction) {
        filter->reaction = *reaction;
    }
    if (pattern && reaction) filter->pattern = std::move(*pattern); // only the latest is remembered
    if (command) filter->command = std::move(*command);
    if (second_command) filter->second_command = std::move(*second_command);
    return {};
}

Result<void> reset_events(Session& session, Arguments& arguments) {
    POOLKD_CHECK(session.no_more(arguments));
    session.controller().filters().reset();
    session.write("sx state reset to defaults\n");
    return {};
}

Result<void> show_last_event(Session& session, Arguments& arguments) {
    POOLKD_CHECK(session.no_more(arguments));
    const auto& report = session.controller().last_event();
    if (!report) return fail(ErrorKind::not_found, "There was no event yet");
    const std::string time = debugger::time_text(debugger::filetime_of(report->time));
    if (arguments.json) {
        nlohmann::json json = stop_json(session, *report);
        json["debugger_time"] = time;
        session.write_json(nlohmann::json{{"event", json}});
        return {};
    }
    session.print("Last event: {}\n  debugger time: {}\n", event_text(session, *report), time);
    return {};
}

} // namespace

void add_event_commands(debugger::CommandTable& table) {
    const std::vector<CommandOption> options{
        {"-c \"commands\"", "run at the stop"},
        {"-c2 \"commands\"", "run at a second-chance stop"},
        {"-h", "change how the target goes on: sxe -h as if handled, others as not handled"}};
    auto changing = [&](std::string_view name, std::string_view summary, std::string_view syntax,
                        std::optional<Reaction> reaction) {
        return Command{.names = {name},
                       .family = "Execution",
                       .summary = summary,
                       .syntax = syntax,
                       .help = "Events: ld[:module] and ud[:module] (drivers that come and go), the exceptions that sx "
                               "lists, any other exception by its code, * for the rest. A kernel reports most "
                               "exceptions only when nobody handled them (second chance).",
                       .options = options,
                       .run = [reaction](Session& s, Arguments& a) { return change_event(s, a, reaction); }};
    };
    table.add({.names = {"sx"},
               .family = "Execution",
               .summary = "what is done at which event",
               .syntax = "sx",
               .json = true,
               .run = list_events});
    table.add(
        changing("sxe", "stop at an event", "sxe [-c \"commands\"] [-c2 \"commands\"] [-h] Event", Reaction::stop));
    table.add(changing("sxd", "stop at an exception only when nobody handled it", "sxd [options] Event",
                       Reaction::second_chance));
    table.add(changing("sxn", "print an event and go on", "sxn [options] Event", Reaction::tell));
    table.add(changing("sxi", "ignore an event", "sxi [options] Event", Reaction::ignore));
    table.add(changing("sx-", "change only the commands of an event", "sx- -c \"commands\" Event", std::nullopt));
    table.add({.names = {"sxr"},
               .family = "Execution",
               .summary = "all events as at the start",
               .syntax = "sxr",
               .run = reset_events});
    table.add({.names = {".lastevent"},
               .family = "Execution",
               .summary = "why the target stopped last",
               .syntax = ".lastevent",
               .needs_stop = false,
               .json = true,
               .run = show_last_event});
}

} // namespace poolkd::commands

#include "commands/general.h"
#include "render/coverage.h"

#include <nlohmann/json.hpp>

#include <charconv>
#include <ctime>

namespace poolkd::commands {

using control::JournalEntry;
using debugger::Arguments;
using debugger::Command;
using debugger::Session;

namespace {

constexpr std::size_t shown_bytes = 8; // of a longer write, the beginning

std::string hex(Bytes bytes, std::size_t most) {
    std::string text;
    for (std::byte b : bytes.first(std::min(bytes.size(), most)))
        text += fmt::format("{}{:02x}", text.empty() ? "" : " ", std::to_integer<unsigned>(b));
    if (bytes.size() > most) text += fmt::format(" ... ({} bytes)", bytes.size());
    return text;
}

std::string time_of_day(std::chrono::system_clock::time_point time) {
    std::time_t seconds = std::chrono::system_clock::to_time_t(time);
    std::tm parts{};
    localtime_r(&seconds, &parts);
    char text[32];
    std::strftime(text, sizeof text, "%H:%M:%S", &parts);
    return text;
}

std::string_view state(const JournalEntry& entry) {
    if (entry.undone) return "undone";
    return entry.inherited ? "left by an earlier session" : "";
}

void list_as_text(Session& session) {
    bool any = false;
    for (const JournalEntry& entry : session.journal().entries()) {
        if (entry.breakpoint_handle) continue;
        any = true;
        std::string symbol = session.symbol_text(entry.address);
        session.print("{:>3} {} {}  {} -> {}{}{}\n", entry.id, time_of_day(entry.time),
                      session.address_text(entry.address), hex(entry.before, shown_bytes),
                      hex(entry.after, shown_bytes), state(entry).empty() ? "" : "  ", state(entry));
        session.print("      {}{}{}\n", symbol, symbol.empty() || entry.note.empty() ? "" : "  by: ", entry.note);
    }
    if (!any) session.write("Nothing was written to the target.\n");
}

void list_as_json(Session& session) {
    nlohmann::json list = nlohmann::json::array();
    for (const JournalEntry& entry : session.journal().entries()) {
        if (entry.breakpoint_handle) continue;
        list.push_back({{"id", entry.id},
                        {"address", render::json_address(entry.address)},
                        {"symbol", session.symbol_text(entry.address)},
                        {"before", hex(entry.before, entry.before.size())},
                        {"after", hex(entry.after, entry.after.size())},
                        {"command", entry.note},
                        {"undone", entry.undone},
                        {"inherited", entry.inherited}});
    }
    session.write(nlohmann::json{{"writes", list}}.dump() + "\n");
}

Result<void> run_writes(Session& session, Arguments& arguments) {
    POOLKD_CHECK(session.no_more(arguments));
    if (arguments.json) {
        list_as_json(session);
    } else {
        list_as_text(session);
    }
    return {};
}

Result<void> run_undo(Session& session, Arguments& arguments) {
    std::vector<std::uint32_t> open = session.journal().open_writes();
    if (arguments.done()) {
        if (open.empty()) return fail(ErrorKind::not_found, "There is nothing to undo");
        POOLKD_CHECK(session.journal().undo(open.back()));
        session.print("Write {} undone.\n", open.back());
        return {};
    }
    if (arguments.take("*") || arguments.take("all")) {
        POOLKD_CHECK(session.no_more(arguments));
        // The newest first, so that writes over each other come back to the first state. One that is refused does
        // not keep the others.
        std::size_t undone = 0;
        std::string refusals;
        for (auto id = open.rbegin(); id != open.rend(); ++id) {
            if (auto result = session.journal().undo(*id)) {
                ++undone;
            } else {
                refusals += fmt::format("{}Write {}: {}", refusals.empty() ? "" : "\n", *id, result.error().message);
            }
        }
        session.print("{} of {} writes undone.\n", undone, open.size());
        if (!refusals.empty()) return fail(ErrorKind::refused, refusals);
        return {};
    }
    // Ids are decimal, as breakpoints' are.
    while (!arguments.done()) {
        Arguments here = arguments;
        std::string_view word = arguments.word();
        std::uint32_t id = 0;
        auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), id);
        if (error != std::errc{} || end != word.data() + word.size()) return session.caret_error(here, "Syntax error");
        POOLKD_CHECK(session.journal().undo(id));
        session.print("Write {} undone.\n", id);
    }
    return {};
}

} // namespace

void add_journal_commands(debugger::CommandTable& table) {
    table.add(Command{
        .names = {".writes"},
        .family = "Changes",
        .summary = "list what was written to the target, with the old bytes",
        .syntax = ".writes",
        .help =
            "The list is kept on disk for as long as the target is not restarted, so that another session can undo it.",
        .json = true,
        .run = run_writes,
    });
    table.add(Command{
        .names = {".undo"},
        .family = "Changes",
        .summary = "put old bytes back",
        .syntax = ".undo [<id> ... | *]",
        .help = "Alone it undoes the last write; * all, the newest first. Refused where the bytes are no longer those "
                "that were written.",
        .repeat = debugger::Repeat::never,
        .run = run_undo,
    });
}

} // namespace poolkd::commands

#include "base/text.h"
#include "commands/general.h"
#include "control/tag_site.h"
#include "render/coverage.h"

#include <nlohmann/json.hpp>

#include <algorithm>
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
    session.write_json(nlohmann::json{{"writes", list}});
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

/// The writes named behind `.undo`: ids are decimal, as breakpoints' are.
Result<std::vector<std::uint32_t>> wanted_writes(Session& session, Arguments& arguments) {
    std::vector<std::uint32_t> open = session.journal().open_writes();
    if (arguments.take("*") || arguments.take("all")) {
        POOLKD_CHECK(session.no_more(arguments));
        return open;
    }
    if (arguments.done()) {
        if (open.empty()) return fail(ErrorKind::not_found, "There is nothing to undo");
        return std::vector<std::uint32_t>{open.back()};
    }
    std::vector<std::uint32_t> ids;
    while (!arguments.done()) {
        Arguments here = arguments;
        std::string_view word = arguments.word();
        const auto id = decimal_number(word);
        if (!id) return session.caret_error(here, "Syntax error");
        if (std::ranges::find(open, *id) == open.end())
            return fail(ErrorKind::not_found, "There is no write {} that could be undone", *id);
        ids.push_back(*id);
    }
    return ids;
}

Result<void> run_undo(Session& session, Arguments& arguments) {
    const bool force = arguments.take_option("f");
    POOLKD_TRY(std::vector<std::uint32_t> ids, wanted_writes(session, arguments));
    POOLKD_TRY(control::UndoOutcome outcome,
               control::undo_safely(session.kernel(), session.journal(), std::move(ids), force, session.work()));
    for (std::uint32_t id : outcome.undone)
        session.print("Write {} undone.\n", id);
    if (outcome.kept.empty()) return {};
    std::string refusals;
    for (const auto& kept : outcome.kept)
        refusals += fmt::format("Write {} stays: {}.\n", kept.id, kept.why);
    return fail(ErrorKind::refused, "{}{}", refusals,
                outcome.only_leaked_left
                    ? "No block of these tags was ever freed: they look leaked. If they are, no free site will meet "
                      "them, and .undo "
                      "/f does no harm; to be surer, let the target run longer and look again."
                    : "Let the target run until these blocks are gone and undo again; .undo /f does not wait.");
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
        .syntax = ".undo [/f] [<id> ... | *]",
        .help =
            "Alone it undoes the last write; * all. Tag constants of allocation sites go back at once; those of free "
            "sites only when no block with a new tag is left (a free with the wrong tag is bug check C2/0A), unless "
            "/f. Refused where the bytes are no longer those that were written.",
        .repeat = debugger::Repeat::never,
        .run = run_undo,
    });
}

} // namespace poolkd::commands

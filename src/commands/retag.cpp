#include "commands/retag.h"

#include "commands/tag_argument.h"
#include "debugger/session.h"
#include "hunt/retag.h"
#include "render/coverage.h"
#include "render/retag.h"

namespace poolkd::commands {

using debugger::Arguments;
using debugger::Command;
using debugger::Session;

namespace {

struct RetagRequest {
    std::optional<PoolTag> tag;
    bool plan = false, undo = false, force = false, verbose = false;
};

Result<RetagRequest> parse_retag(Session& session, Arguments& arguments) {
    RetagRequest request;
    while (!arguments.done()) {
        if (arguments.take_option("plan")) {
            request.plan = true;
        } else if (arguments.take_option("undo")) {
            request.undo = true;
        } else if (arguments.take_option("force")) {
            request.force = true;
        } else if (arguments.take_option("v")) {
            request.verbose = true;
        } else if (arguments.peek() == '/' || request.tag) {
            return session.caret_error(arguments, "Extra character error");
        } else {
            POOLKD_TRY(request.tag, tag_argument(session, arguments, SingleQuotes::characters));
        }
    }
    if (request.plan && request.undo) return fail(ErrorKind::usage, "/plan and /undo exclude each other");
    if (request.plan && !request.tag) return session.caret_error(arguments, "Missing tag");
    return request;
}

Result<void> show_state(Session& session, const Arguments& arguments) {
    Answer<std::vector<const code::ModuleSites*>> modules;
    if (hunt::is_any_retagged(session.journal())) modules = session.sites().all(session.work());
    POOLKD_TRY(auto states, hunt::read_retags(session.kernel(), session.journal(), modules.value, session.work()));
    if (modules.coverage.stopped()) states.coverage.merge(modules.coverage);
    if (arguments.json) {
        session.write_json(render::retag_state_json(states));
    } else {
        session.write(render::retag_state_text(states));
    }
    return {};
}

Result<void> undo(Session& session, const Arguments& arguments, const RetagRequest& request) {
    POOLKD_TRY(const control::UndoOutcome outcome,
               hunt::undo_retags(session.kernel(), session.journal(), request.tag, request.force, session.work()));
    if (arguments.json) {
        session.write_json(render::retag_undo_json(outcome));
    } else {
        session.write(render::retag_undo_text(outcome));
    }
    if (outcome.kept.empty()) return {};
    return fail(ErrorKind::refused, "{}", render::retag_kept_text(outcome));
}

/// Shows the plan, and carries it out unless only the plan was asked for.
Result<void> retag(Session& session, const Arguments& arguments, const RetagRequest& request) {
    auto modules = session.sites().all(session.work());
    if (modules.coverage.stopped()) return fail(ErrorKind::stopped, "Stopped; nothing was changed");
    POOLKD_TRY(const hunt::RetagPlan plan,
               hunt::plan_retag(session.kernel(), session.journal(), modules.value, *request.tag, session.work()));
    std::vector<std::uint32_t> written;
    Result<void> outcome{};
    if (!request.plan) {
        auto applied = hunt::apply_retag(session.kernel(), session.journal(), plan, request.force);
        if (applied) {
            written = *std::move(applied);
        } else {
            outcome = std::unexpected(std::move(applied).error());
        }
    }
    if (arguments.json) {
        session.write_json(render::retag_plan_json(plan, request.force, written));
    } else {
        session.write(render::retag_plan_text(plan, {.force = request.force, .verbose = request.verbose},
                                              session.pointer_size()));
        if (!written.empty())
            session.write("The sites have these tags now. g lets the target run, !retag shows what each site holds, "
                          "!retag /undo puts the old tags back.\n");
    }
    // The plan has told why, sentence by sentence.
    if (!outcome && outcome.error().kind == ErrorKind::refused && !plan.possible(request.force))
        return fail(ErrorKind::refused, "Nothing was changed");
    return outcome;
}

Result<void> run_retag(Session& session, Arguments& arguments) {
    POOLKD_TRY(const RetagRequest request, parse_retag(session, arguments));
    if (request.undo) return undo(session, arguments, request);
    if (request.tag) return retag(session, arguments, request);
    return show_state(session, arguments);
}

} // namespace

void add_retag_command(debugger::CommandTable& table) {
    table.add(Command{
        .names = {"!retag"},
        .family = "Pool",
        .summary = "give each call site that shares a tag a tag of its own, and tell what each holds",
        .syntax = "!retag [/plan] [/force] [/v] Tag | !retag | !retag /undo [/force] [Tag]",
        .help =
            "The constants in memory are changed, all at one stop: free sites of the tag in all drivers pass 0, which "
            "the kernel does not compare with the block's tag; each allocation site passes a tag that nobody uses. "
            "Then "
            "the kernel's own counters tell by site what is in use, at no further cost: !retag without a tag shows "
            "them. Refused, with the reason, where a free could still name the old tag (a wrong one is bug check "
            "C2/0A), and while a thread stands between such a constant and its free. Of a driver that is loaded later "
            "with the "
            "old tag in its code a warning tells. Every write is journaled: .writes, .undo and a later session know "
            "it. /undo puts allocation sites "
            "back at once, and free sites when no block with a new tag is left.",
        .options =
            {{"Tag",
              "its characters as !poolused shows them, in quotes of either kind where a blank matters, \\x01 for "
              "one that cannot be typed; or a number like 0x20636241"},
             {"/plan", "only show what would be changed, and what speaks against it"},
             {"/v", "each reason and note by itself, not those of a kind together"},
             {"/undo", "put the old tags back, of one tag or of all"},
             {"/force", "in spite of what may be wrong but need not be; with /undo, whatever is outstanding"}},
        .json = true,
        .repeat = debugger::Repeat::never,
        .run = run_retag,
    });
}

} // namespace poolkd::commands

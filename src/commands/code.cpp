#include "commands/code.h"

#include "base/text.h"
#include "code/function.h"
#include "code/listing.h"
#include "code/namer.h"
#include "commands/code_assemble.h"
#include "debugger/session.h"
#include "render/code.h"

namespace poolkd::commands {

using debugger::Arguments;
using debugger::Command;
using debugger::Repeat;
using debugger::Session;

namespace {

constexpr std::uint64_t default_rows = 8;

/// Where `u` goes on: behind the last listing, or at the instruction pointer after a stop.
Result<VirtAddr> default_address(Session& session, const Arguments& arguments) {
    if (session.display().next_code && !arguments.processor) return *session.display().next_code;
    POOLKD_TRY(RegisterFile registers, session.registers(arguments.processor));
    return registers.ip();
}

/// What stands in for kd's "Memory access error" when a listing ends at bytes that cannot be read.
Result<void> tell_gap(Session& session, const Arguments& arguments, const Coverage& coverage) {
    if (coverage.complete()) return {};
    if (coverage.stopped()) return fail(ErrorKind::stopped, "Stopped by the user");
    return session.caret_error(arguments, "Memory access error");
}

Result<void> unassemble(Session& session, Arguments& arguments, bool past_holes) {
    code::ListingOptions options{.count = default_rows, .past_holes = past_holes};
    POOLKD_TRY(VirtAddr address, default_address(session, arguments));
    if (!arguments.done()) {
        // The element of the range is an instruction; its size in the guard against slips is that of a byte.
        POOLKD_TRY(debugger::AddressRange range, session.range(arguments, 1, default_rows));
        address = range.address;
        if (range.by_end)
            options.end = range.address + (range.count == 0 ? 0 : range.count - 1);
        else
            options.count = range.count;
    }
    POOLKD_CHECK(session.no_more(arguments));
    if (options.count > code::max_listing_rows) return session.caret_error(arguments, "Range error");
    Answer<code::Listing> listing =
        code::disassemble(session.kernel(), session.memory(), address, options, &session.work());
    session.display().next_code = listing.value.next;
    if (arguments.json) {
        session.write_json(render::listing_json(listing));
        return {};
    }
    session.write(render::listing_text(listing.value));
    if (past_holes && !listing.coverage.stopped()) return {};
    return tell_gap(session, arguments, listing.coverage);
}

Result<void> unassemble_before(Session& session, Arguments& arguments) {
    POOLKD_TRY(VirtAddr address, default_address(session, arguments));
    std::uint64_t count = default_rows;
    if (!arguments.done()) {
        POOLKD_TRY(debugger::AddressRange range, session.range(arguments, 1, default_rows));
        if (range.by_end) return session.caret_error(arguments, "Range error");
        address = range.address;
        count = range.count;
    }
    POOLKD_CHECK(session.no_more(arguments));
    if (count > code::max_listing_rows) return session.caret_error(arguments, "Range error");
    POOLKD_TRY(Answer<code::Listing> listing,
               code::disassemble_before(session.kernel(), session.memory(), address, count, &session.work()));
    // As in kd, the next `ub` goes on backwards.
    if (!listing.value.rows.empty()) session.display().next_code = listing.value.rows.front().address;
    if (arguments.json) {
        session.write_json(render::listing_json(listing));
        return {};
    }
    session.write(render::listing_text(listing.value));
    if (listing.coverage.stopped()) return fail(ErrorKind::stopped, "Stopped by the user");
    if (listing.value.rows.size() < count)
        session.print("Only {} of {} instructions could be found\n", listing.value.rows.size(), count);
    return {};
}

Result<void> unassemble_function(Session& session, Arguments& arguments) {
    bool calls_only = false, count_only = false;
    while (true) {
        if (arguments.take_option("c"))
            calls_only = true;
        else if (arguments.take_option("i"))
            count_only = true;
        else if (!arguments.take_option("D") && !arguments.take_option("m") && !arguments.take_option("o") &&
                 !arguments.take_option("O"))
            break;
    }
    POOLKD_TRY(VirtAddr address, default_address(session, arguments));
    if (!arguments.done()) {
        POOLKD_TRY(address, session.address(arguments));
    }
    POOLKD_CHECK(session.no_more(arguments));
    POOLKD_TRY(Answer<code::FunctionListing> function,
               code::analyse_function(session.kernel(), session.memory(), address, &session.work()));
    if (arguments.json) {
        session.write_json(render::function_json(function));
        return {};
    }
    if (count_only) session.print("{} instructions scanned\n\n", function.value.instructions);
    if (calls_only)
        session.write(render::function_calls_text(function, code::namer_of(session.kernel())));
    else
        session.write(render::function_text(function));
    if (function.coverage.stopped()) return fail(ErrorKind::stopped, "Stopped by the user");
    return {};
}

} // namespace

void add_code_commands(debugger::CommandTable& table) {
    auto add_u = [&](std::string_view name, std::string_view summary, bool past_holes) {
        table.add(Command{
            .names = {name},
            .family = "Code",
            .summary = summary,
            .syntax = name == "u" ? "u [<address> [<end> | L<count>]]" : "uu [<address> [<end> | L<count>]]",
            .help = "Eight instructions by default; without an address it goes on where the last listing ended.",
            .may_touch = true,
            .takes_processor = true,
            .json = true,
            .repeat = Repeat::continued,
            .run = [past_holes](Session& s, Arguments& a) { return unassemble(s, a, past_holes); },
        });
    };
    add_u("u", "show code as instructions", false);
    add_u("uu", "show code as instructions, going on behind unreadable bytes", true);
    table.add(Command{
        .names = {"ub"},
        .family = "Code",
        .summary = "show the instructions before an address",
        .syntax = "ub [<address> [L<count>]]",
        .help = "Decodes from the start of the function where one is known, so that the stream is the right one.",
        .may_touch = true,
        .takes_processor = true,
        .json = true,
        .repeat = Repeat::continued,
        .run = unassemble_before,
    });
    table.add(Command{
        .names = {"uf"},
        .family = "Code",
        .summary = "show a whole function",
        .syntax = "uf [/c] [/i] [<address>]",
        .options = {{"/c", "only its calls"}, {"/i", "the number of its instructions first"}},
        .may_touch = true,
        .takes_processor = true,
        .json = true,
        .run = unassemble_function,
    });
    add_assemble_command(table);
}

} // namespace poolkd::commands

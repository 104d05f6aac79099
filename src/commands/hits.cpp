#include "commands/hits.h"

#include "base/duration.h"
#include "commands/stop_text.h"
#include "commands/tag_argument.h"
#include "debugger/session.h"
#include "hunt/trace.h"
#include "render/trace.h"

#include <charconv>

namespace poolkd::commands {

using debugger::Arguments;
using debugger::Command;
using debugger::Session;

namespace {

using namespace std::chrono_literals;

constexpr auto usual_time = 10s;
constexpr auto usual_baseline = 300ms;

template <class Number>
Result<Number> number_above_0(std::string_view option, std::string_view word) {
    Number value{};
    auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    if (error != std::errc{} || end != word.data() + word.size() || !(value > 0))
        return fail(ErrorKind::usage, "/{} takes a number above 0, not '{}'", option, word);
    return value;
}

/// Seconds, or a length of time with a unit: "2.5", "500ms".
Result<std::chrono::milliseconds> length_of_time(std::string_view option, std::string_view word) {
    if (auto time = parse_duration(word)) return *time;
    return fail(ErrorKind::usage, "/{} takes a number of seconds, or a length of time like 500ms or 2m, not '{}'",
                option, word);
}

/// 0.1 and 10% are the same.
Result<double> share_of(std::string_view word) {
    const bool percent = word.ends_with('%');
    if (percent) word.remove_suffix(1);
    POOLKD_TRY(double share, number_above_0<double>("share", word));
    if (percent) share /= 100;
    if (share <= 1) return share;
    return fail(ErrorKind::usage, "/share takes a part of the time, like 0.1 or 10%, not '{}'", word);
}

struct HitsRequest {
    hunt::TraceOptions options;
    std::size_t stacks = 10;
};

Result<HitsRequest> parse_hits(Session& session, Arguments& arguments) {
    HitsRequest request;
    hunt::TraceOptions& options = request.options;
    options.time = usual_time;
    options.baseline = usual_baseline;
    bool have_tag = false;
    while (!arguments.done()) {
        if (arguments.take_option("n")) {
            POOLKD_TRY(options.stops, number_above_0<std::uint64_t>("n", arguments.word()));
        } else if (arguments.take_option("t")) {
            const std::string_view word = arguments.word();
            options.time.reset(); // 0: until Ctrl-C
            if (word != "0") {
                POOLKD_TRY(options.time, length_of_time("t", word));
            }
        } else if (arguments.take_option("share")) {
            POOLKD_TRY(options.share, share_of(arguments.word()));
        } else if (arguments.take_option("s")) {
            POOLKD_TRY(options.sample, number_above_0<std::uint32_t>("s", arguments.word()));
        } else if (arguments.take_option("age")) {
            POOLKD_TRY(options.age, length_of_time("age", arguments.word()));
        } else if (arguments.take_option("f")) {
            POOLKD_TRY(options.frames, number_above_0<std::size_t>("f", arguments.word()));
        } else if (arguments.take_option("noblocks")) {
            options.blocks = false;
        } else if (arguments.take_option("nobase")) {
            options.baseline = 0ms;
        } else if (arguments.take_option("sites")) {
            options.sites_at_once = true;
        } else if (arguments.take_option("all")) {
            request.stacks = 0;
        } else if (arguments.peek() == '/' || have_tag) {
            return session.caret_error(arguments, "Extra character error");
        } else {
            POOLKD_TRY(options.tag, tag_argument(session, arguments, SingleQuotes::characters));
            have_tag = true;
        }
    }
    if (!have_tag) return session.caret_error(arguments, "Missing tag");
    options.sites = [&session](Work& work) { return session.sites().all(work); };
    return request;
}

Result<void> run_hits(Session& session, Arguments& arguments) {
    POOLKD_TRY(const HitsRequest request, parse_hits(session, arguments));
    Work& work = session.work();
    auto report = hunt::trace_tag(session.kernel(), session.controller(), request.options, work,
                                  [&work](const hunt::TraceReport& so_far) {
                                      work.progress(render::trace_progress_text(so_far), so_far.hits, 0);
                                  });
    session.note_stop();
    if (!report) return std::unexpected(std::move(report).error());
    if (arguments.json) {
        session.write_json(render::trace_json(*report));
    } else {
        session.write(render::trace_text(*report, {.stacks = request.stacks, .pointer_size = session.pointer_size()}));
        // What ended it is the user's to deal with, as after `g`.
        if (report->end == hunt::TraceEnd::foreign_stop || report->end == hunt::TraceEnd::restart)
            if (const auto& last = session.controller().last()) session.write("\n" + stop_text(session, *last));
    }
    if (report->end == hunt::TraceEnd::user) session.interpreter().note_break_in();
    return {};
}

} // namespace

void add_hits_command(debugger::CommandTable& table) {
    table.add(Command{
        .names = {"!hits"},
        .family = "Pool",
        .summary = "trace a tag: stop at its allocations and frees, and tell by stack what is not freed",
        .syntax = "!hits Tag [/n Hits] [/t Time] [/share Part] [/s Sample] [/age Time] [/f Frames] [/noblocks] "
                  "[/nobase] [/sites] [/all]",
        .help =
            "The kernel stops at each allocation and free of the tag (nt!PoolHitTag), is looked at, and goes on. Frees "
            "are matched with allocations by the address of the block; what stays is listed by the stack that "
            "allocated it, with ages in the target's time. Block pointers are certain where the allocator was seen to "
            "return them, or where the pool's own records prove them. Where the kernel has no nt!PoolHitTag, or does "
            "not look "
            "at it, breakpoints on the tag's call sites take its place, as far as a kernel keeps them (32). It ends "
            "after 10 seconds or as /t and /n say; "
            "Ctrl-C gives what there is. nt!PoolHitTag then has the value that it had before; the write is journaled "
            "meanwhile, so that .undo restores it should the debugger die.",
        .options =
            {{"Tag",
              "its characters as !poolused shows them, in quotes of either kind where a blank matters, \\x01 for "
              "one that cannot be typed; or a number like 0x20636241"},
             {"/n Hits", "end after so many"},
             {"/t Time", "end after so many seconds, or 500ms, 2m; 0: not before Ctrl-C"},
             {"/share Part", "let the target stand still for that part of the time at most, like 10%: between "
                             "bursts it runs without stops, and what happens then is not seen"},
             {"/s Sample", "look at each so-manieth hit only, on average"},
             {"/age Time", "also count blocks that are out for longer than that"},
             {"/f Frames", "of a stack at most (32; not below 8)"},
             {"/noblocks", "stacks and counts only: faster, but nothing of what is outstanding"},
             {"/nobase", "do not let it run undisturbed first, to measure by how much it is slowed down"},
             {"/sites", "breakpoints on the tag's call sites from the start, not nt!PoolHitTag"},
             {"/all", "show all stacks, not the first ten"}},
        .resumes = true,
        .json = true,
        .repeat = debugger::Repeat::never,
        .run = run_hits,
    });
}

} // namespace poolkd::commands

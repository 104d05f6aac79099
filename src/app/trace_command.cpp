#include "app/trace_command.h"

#include "app/answer_output.h"
#include "app/count_check.h"
#include "app/evidence_arguments.h"
#include "app/file_work.h"
#include "app/live_session.h"
#include "app/subcommand.h"
#include "base/duration.h"
#include "base/tag_text.h"
#include "hunt/trace.h"
#include "render/trace.h"

#include <CLI/CLI.hpp>

namespace poolkd::app {

namespace {

using namespace std::chrono_literals;

constexpr auto trace_baseline = 300ms;

constexpr const char* trace_examples = R"(
The kernel stops at each allocation and free of the tag (nt!PoolHitTag), is looked at, and goes on; what is not freed is
listed by the stack that allocated it. Ctrl-C gives what there is. The target is left as it was found.

  poolkd trace 'Abc ' --lab                            a practice machine
  poolkd trace -k com:pipe,port=/run/vm/kd.sock Leak --for 60s --share 0.2
  poolkd trace lab:run Leak --stops 5000 --age 30s --json

Exit codes: 0 done, also when Ctrl-C ended it; 1 failed, or something else stopped the target; 2 the command line is wrong;
3 the target could not be reached, or Ctrl-C came before it was.)";

struct TraceWords {
    std::vector<std::string> words; ///< a connection may come before the tag
    TargetArguments target;
    hunt::TraceOptions options;
    std::string time = "10s", age;
    std::size_t stacks = 10;
    bool no_blocks = false, no_baseline = false;
    bool json = false;

    void add_to(CLI::App& command);
};

void TraceWords::add_to(CLI::App& command) {
    command
        .add_option(
            "tag", words,
            "one to four characters, \\x01 for one that cannot be typed, or a number like 0x20636241; a connection "
            "may be before it")
        ->type_name("[TARGET] TAG")
        ->required()
        ->expected(1, 2);
    command.add_option("--for", time, "end after that time (10s; 0: at Ctrl-C)")->type_name("DURATION");
    command.add_option("--stops", options.stops, "end after so many allocations and frees")
        ->check(count_from(1))
        ->type_name("N");
    command.add_option("--share", options.share, "the target stands still for that part of the time at most, like 0.1")
        ->check(CLI::Range(0.001, 1.0))
        ->type_name("PART");
    command.add_option("--sample", options.sample, "look at each so-manieth allocation or free only, on average")
        ->check(count_from(1))
        ->type_name("N");
    command.add_option("--age", age, "also count blocks that are out for longer than that")->type_name("DURATION");
    command.add_option("--frames", options.frames, "of a stack at most")->check(CLI::Range(1, 256))->type_name("N");
    command.add_option("--top", stacks, "stacks to list at most (text: 10; 0: all)")
        ->check(count_from(0))
        ->type_name("N");
    command.add_flag("--no-blocks", no_blocks, "stacks and counts only: faster, but nothing of what is outstanding");
    command.add_flag("--no-baseline", no_baseline, "do not measure by how much the trace slows the target down");
    command.add_flag("--json", json, "answer in JSON");
    target.add_to(command);
}

Result<std::chrono::milliseconds> trace_duration(std::string_view option, const std::string& text) {
    if (auto duration = parse_duration(text)) return *duration;
    return fail(ErrorKind::usage, "{} takes a length of time like 500ms, 30s or 5m, not '{}'", option, text);
}

Result<void> sort_out_trace(TraceWords& words) {
    POOLKD_CHECK(words.target.take_connection(words.words));
    if (words.words.empty()) return fail(ErrorKind::usage, "Name the tag");
    if (words.words.size() > 1)
        return fail(ErrorKind::usage, "One tag only; '{}' is no connection either (like com:... or lab:NAME)",
                    words.words.front());
    POOLKD_TRY(words.options.tag, parse_tag(words.words.back()));
    if (words.time == "0") {
        words.options.time.reset();
    } else {
        POOLKD_TRY(words.options.time, trace_duration("--for", words.time));
    }
    if (!words.age.empty()) {
        POOLKD_TRY(words.options.age, trace_duration("--age", words.age));
    }
    words.options.baseline = words.no_baseline ? 0ms : trace_baseline;
    words.options.blocks = !words.no_blocks;
    return {};
}

int run_trace(TraceWords& words) {
    if (auto sorted = sort_out_trace(words); !sorted) return tell_failure(sorted.error());
    auto live = LiveSession::open(words.target);
    if (!live) return tell_no_session(live.error());
    debugger::Session& session = (*live)->session();
    Work& work = (*live)->work();
    if (session.running())
        if (auto stopped = session.controller().stop(work); !stopped) return tell_failure(stopped.error());
    words.options.sites = [&session](Work& the_work) { return session.sites().all(the_work); };
    auto report = hunt::trace_tag((*live)->kernel(), session.controller(), words.options, work,
                                  [&work](const hunt::TraceReport& so_far) {
                                      work.progress(render::trace_progress_text(so_far), so_far.hits, 0);
                                  });
    clear_progress(work);
    if (!report) return tell_failure(report.error());
    const bool foreign = report->end == hunt::TraceEnd::foreign_stop;
    if (foreign) session.request_quit(debugger::Quit::frozen); // whoever owns that stop finds it
    if (words.json) {
        write_json_answer(render::trace_json(*report));
    } else {
        write_answer(render::trace_text(*report, {.stacks = words.stacks, .pointer_size = session.pointer_size()}));
    }
    return foreign || report->end == hunt::TraceEnd::link ? exit_command_failed : exit_good;
}

} // namespace

void add_trace_command(CLI::App& program, int& exit_code) {
    add_subcommand(program, exit_code, "trace",
                   "stops a live target at a tag's allocations and frees: who does not free", trace_examples,
                   run_trace);
}

} // namespace poolkd::app

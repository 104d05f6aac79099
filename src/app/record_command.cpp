#include "app/record_command.h"

#include "app/answer_output.h"
#include "app/live_session.h"
#include "app/snapshot_file.h"
#include "app/subcommand.h"
#include "base/duration.h"
#include "render/quantity.h"

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <unistd.h>

namespace poolkd::app {

namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
using hunt::SeriesEnd;

constexpr auto record_interval = 30s;
constexpr auto quiet_interval = 60s; // between two lines of progress where nobody watches

constexpr const char* record_examples =
    "Without --for and --count it goes on until Ctrl-C. The target stands still while it is read.\n";

struct RecordArguments {
    std::string file;
    TargetArguments target;
    SampleArguments sample;
    bool json = false;

    void add_to(CLI::App& command);
};

void RecordArguments::add_to(CLI::App& command) {
    command
        .add_option("file", file,
                    "added to; .csv, .json and .jsonl, .log (as PoolMon writes) are text, all else is a series")
        ->required();
    target.add_to(command);
    sample.add_to(command);
    command.add_flag("--json", json, "tell the cost in JSON");
}

double milliseconds(std::chrono::nanoseconds time) {
    return std::chrono::duration<double, std::milli>(time).count();
}

std::string progress_line(const hunt::Snapshot& snapshot, const hunt::SampleCost& cost) {
    double nonpaged = 0, paged = 0;
    for (const hunt::TagCounts& row : snapshot.rows)
        (row.key.kind == hunt::PoolKind::nonpaged ? nonpaged : paged) += static_cast<double>(row.bytes);
    std::string text =
        fmt::format("{:>5}  {}  nonpaged {:>7}  paged {:>7}  stopped {}", cost.snapshots,
                    snapshot.time ? render::time_text(*snapshot.time) : "no time", render::size_text(nonpaged),
                    render::size_text(paged), duration_text(cost.stopped_last));
    if (!snapshot.coverage.complete()) text += "  " + snapshot.coverage.sentence();
    return text;
}

/// Progress goes to stderr: a line a snapshot for who watches, one a minute into a log.
class Progress {
  public:
    explicit Progress(LiveSession& session) : session_(session) {}
    void tell(const hunt::Snapshot& snapshot, const hunt::SampleCost& cost) {
        const Clock::time_point now = Clock::now();
        if (!watched_ && cost.snapshots > 1 && now < next_) return;
        next_ = now + quiet_interval;
        session_.session().write(progress_line(snapshot, cost) + "\n");
    }

  private:
    LiveSession& session_;
    const bool watched_ = isatty(STDERR_FILENO) != 0;
    Clock::time_point next_{};
};

std::string summary_text(const RecordArguments& arguments, const std::string& machine, const hunt::SampleCost& cost) {
    const std::size_t count = cost.snapshots;
    if (count == 0) return fmt::format("No snapshot of {} was taken.\n", machine);
    const double mean = milliseconds(cost.stopped) / static_cast<double>(count);
    return fmt::format("{} snapshot{} of {} within {} in {}\n"
                       "The target stood still for {:.3g} ms a snapshot (at most {:.3g}), {} in all: {:.2g} % of the "
                       "time; {} in {} requests over the link\n",
                       count, count == 1 ? "" : "s", machine, duration_text(cost.elapsed), arguments.file, mean,
                       milliseconds(cost.stopped_longest), duration_text(cost.stopped), cost.share() * 100,
                       render::size_text(static_cast<double>(cost.bytes)), cost.requests);
}

std::string_view to_text(SeriesEnd end) {
    switch (end) {
    case SeriesEnd::planned: return "planned";
    case SeriesEnd::user: return "user";
    case SeriesEnd::foreign_stop: return "foreign_stop";
    case SeriesEnd::none: break;
    }
    return "error";
}

nlohmann::json summary_json(const RecordArguments& arguments, const std::string& machine,
                            const hunt::LiveSource& source) {
    const hunt::SampleCost& cost = source.cost();
    return {{"command", "record"},
            {"file", arguments.file},
            {"machine", machine},
            {"snapshots", cost.snapshots},
            {"end", to_text(source.end())},
            {"elapsed_ms", milliseconds(cost.elapsed)},
            {"stopped_ms", milliseconds(cost.stopped)},
            {"stopped_longest_ms", milliseconds(cost.stopped_longest)},
            {"stopped_share", cost.share()},
            {"bytes", cost.bytes},
            {"requests", cost.requests},
            {"notes", source.notes()}};
}

Result<void> take_all(hunt::LiveSource& source, hunt::SnapshotWriter& file, LiveSession& session) {
    Progress progress(session);
    hunt::Snapshot snapshot;
    while (true) {
        POOLKD_TRY(bool more, source.next(snapshot, session.work()));
        if (!more) return {};
        POOLKD_CHECK(file.add(snapshot));
        progress.tell(snapshot, source.cost());
    }
}

int record(RecordArguments& arguments) {
    auto session = LiveSession::open(arguments.target);
    if (!session) return tell_no_session(session.error());
    const std::string& machine = (*session)->machine();
    auto failed = [](const Error& error) {
        tell_line("poolkd: " + error.message);
        return exit_command_failed;
    };
    auto file = open_recording(arguments.file, machine);
    if (!file) return failed(file.error());
    auto source = (*session)->source(arguments.sample.plan(record_interval));
    const Result<void> taken = take_all(*source, **file, **session);
    for (const std::string& note : source->notes())
        tell_line(note);
    constexpr auto replace = nlohmann::json::error_handler_t::replace; // names of files are any bytes
    if (arguments.json) {
        fmt::print("{}\n", summary_json(arguments, machine, *source).dump(-1, ' ', false, replace));
    } else {
        fmt::print("{}", summary_text(arguments, machine, source->cost()));
    }
    if (!taken) return failed(taken.error());
    // A script that asked for a day must notice that it got an hour.
    return source->end() == SeriesEnd::foreign_stop ? exit_command_failed : exit_good;
}

} // namespace

void add_record_command(CLI::App& program, int& exit_code) {
    add_subcommand(program, exit_code, "record", "snapshots of a live kernel's pool tags into a file", record_examples,
                   record);
}

} // namespace poolkd::app

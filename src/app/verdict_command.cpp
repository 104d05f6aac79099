#include "app/verdict_command.h"

#include "app/answer_output.h"
#include "app/count_check.h"
#include "app/evidence_arguments.h"
#include "app/file_work.h"
#include "app/image_evidence.h"
#include "app/live_session.h"
#include "app/sampling_progress.h"
#include "app/subcommand.h"
#include "app/verdict_arguments.h"
#include "hunt/verdict.h"
#include "render/verdict.h"

#include <CLI/CLI.hpp>

#include <algorithm>

namespace poolkd::app {

namespace {

/// Of a tag that frees most of its blocks too, the judge wants a good two dozen before it says "leak".
constexpr std::size_t usual_snapshots = 30;
constexpr std::chrono::milliseconds verdict_interval{1000};

constexpr const char* verdict_examples = R"(
Evidence is any file with snapshots of pool tags, told apart by its content: PoolMon's text (poolmon -n, or its screen
redirected), !poolused of kd, CSV, JSON, series of poolkd record; or a memory image, as -z opens them, which is one
snapshot. Several files are put in order by time. On a live target snapshots are taken, 30 of them a second apart unless
told otherwise; Ctrl-C gives the verdict on what there is.

  poolkd verdict leak.series                         a series of poolkd record
  poolkd verdict --interval 30m snap*.log            PoolMon's files, taken every half hour
  poolkd verdict -y srv* monday.dmp friday.dmp       memory images of one machine
  poolkd verdict --tags pooltag.txt --all poolmon.log
  poolkd verdict -k com:pipe,port=/run/vm/kd.sock --every 10s --for 10m
  poolkd verdict --fail-on leaking leak.series       for cron: exit code 4 when something leaks

Exit codes: 0 done, whatever the verdict, also when Ctrl-C ended it early; 1 failed, or stopped before there was a snapshot;
2 the command line is wrong; 3 the target could not be reached, or Ctrl-C came before it was; 4 --fail-on found what it
looks for.)";

struct VerdictWords {
    std::vector<std::string> evidence;
    TargetArguments target;
    SampleArguments sampling;
    EvidenceArguments evidence_options;
    TagListArguments tags;
    VerdictArguments verdict;
    OutputArguments output;
    bool all = false;
    std::optional<std::size_t> top;

    void add_to(CLI::App& command);
    [[nodiscard]] bool live() const { return target.given(); }
    [[nodiscard]] std::vector<std::filesystem::path> files() const { return {evidence.begin(), evidence.end()}; }
};

void VerdictWords::add_to(CLI::App& command) {
    command.add_option("evidence", evidence, "files, - for standard input, or one target: com:..., lab:NAME")
        ->type_name("EVIDENCE");
    command.add_flag("--all", all, "list every tag, not only those that leak or grow");
    command.add_option("--top", top, "tags to list at most (text: 20; 0: all)")->check(count_from(0))->type_name("N");
    verdict.add_to(command);
    evidence_options.add_to(command);
    tags.add_to(command);
    target.add_to(command);
    sampling.add_to(command);
    output.add_to(command);
}

/// A connection among the words is the target; it stands alone.
Result<void> sort_out(VerdictWords& words) {
    POOLKD_CHECK(words.target.take_connection(words.evidence));
    if (words.live() && !words.evidence.empty())
        return fail(ErrorKind::usage, "Either files or a live target, not both ({})", words.evidence.front());
    if (!words.live() && words.evidence.empty() && connection_text(words.target.options).empty())
        return fail(ErrorKind::usage, "Name the evidence: files, or a target with -k or --lab");
    if (!words.evidence.empty() && words.sampling.given())
        return fail(ErrorKind::usage, "--every, --for and --count are for a live target");
    return {};
}

int answer(const VerdictWords& words, const Result<hunt::Report>& report) {
    if (!report) return tell_failure(report.error());
    if (words.output.json) {
        write_json_answer(render::verdict_json(*report, words.top.value_or(0)));
    } else if (words.output.csv) {
        write_answer(render::verdict_csv(*report, words.top.value_or(0)));
    } else {
        render::VerdictView view{.all = words.all, .style = words.output.style()};
        if (words.top) view.rows = *words.top;
        if (words.all && !words.top) view.rows = 0;
        write_answer(render::verdict_text(*report, view));
    }
    const bool found = std::ranges::any_of(
        report->rows, [&](const hunt::TagVerdict& row) { return words.verdict.looks_for(row.verdict); });
    return found ? exit_found : exit_good;
}

int judge_files(const VerdictWords& words, const hunt::VerdictOptions& options) {
    FileWork file_work;
    hunt::EvidenceOptions evidence = words.evidence_options.options;
    evidence.open_other = image_evidence(words.target.options.symbol_path);
    auto source = open_files_or_pipe(words.files(), evidence, file_work.work());
    if (!source) return tell_failure(source.error());
    auto report = hunt::judge(**source, options, file_work.work());
    clear_progress(file_work.work());
    return answer(words, report);
}

int judge_target(const VerdictWords& words, const hunt::VerdictOptions& options) {
    auto live = LiveSession::open(words.target);
    if (!live) return tell_no_session(live.error());
    hunt::SamplePlan plan = words.sampling.plan(verdict_interval);
    if (!plan.count && !plan.period) plan.count = usual_snapshots;
    auto source = (*live)->source(plan);
    auto report = [&] {
        const SamplingProgress progress(*source, plan);
        return hunt::judge(*source, options, (*live)->work());
    }();
    clear_progress((*live)->work());
    if (!report && source->end() == hunt::SeriesEnd::user)
        return tell_failure({ErrorKind::stopped, "Stopped before the first snapshot was taken."});
    return answer(words, report);
}

int run_verdict(VerdictWords& words) {
    if (auto sorted = sort_out(words); !sorted) return tell_failure(sorted.error());
    auto tags = words.tags.read();
    if (!tags) return tell_failure(tags.error());
    const hunt::VerdictOptions options{.tags = &*tags, .limit = words.verdict.limit};
    return words.evidence.empty() ? judge_target(words, options) : judge_files(words, options);
}

} // namespace

void add_verdict_command(CLI::App& program, int& exit_code) {
    add_subcommand(program, exit_code, "verdict", "which tags leak, which only look so, and how sure that is",
                   verdict_examples, run_verdict);
}

} // namespace poolkd::app

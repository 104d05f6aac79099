#include "app/hunt_command.h"

#include "app/answer_output.h"
#include "app/count_check.h"
#include "app/evidence_arguments.h"
#include "app/file_work.h"
#include "app/hunt_evidence.h"
#include "app/image_evidence.h"
#include "app/live_session.h"
#include "app/subcommand.h"
#include "app/verdict_arguments.h"
#include "base/duration.h"
#include "base/tag_text.h"
#include "commands/general.h"
#include "hunt/hunt.h"
#include "hunt/redact.h"
#include "render/characters.h"
#include "render/hunt.h"
#include "render/hunt_html.h"
#include "render/hunt_json.h"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <memory>

namespace poolkd::app {

namespace {

constexpr std::chrono::milliseconds shortest_budget{5000};

constexpr const char* hunt_examples = R"(
Says which tags leak, whose they are, from where in the code, and how sure that is, by whatever evidence there is. A
live target is sampled, its suspects are watched at each allocation and free, and its memory is looked through, all
within the budget; it is left as it was found. A memory image is looked through. Counters over time alone tell which
tag; beside a target or an image they give the verdict, and the target or image tells from where. Ctrl-C gives the
report of what there is by then.

  poolkd hunt --lab=hunt                              a practice machine with a dozen leaks
  poolkd hunt -k com:pipe,port=/run/vm/kd.sock --report leak.html
  poolkd hunt -y srv* MEMORY.DMP --report leak.json   a memory image
  poolkd hunt leak.series MEMORY.DMP                  counters over days, and an image of the end
  poolkd hunt leak.series                             counters alone
  poolkd hunt --tag Abc --budget 5m -k lab:run        one tag, and five minutes

Exit codes: 0 done, whatever was found, also when Ctrl-C ended it early: the report then says that it is partial; 1 failed,
stopped before there was a snapshot, or the evidence does not have the tag of --tag; 2 the command line is wrong; 3 the
target could not be reached, or Ctrl-C came before it was; 4 --fail-on found what it looks for, in a partial report too.)";

struct HuntWords {
    std::vector<std::string> evidence;
    TargetArguments target;
    EvidenceArguments evidence_options;
    TagListArguments tags;
    OutputArguments output;
    std::vector<std::string> reports;
    std::string budget;
    std::optional<std::string> tag;
    VerdictArguments verdict;
    std::size_t top = hunt::HuntOptions{}.top;
    bool redacted = false;
    hunt::HuntOptions options;

    void add_to(CLI::App& command);
    /// The environment names a target only for who names no evidence.
    [[nodiscard]] bool live() const {
        return target.given() || (evidence.empty() && !connection_text(target.options).empty());
    }
};

void HuntWords::add_to(CLI::App& command) {
    command
        .add_option("evidence", evidence,
                    "memory images, files of counters, - for standard input, a target: com:..., lab:NAME")
        ->type_name("EVIDENCE");
    command.add_option("--budget", budget, "time for a live target, like 60s (the default) or 5m")
        ->type_name("DURATION");
    command.add_option("--tag", tag, "hunt this tag, whatever its verdict: Abc, 0x20636241, '\\x01O\\xfe\\x09'")
        ->type_name("TAG");
    command.add_option("--top", top, "tags to look into at most (12)")->check(count_from(1))->type_name("N");
    verdict.add_to(command);
    command
        .add_option("--report", reports, "also write the report to this file: .html (to be handed on), .json or .txt")
        ->type_name("FILE")
        ->take_all()
        ->allow_extra_args(false);
    command.add_flag("--redact", redacted,
                     "leave out names of machines, users, processes, folders and files of evidence");
    evidence_options.add_to(command);
    tags.add_to(command);
    target.add_to(command);
    command.add_flag("--json", output.json, "answer in JSON (docs/json.md)")->group("Output");
    command.add_flag("--ascii", output.ascii, "draw with ASCII characters")->group("Output");
}

/// Checks the words; a connection among them is the target.
Result<void> sort_out_hunt(HuntWords& words) {
    POOLKD_CHECK(words.target.take_connection(words.evidence));
    if (words.evidence.empty() && !words.live())
        return fail(ErrorKind::usage, "Name the evidence: a memory image, counters, or a target with -k or --lab");
    for (const std::string& report : words.reports) {
        POOLKD_CHECK(report_form(report));
        POOLKD_CHECK(can_write_report(report)); // not only when the hunt is over
    }
    if (!words.budget.empty()) {
        const auto budget = parse_duration(words.budget);
        if (!budget || *budget < shortest_budget)
            return fail(ErrorKind::usage, "--budget takes a length of time from 5s on, like 90s or 5m, not '{}'",
                        words.budget);
        words.options.budget = *budget;
    }
    if (words.tag) {
        POOLKD_TRY(words.options.tag, parse_tag(*words.tag));
    }
    words.options.top = words.top;
    return {};
}

/// The first line of `vertarget`.
std::string target_line(debugger::Session& session) {
    if (session.running()) return {};
    const std::string text = commands::target_text(session);
    return text.substr(0, text.find('\n'));
}

std::string program_name() {
    const std::string text = commands::product_text();
    return text.substr(0, text.find(' ', text.find(' ') + 1)); // "poolkd 0.6.0"
}

/// The plan and each step, on stderr: stdout has the answer alone.
void show_progress_of(hunt::HuntInput& input, Work& work) {
    input.on_plan = [](const hunt::HuntReport& report) {
        std::fputs(render::terminal_text(render::hunt_plan_text(report)).c_str(), stderr);
    };
    input.on_step = [&work](const hunt::HuntStep& step) {
        clear_progress(work);
        work.restart();
        if (!step.outcome.empty())
            fmt::print(stderr, "{}: {}.\n", render::terminal_text(step.text), render::terminal_text(step.outcome));
    };
}

/// What nobody can free any more is a leak, growing or not.
bool found_by(const hunt::HuntReport& report, const VerdictArguments& wanted) {
    return std::ranges::any_of(report.suspects, [&](const hunt::Suspect& suspect) {
        return wanted.looks_for(suspect.orphaned ? hunt::Verdict::leaking : report.verdict.rows[suspect.row].verdict);
    });
}

int answer_hunt(const HuntWords& words, const HuntEvidence& evidence, Result<hunt::HuntReport>& report) {
    if (!report) return tell_failure(report.error());
    if (words.redacted) hunt::redact(*report, evidence.all);
    std::optional<Error> unwritten; // the answer is worth showing all the same
    for (const std::string& file : words.reports) {
        std::string content;
        switch (*report_form(file)) {
        case ReportForm::html: content = render::hunt_html(*report); break;
        case ReportForm::json:
            content = render::hunt_json(*report).dump(1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
            break;
        case ReportForm::text: content = render::hunt_text(*report, render::ChartStyle::unicode); break;
        }
        if (auto written = write_report(file, content); !written) {
            unwritten = std::move(written).error();
        } else {
            fmt::print(stderr, "The report is in {}.\n", file);
        }
    }
    if (words.output.json) {
        write_json_answer(render::hunt_json(*report));
    } else {
        write_answer(render::hunt_text(*report, words.output.style()));
    }
    if (unwritten) return tell_failure(*unwritten);
    if (report->tag_missing)
        return tell_failure(
            fail(ErrorKind::not_found, "The evidence does not have the tag '{}'", typed_tag(*words.options.tag))
                .error());
    return found_by(*report, words.verdict) ? exit_found : exit_good;
}

int hunt_counters(HuntWords& words, const HuntEvidence& evidence) {
    FileWork file_work;
    auto source = open_files_or_pipe(evidence.all, words.evidence_options.options, file_work.work());
    if (!source) return tell_failure(source.error());
    hunt::HuntInput input;
    input.series = source->get();
    input.options = words.options;
    show_progress_of(input, file_work.work());
    auto report = hunt::hunt(input, file_work.work());
    clear_progress(file_work.work());
    return answer_hunt(words, evidence, report);
}

/// With a kernel to look into: a live one, or the last image named.
int hunt_kernel(HuntWords& words, const HuntEvidence& evidence) {
    const bool live = words.live();
    if (!live) words.target.options.image = evidence.images.back().string();
    auto opened = LiveSession::open(words.target);
    if (!opened) return live ? tell_no_session(opened.error()) : tell_failure(opened.error());
    LiveSession& session = **opened;
    Work& work = session.work();
    hunt::EvidenceOptions evidence_options = words.evidence_options.options;
    evidence_options.open_other = image_evidence(words.target.options.symbol_path);
    hunt::HuntInput input;
    std::unique_ptr<hunt::SnapshotSource> series;
    if (!evidence.all.empty()) {
        // A single image is open already.
        auto source = !live && evidence.all.size() == 1 ? image_source(session.session(), evidence.images.front(), work)
                                                        : open_files_or_pipe(evidence.all, evidence_options, work);
        if (!source) return tell_failure(source.error());
        series = *std::move(source);
        input.series = series.get();
    }
    input.kernel = &session.kernel();
    input.sites = &session.session().sites();
    if (live) input.controller = &session.session().controller();
    input.options = words.options;
    input.options.target = target_line(session.session());
    input.options.machine = session.machine();
    input.on_foreign_stop = [&session] { session.session().request_quit(debugger::Quit::frozen); };
    show_progress_of(input, work);
    auto report = hunt::hunt(input, work);
    clear_progress(work);
    return answer_hunt(words, evidence, report);
}

int run_hunt(HuntWords& words) {
    if (auto sorted = sort_out_hunt(words); !sorted) return tell_failure(sorted.error());
    auto tags = words.tags.read();
    if (!tags) return tell_failure(tags.error());
    words.options.verdict = {.tags = &*tags, .limit = words.verdict.limit};
    words.options.program = program_name();
    const HuntEvidence evidence = sort_evidence(words.evidence);
    return words.live() || !evidence.images.empty() ? hunt_kernel(words, evidence) : hunt_counters(words, evidence);
}

} // namespace

void add_hunt_command(CLI::App& program, int& exit_code) {
    add_subcommand(program, exit_code, "hunt", "which tags leak, whose they are, and from where in the code",
                   hunt_examples, run_hunt);
}

} // namespace poolkd::app

#include "app/diff_command.h"

#include "app/answer_output.h"
#include "app/count_check.h"
#include "app/evidence_arguments.h"
#include "app/file_work.h"
#include "app/image_evidence.h"
#include "app/live_session.h"
#include "app/subcommand.h"
#include "hunt/difference.h"
#include "render/difference.h"

#include <CLI/CLI.hpp>

namespace poolkd::app {

namespace {

constexpr const char* diff_examples = R"(
Each is a file, of which the last snapshot counts, or one snapshot of it: FILE@first, FILE@12, FILE@last. A file alone is
its first snapshot against its last. A memory image, as -z opens them, is one snapshot. With a target, that is the
second one, as it is now.

  poolkd diff monday.log friday.log
  poolkd diff leak.series@first leak.series@20
  poolkd diff leak.series
  poolkd diff -y srv* monday.dmp friday.dmp
  poolkd diff before.csv -k com:pipe,port=/run/vm/kd.sock

Exit codes: 0 done, whatever the difference; 1 failed; 2 the command line is wrong; 3 the target could not be reached.)";

struct DiffWords {
    std::vector<std::string> sides;
    TargetArguments target;
    EvidenceArguments evidence_options;
    OutputArguments output;
    bool all = false;
    std::optional<std::size_t> top;

    void add_to(CLI::App& command);
};

void DiffWords::add_to(CLI::App& command) {
    command.add_option("snapshots", sides, "the older and the newer one")
        ->type_name("SNAPSHOT")
        ->expected(1, 2)
        ->required();
    command.add_flag("--all", all, "list every tag, not only those that changed");
    command.add_option("--top", top, "tags to list at most (text: 20; 0: all)")->check(count_from(0))->type_name("N");
    evidence_options.add_to(command);
    target.add_to(command);
    output.add_to(command);
}

Result<void> sort_out(DiffWords& words) {
    if (words.sides.size() > 1 && is_connection(words.sides.front()))
        return fail(ErrorKind::usage, "A target is the second of the two, not the first");
    POOLKD_CHECK(words.target.take_connection(words.sides));
    if (words.sides.empty()) return fail(ErrorKind::usage, "Name two files, or a file and a target");
    if (words.target.given() && words.sides.size() > 1)
        return fail(ErrorKind::usage, "{}: with a target there is one file", words.sides.back());
    return {};
}

int answer(const DiffWords& words, const Result<hunt::Snapshot>& before, const Result<hunt::Snapshot>& after) {
    if (!before) return tell_failure(before.error());
    if (!after) return tell_failure(after.error());
    const hunt::Difference difference = hunt::difference(*before, *after);
    if (words.output.json) {
        write_json_answer(render::difference_json(difference, words.top.value_or(0)));
    } else if (words.output.csv) {
        write_answer(render::difference_csv(difference, words.top.value_or(0)));
    } else {
        render::DifferenceView view{.all = words.all};
        if (words.top) view.rows = *words.top;
        if (words.all && !words.top) view.rows = 0;
        write_answer(render::difference_text(difference, view));
    }
    return exit_good;
}

Result<hunt::Snapshot> read_side(const DiffWords& words, const SnapshotName& name) {
    FileWork file_work;
    hunt::EvidenceOptions evidence = words.evidence_options.options;
    evidence.open_other = image_evidence(words.target.options.symbol_path);
    return read_snapshot(name, evidence, file_work.work());
}

int compare_files(const DiffWords& words) {
    SnapshotName before = SnapshotName::parse(words.sides.front());
    const SnapshotName after = SnapshotName::parse(words.sides.back());
    if (words.sides.size() == 1) {
        if (before.number != 0) return tell_failure({ErrorKind::usage, "Name the other snapshot too"});
        before.number = 1;
    }
    return answer(words, read_side(words, before), read_side(words, after));
}

int compare_with_target(const DiffWords& words) {
    // The file first: what is wrong with it shows before a machine is started.
    auto before = read_side(words, SnapshotName::parse(words.sides.front()));
    if (!before) return tell_failure(before.error());
    auto live = LiveSession::open(words.target);
    if (!live) return tell_no_session(live.error());
    hunt::Snapshot after;
    hunt::SamplePlan plan;
    plan.count = 1;
    auto source = (*live)->source(plan);
    auto taken = source->next(after, (*live)->work());
    clear_progress((*live)->work());
    if (!taken) return tell_failure(taken.error());
    if (!*taken)
        return tell_failure(
            {ErrorKind::stopped, source->notes().empty() ? "No snapshot was taken" : source->notes().back()});
    return answer(words, before, std::move(after));
}

int run_diff(DiffWords& words) {
    if (auto sorted = sort_out(words); !sorted) return tell_failure(sorted.error());
    return words.target.given() ? compare_with_target(words) : compare_files(words);
}

} // namespace

void add_diff_command(CLI::App& program, int& exit_code) {
    add_subcommand(program, exit_code, "diff", "what each tag gained and lost between two snapshots", diff_examples,
                   run_diff);
}

} // namespace poolkd::app

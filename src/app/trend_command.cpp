#include "app/trend_command.h"

#include "app/answer_output.h"
#include "app/count_check.h"
#include "app/evidence_arguments.h"
#include "app/file_work.h"
#include "app/image_evidence.h"
#include "app/options.h"
#include "app/subcommand.h"
#include "hunt/export.h"
#include "hunt/trend.h"
#include "render/trend.h"

#include <CLI/CLI.hpp>

#include <memory>
#include <set>

namespace poolkd::app {

namespace {

constexpr const char* trend_examples = R"(
Tag patterns are kd's: * stands for any run of characters, ? for any one, and case matters. Up to three tags get a chart
of their own, more a small one each. --csv gives the snapshots of these tags as a table that poolkd reads as evidence.

  poolkd trend leak.series                     the 20 tags that gained most
  poolkd trend leak.series Abc                 one tag, with a chart
  poolkd trend leak.series 'Nt*' --paged --sort bytes
  poolkd trend leak.series 'WC*' --csv > wcifs.csv

Exit codes: 0 done; 1 failed; 2 the command line is wrong.)";

constexpr std::size_t output_bytes = 1 << 16;

struct TrendWords {
    std::string series;
    hunt::TrendOptions tags;
    EvidenceArguments evidence_options;
    std::optional<std::string> symbol_path;
    OutputArguments output;
    bool nonpaged = false, paged = false;
    std::optional<std::size_t> top;
    std::string sort = "growth";

    [[nodiscard]] render::TrendView view() const {
        using enum render::TrendSort;
        render::TrendView view{.sort = sort == "name"    ? name
                                       : sort == "bytes" ? bytes
                                                         : growth,
                               .style = output.style()};
        if (top) view.rows = *top;
        return view;
    }

    void add_to(CLI::App& command);
};

void TrendWords::add_to(CLI::App& command) {
    command.add_option("series", series, "file with snapshots, of any format that is read as evidence")
        ->type_name("SERIES")
        ->required();
    command.add_option("tags", tags.patterns, "tags or patterns (default: all)")->type_name("TAG");
    command.add_option("--top", top, "tags at most (text: 20; 0: all)")->check(count_from(0))->type_name("N");
    command.add_option("--sort", sort, "growth (default), bytes or name")
        ->check(CLI::IsMember({"growth", "bytes", "name"}))
        ->type_name("ORDER");
    CLI::Option* other = command.add_flag("--nonpaged", nonpaged, "tags of nonpaged pool only");
    command.add_flag("--paged", paged, "tags of paged pool only")->excludes(other);
    evidence_options.add_to(command);
    command.add_option("-y", symbol_path, "symbol path, for a memory image")->type_name("PATH")->group("Evidence");
    output.add_to(command);
}

using Source = std::unique_ptr<hunt::SnapshotSource>;

Result<Source> open(const TrendWords& words, Work& work) {
    hunt::EvidenceOptions options = words.evidence_options.options;
    options.open_other = image_evidence(words.symbol_path);
    return open_files_or_pipe({words.series}, options, work);
}

/// The tags that `--top` leaves; nothing when all are wanted.
Result<std::optional<std::set<hunt::TagKey>>> chosen_tags(const TrendWords& words, Work& work) {
    if (!words.top || *words.top == 0) return std::nullopt;
    POOLKD_TRY(Source source, open(words, work));
    POOLKD_TRY(hunt::Trend trend, hunt::read_trend(*source, words.tags, work));
    std::set<hunt::TagKey> chosen;
    for (const hunt::TagTrend* tag : render::select_trends(trend, words.view()))
        chosen.insert(tag->key);
    return chosen;
}

/// The snapshots go by one at a time, so that a long series needs no memory.
Result<void> write_snapshots(const TrendWords& words, Work& work) {
    POOLKD_TRY(auto chosen, chosen_tags(words, work));
    POOLKD_TRY(Source source, open(words, work));
    hunt::Snapshot snapshot;
    std::string text(hunt::csv_header);
    std::size_t done = 0;
    for (;;) {
        POOLKD_TRY(bool more, source->next(snapshot, work));
        if (!more) break;
        std::erase_if(snapshot.rows, [&](const hunt::TagCounts& row) {
            return !words.tags.wants(row.key) || (chosen && !chosen->contains(row.key));
        });
        POOLKD_CHECK(hunt::append_csv(text, snapshot));
        if (text.size() >= output_bytes) {
            write_answer(text);
            text.clear();
        }
        work.progress("reading snapshots", ++done, source->count().value_or(0));
    }
    if (done == 0) return fail(ErrorKind::not_found, "{} holds no snapshot of pool tags", words.series);
    write_answer(text);
    return {};
}

int run_trend(TrendWords& words) {
    if (words.nonpaged) words.tags.kind = hunt::PoolKind::nonpaged;
    if (words.paged) words.tags.kind = hunt::PoolKind::paged;
    FileWork file_work;
    if (words.output.csv) {
        auto written = write_snapshots(words, file_work.work());
        clear_progress(file_work.work());
        return written ? exit_good : tell_failure(written.error());
    }
    auto source = open(words, file_work.work());
    if (!source) return tell_failure(source.error());
    auto trend = hunt::read_trend(**source, words.tags, file_work.work());
    clear_progress(file_work.work());
    if (!trend) return tell_failure(trend.error());
    if (words.output.json) {
        render::TrendView view = words.view();
        if (!words.top) view.rows = 0;
        write_json_answer(render::trend_json(*trend, view, (*source)->notes()));
    } else {
        write_answer(render::trend_text(*trend, words.view(), (*source)->notes()));
    }
    return exit_good;
}

} // namespace

void add_trend_command(CLI::App& program, int& exit_code) {
    add_subcommand(program, exit_code, "trend", "how tags went over time, in figures and charts", trend_examples,
                   run_trend);
}

} // namespace poolkd::app

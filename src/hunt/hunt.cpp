#include "hunt/hunt.h"

#include "hunt/attribute.h"
#include "hunt/block_clues.h"
#include "hunt/counters.h"
#include "hunt/group_owners.h"
#include "hunt/hunt_code.h"
#include "hunt/hunt_suspects.h"
#include "hunt/hunt_watch.h"
#include "hunt/hunt_words.h"
#include "hunt/live.h"
#include "hunt/signature.h"
#include "hunt/timed_work.h"

#include <fmt/format.h>

#include <algorithm>

namespace poolkd::hunt {

using namespace std::chrono_literals;

namespace {

class Hunt {
  public:
    Hunt(HuntInput& input, Work& work) : hunt_(input, work) {}

    Result<HuntReport> run() {
        if (hunt_.input.on_plan) hunt_.input.on_plan(hunt_.report);
        POOLKD_CHECK(judge_counters());
        if (hunt_.input.kernel) look_into_kernel();
        finish();
        return std::move(hunt_.report);
    }

  private:
    // --- counters ---------------------------------------------------------------------------------------------------

    Result<void> judge_counters() {
        hunt_.begin_step();
        if (hunt_.input.series) {
            POOLKD_TRY(hunt_.report.verdict, judge(*hunt_.input.series, hunt_.input.options.verdict, hunt_.work));
        } else {
            POOLKD_CHECK(judge_live());
        }
        hunt_.report.coverage.merge(hunt_.report.verdict.coverage);
        choose_suspects(hunt_);
        hunt_.end_step(counters_outcome());
        return {};
    }

    Result<void> judge_live() {
        const HuntTimes& times = hunt_.times;
        LiveSource source(*hunt_.input.kernel, *hunt_.input.controller,
                          {.interval = times.interval,
                           .count = HuntTimes::snapshots,
                           // A slow line gives fewer: there must be time left for the other steps.
                           .period = times.interval * (HuntTimes::snapshots - 1),
                           .machine = hunt_.input.options.machine});
        source.on_foreign_stop([this] {
            hunt_.foreign_stop = true;
            if (hunt_.input.on_foreign_stop) hunt_.input.on_foreign_stop();
        });
        source.on_tick([&] {
            hunt_.work.progress("snapshots", source.cost().snapshots, HuntTimes::snapshots);
            return false;
        });
        auto judged = judge(source, hunt_.input.options.verdict, hunt_.work);
        if (!judged && source.end() == SeriesEnd::user)
            return fail(ErrorKind::stopped, "Stopped before the first snapshot was taken.");
        POOLKD_TRY(hunt_.report.verdict, std::move(judged));
        hunt_.report.partial = source.end() == SeriesEnd::user;
        if (const SampleCost& cost = source.cost(); cost.stopped > 0ns)
            hunt_.bytes_a_second =
                static_cast<double>(cost.bytes) / std::chrono::duration<double>(cost.stopped).count();
        return {};
    }

    [[nodiscard]] std::string counters_outcome() const {
        const Report& verdict = hunt_.report.verdict;
        const auto leaking = std::ranges::count(verdict.rows, Verdict::leaking, &TagVerdict::verdict);
        const auto growing = std::ranges::count(verdict.rows, Verdict::growing, &TagVerdict::verdict);
        return fmt::format("{} snapshot{}: of {} tags {} leak{}, {} grow{}", verdict.snapshots,
                           verdict.snapshots == 1 ? "" : "s", verdict.rows.size(), leaking, leaking == 1 ? "s" : "",
                           growing, growing == 1 ? "s" : "");
    }

    // --- kernel -----------------------------------------------------------------------------------------------------

    void look_into_kernel() {
        list_modules(hunt_);
        if (!hunt_.skip_step()) {
            hunt_.begin_step();
            if (stop_target()) {
                read_code(hunt_);
            } else {
                hunt_.end_step("Not done: the target could not be stopped", false);
            }
        }
        add_orphans(hunt_);
        if (hunt_.live() && !hunt_.skip_step()) watch_suspects(hunt_);
        if (!hunt_.skip_step()) walk_pool();
        hunt_.begin_step();
        const std::size_t dropped = weigh();
        (void)hunt_.stopped();
        const std::size_t count = hunt_.report.suspects.size();
        hunt_.end_step(fmt::format("{} suspect{}{}", count, count == 1 ? "" : "s", dropped_text(dropped)));
    }

    /// Tags that were looked into, and that the report does not list.
    static std::string dropped_text(std::size_t dropped) {
        if (dropped == 0) return {};
        return fmt::format("; {} tag{} more that no code has {} looked into, and nothing shows that {} driver is gone",
                           dropped, dropped == 1 ? "" : "s", dropped == 1 ? "was" : "were",
                           dropped == 1 ? "its" : "their");
    }

    bool stop_target() {
        if (!hunt_.live() || !hunt_.input.controller->running()) return true;
        for (int attempt = 0; attempt < 3; ++attempt) {
            auto report = hunt_.input.controller->stop(hunt_.work);
            if (report) return true;
            if (report.error().kind != ErrorKind::stopped) {
                hunt_.report.not_visible.push_back(fmt::format("The target did not stop: {}", report.error().message));
                return false;
            }
            hunt_.work.clear_stop();
            hunt_.report.partial = true;
        }
        return false;
    }

    void walk_pool() {
        hunt_.begin_step();
        std::vector<TagKey> keys;
        for (const Suspect& suspect : hunt_.report.suspects)
            keys.push_back(hunt_.row_of(suspect).key);
        if (keys.empty()) return hunt_.end_step("There is no suspect to look for");
        BlockLimits limits;
        if (!hunt_.live())
            limits = {.samples = 512, .list_steps = 1u << 20, .data_bytes = 256u << 20, .kept_blocks = 8u << 20};
        TimedWork timed(hunt_.work, hunt_.live() ? HuntState::Clock::now() + std::max(hunt_.times.memory, hunt_.left())
                                                 : HuntState::Clock::time_point::max());
        auto findings = find_block_clues(*hunt_.input.kernel, keys, hunt_.modules, limits, timed.work());
        const bool user = hunt_.stopped();
        if (!findings) {
            hunt_.report.not_visible.push_back(
                fmt::format("The blocks were not looked at: {}", findings.error().message));
            return hunt_.end_step(findings.error().message, false);
        }
        const bool late = findings->cut_off && !user;
        if (late) findings->coverage.tell_as(GapReason::stopped, GapReason::limit_reached);
        hunt_.report.coverage.merge(findings->coverage);
        if (hunt_.live() && !findings->cut_off) count_again();
        for (std::string& sentence : findings->not_visible)
            hunt_.report.not_visible.push_back(std::move(sentence));
        if (late)
            hunt_.report.not_visible.emplace_back(
                "Not all of the pool was walked: the time was over (--budget gives more)");
        std::uint64_t found = 0;
        hunt_.blocks = std::move(findings->tags);
        for (std::size_t i = 0; i < hunt_.blocks.size(); ++i) {
            Suspect& suspect = hunt_.report.suspects[i];
            found += suspect.blocks_found = hunt_.blocks[i].found;
            suspect.sizes = hunt_.blocks[i].sizes;
            suspect.holders = holders_text(hunt_.blocks[i]);
        }
        hunt_.end_step(fmt::format("{} blocks of {} tags{}", found, keys.size(),
                                   user   ? "; stopped by the user"
                                   : late ? "; the time was over"
                                          : ""),
                       !findings->cut_off);
    }

    /// The target ran on since its counters were judged, and blocks found are of now.
    void count_again() {
        const auto now = take_snapshot(*hunt_.input.kernel, hunt_.work);
        if (!now) return;
        for (Suspect& suspect : hunt_.report.suspects) {
            const auto row = std::ranges::find(now->rows, hunt_.row_of(suspect).key, &TagCounts::key);
            suspect.blocks_counted =
                row == now->rows.end() ? 0 : static_cast<std::uint64_t>(std::max<std::int64_t>(0, blocks_in_use(*row)));
        }
    }

    // --- the answer -------------------------------------------------------------------------------------------------

    /// Gives how many suspects turned out to be none.
    std::size_t weigh() {
        for (std::size_t i = 0; i < hunt_.report.suspects.size(); ++i) {
            Suspect& suspect = hunt_.report.suspects[i];
            const TagVerdict& row = hunt_.row_of(suspect);
            const Clues clues{.key = row.key,
                              .modules = hunt_.modules,
                              .trace = suspect.trace ? &*suspect.trace : nullptr,
                              .blocks = i < hunt_.blocks.size() ? &hunt_.blocks[i] : nullptr,
                              .layer = layer_of(row.key.tag, hunt_.input.options.verdict.tags),
                              .freed_share = row.figures.freed_share,
                              .call_targets = &hunt_.call_targets};
            attribute(clues, suspect);
        }
        const std::size_t dropped = drop_unproven_orphans(hunt_);
        divide_groups(hunt_.report.verdict, hunt_.input.options.verdict.tags,
                      [this](std::size_t row) { return owner_by_code(hunt_, row); });
        return dropped;
    }

    void finish() {
        HuntReport& report = hunt_.report;
        for (Suspect& suspect : report.suspects) {
            const TagVerdict& row = hunt_.row_of(suspect);
            if (!hunt_.input.kernel && !row.binary.empty())
                suspect.owners.push_back({row.binary, false, 0.5, {"The list of tags names it"}, {}});
            suspect.confidence = confidence_in(hunt_, suspect);
            suspect.conclusion = conclusion_of(report, suspect);
            suspect.signature = signature_of(row.key, suspect);
        }
        order_suspects(report);
        tell_report(report, hunt_.live(), hunt_.input.kernel != nullptr);
        if (report.tag_missing) { // what else there is was not asked for
            report.title = fmt::format("The counters do not have the tag '{}'.", hunt_.input.options.tag->text());
            report.confirm.clear();
        }
        if (!report.suspects.empty()) report.signature = report.suspects.front().signature;
        report.took = hunt_.spent();
    }

    HuntState hunt_;
};

} // namespace

Result<HuntReport> hunt(HuntInput& input, Work& work) {
    return Hunt(input, work).run();
}

} // namespace poolkd::hunt

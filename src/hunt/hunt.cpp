#include "hunt/hunt.h"

#include "code/call_sites.h"
#include "code/site_index.h"
#include "hunt/attribute.h"
#include "hunt/block_clues.h"
#include "hunt/counters.h"
#include "hunt/hunt_steps.h"
#include "hunt/hunt_words.h"
#include "hunt/live.h"
#include "hunt/signature.h"
#include "hunt/site_candidates.h"
#include "hunt/timed_work.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace poolkd::hunt {

using namespace std::chrono_literals;

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds shortest_trace = 1500ms, longest_alone = 5s, longest_trace = 60s; // of a tag
constexpr std::size_t most_orphans = 8;
constexpr std::int64_t few_orphans = 2; ///< blocks

class Hunt {
  public:
    Hunt(HuntInput& input, Work& work)
        : input_(input), work_(work), begun_(Clock::now()), budget_(input.options.budget.value_or(default_budget)),
          times_(times_of(budget_)) {}

    Result<HuntReport> run() {
        report_.program = input_.options.program;
        report_.target = input_.options.target;
        report_.steps = plan_of(input_);
        if (input_.on_plan) input_.on_plan(report_);
        POOLKD_CHECK(judge_counters());
        if (input_.kernel) look_into_kernel();
        finish();
        return std::move(report_);
    }

  private:
    [[nodiscard]] bool live() const { return input_.controller != nullptr; }
    [[nodiscard]] milliseconds spent() const { return std::chrono::duration_cast<milliseconds>(Clock::now() - begun_); }

    // --- steps ------------------------------------------------------------------------------------------------------

    HuntStep& begin_step() {
        HuntStep& step = report_.steps[step_];
        if (input_.on_step) input_.on_step(step);
        return step;
    }
    void end_step(std::string outcome, bool done = true) {
        HuntStep& step = report_.steps[step_++];
        step.done = done;
        step.outcome = std::move(outcome);
        if (input_.on_step) input_.on_step(step);
    }
    /// Whether the user wants no more; the request is answered by the partial report.
    bool stopped() {
        if (work_.stop_requested()) {
            work_.clear_stop();
            report_.partial = true;
        }
        return report_.partial;
    }
    bool skip_step() {
        if (!stopped()) return false;
        end_step("Not done: stopped by the user", false);
        return true;
    }

    // --- counters ---------------------------------------------------------------------------------------------------

    Result<void> judge_counters() {
        (void)begin_step();
        if (input_.series) {
            POOLKD_TRY(report_.verdict, judge(*input_.series, input_.options.verdict, work_));
        } else {
            POOLKD_CHECK(judge_live());
        }
        report_.coverage.merge(report_.verdict.coverage);
        choose_suspects();
        end_step(counters_outcome());
        return {};
    }

    Result<void> judge_live() {
        LiveSource source(*input_.kernel, *input_.controller,
                          {.interval = times_.interval,
                           .count = HuntTimes::snapshots,
                           // A slow line gives fewer: there must be time left for the other steps.
                           .period = times_.interval * (HuntTimes::snapshots - 1),
                           .machine = input_.options.machine});
        source.on_foreign_stop([this] {
            foreign_stop_ = true;
            if (input_.on_foreign_stop) input_.on_foreign_stop();
        });
        source.on_tick([&] {
            work_.progress("snapshots", source.cost().snapshots, HuntTimes::snapshots);
            return false;
        });
        POOLKD_TRY(report_.verdict, judge(source, input_.options.verdict, work_));
        report_.partial = source.end() == SeriesEnd::user;
        if (const SampleCost& cost = source.cost(); cost.stopped > 0ns)
            bytes_a_second_ = static_cast<double>(cost.bytes) / std::chrono::duration<double>(cost.stopped).count();
        return {};
    }

    [[nodiscard]] std::string counters_outcome() const {
        std::size_t leaking = 0, growing = 0;
        for (const TagVerdict& row : report_.verdict.rows) {
            leaking += row.verdict == Verdict::leaking ? 1 : 0;
            growing += row.verdict == Verdict::growing ? 1 : 0;
        }
        return fmt::format("{} snapshot{}: of {} tags {} leak{}, {} grow{}", report_.verdict.snapshots,
                           report_.verdict.snapshots == 1 ? "" : "s", report_.verdict.rows.size(), leaking,
                           leaking == 1 ? "s" : "", growing, growing == 1 ? "s" : "");
    }

    void add_suspect(std::size_t row) {
        Suspect suspect;
        suspect.row = row;
        suspect.blocks_counted =
            static_cast<std::uint64_t>(std::max<std::int64_t>(0, report_.verdict.rows[row].figures.blocks));
        report_.suspects.push_back(std::move(suspect));
    }

    static bool never_freed_so_far(const TagVerdict& row) {
        constexpr std::int64_t many = 200; // blocks
        return row.verdict == Verdict::undecided && row.figures.samples == 1 && row.figures.blocks >= many &&
               row.figures.freed_share.value_or(1) < 0.05;
    }

    void choose_suspects() {
        const std::vector<TagVerdict>& rows = report_.verdict.rows;
        if (input_.options.tag) {
            for (std::size_t i = 0; i < rows.size(); ++i)
                if (rows[i].key.tag == input_.options.tag->bare()) add_suspect(i);
            if (report_.suspects.empty())
                report_.not_visible.push_back(
                    fmt::format("The counters do not have the tag '{}'", input_.options.tag->text()));
            return;
        }
        for (std::size_t i = 0; i < rows.size() && report_.suspects.size() < input_.options.top; ++i)
            if (rows[i].verdict == Verdict::leaking || rows[i].verdict == Verdict::growing) add_suspect(i);
        // One snapshot has no growth to go by: what was never freed since boot is worth a look.
        for (std::size_t i = 0; i < rows.size() && report_.suspects.size() < input_.options.top; ++i)
            if (never_freed_so_far(rows[i])) add_suspect(i);
        const auto leaking = static_cast<std::size_t>(std::ranges::count(rows, Verdict::leaking, &TagVerdict::verdict));
        if (leaking > report_.suspects.size())
            report_.not_visible.push_back(fmt::format("{} more leaking tags were not looked into (--top {})",
                                                      leaking - report_.suspects.size(), leaking));
    }

    [[nodiscard]] const TagVerdict& row_of(const Suspect& suspect) const { return report_.verdict.rows[suspect.row]; }

    // --- kernel -----------------------------------------------------------------------------------------------------

    void look_into_kernel() {
        list_modules();
        if (!skip_step()) {
            (void)begin_step();
            if (stop_target()) {
                read_code();
            } else {
                end_step("Not done: the target could not be stopped", false);
            }
        }
        add_orphans();
        if (live() && !skip_step()) watch();
        if (!skip_step()) walk_pool();
        (void)begin_step();
        weigh();
        (void)stopped();
        end_step(fmt::format("{} suspect{}", report_.suspects.size(), report_.suspects.size() == 1 ? "" : "s"));
    }

    bool stop_target() {
        if (!live() || !input_.controller->running()) return true;
        for (int attempt = 0; attempt < 3; ++attempt) {
            auto report = input_.controller->stop(work_);
            if (report) {
                return true;
            }
            if (report.error().kind != ErrorKind::stopped) {
                report_.not_visible.push_back(fmt::format("The target did not stop: {}", report.error().message));
                return false;
            }
            work_.clear_stop();
            report_.partial = true;
        }
        return false;
    }

    void list_modules() {
        for (const auto& module : input_.kernel->modules().loaded())
            modules_.push_back(
                {module->name, module->image_name, module->base, module->size, module->is_kernel, false, nullptr});
        for (const nt::UnloadedModule& gone : input_.kernel->modules().unloaded())
            modules_.push_back({gone.name, gone.name, gone.start, gone.end - gone.start, false, true, nullptr});
    }

    /// Those whose code is read first: whom the tag lists name, then small ones, the kernel last.
    [[nodiscard]] std::vector<std::size_t> code_order() const {
        std::vector<std::size_t> order;
        for (std::size_t i = 0; i < modules_.size(); ++i)
            if (!modules_[i].unloaded) order.push_back(i);
        std::ranges::stable_sort(order, {}, [&](std::size_t i) {
            const ClueModule& module = modules_[i];
            const bool named = std::ranges::any_of(
                report_.suspects, [&](const Suspect& one) { return row_of(one).binary == module.image; });
            return std::pair(named ? 0 : module.kernel ? 2 : 1, module.size);
        });
        return order;
    }

    void index_module(std::size_t i, Work& work) {
        nt::Module* module = input_.kernel->modules().containing(modules_[i].base);
        if (!module || modules_[i].index) return;
        const code::ModuleSites* sites = input_.sites->of(*module, work);
        if (!sites || !sites->error.empty()) return;
        modules_[i].index = std::make_shared<const code::SiteIndex>(sites->index); // the store may drop its own
    }

    void read_code() {
        input_.kernel->reload(); // drivers came and went while the target ran
        modules_.clear();
        list_modules();
        TimedWork timed(work_, live() ? Clock::now() + times_.code : Clock::time_point::max());
        if (!live()) (void)input_.sites->all(timed.work()); // in parallel
        std::size_t read = 0, sites = 0, all = 0;
        for (const std::size_t i : code_order()) {
            ++all;
            if (timed.look() && live()) continue;
            // What would take the whole time of this step alone is left out.
            if (live() && bytes_a_second_ > 0 &&
                static_cast<double>(modules_[i].size) / bytes_a_second_ >
                    std::chrono::duration<double>(times_.code).count())
                continue;
            work_.progress("looking through code", read, modules_.size());
            index_module(i, timed.work());
            if (!modules_[i].index) continue;
            ++read;
            sites += modules_[i].index->sites.size();
        }
        const bool cut = stopped();
        end_step(fmt::format("{} of {} modules, {} call sites{}", read, all, sites, cut ? "; stopped by the user" : ""),
                 !cut);
    }

    // --- blocks that nobody owns any more ---------------------------------------------------------------------------

    [[nodiscard]] bool in_code(PoolTag tag) const {
        return std::ranges::any_of(modules_, [&](const ClueModule& module) {
            return module.index && std::ranges::any_of(module.index->sites, [&](const code::PoolSite& site) {
                       return site.tag && site.tag->bare() == tag.bare();
                   });
        });
    }

    /// Tags with blocks that no module has in its code, when drivers were unloaded: whoever could free them is gone.
    void add_orphans() {
        if (input_.options.tag || input_.kernel->modules().unloaded().empty()) return;
        for (const ClueModule& module : modules_)
            if (!module.unloaded && !module.index) return; // it may be that one's
        std::vector<std::size_t> rows;
        for (std::size_t i = 0; i < report_.verdict.rows.size(); ++i) {
            const TagVerdict& row = report_.verdict.rows[i];
            if (row.figures.blocks < few_orphans || in_code(row.key.tag)) continue;
            const auto known = std::ranges::find(report_.suspects, i, &Suspect::row);
            if (known != report_.suspects.end()) {
                known->orphaned = true;
            } else {
                rows.push_back(i);
            }
        }
        std::ranges::stable_sort(rows, std::greater{},
                                 [&](std::size_t i) { return report_.verdict.rows[i].figures.bytes; });
        for (std::size_t i = 0; i < rows.size() && i < most_orphans; ++i) {
            add_suspect(rows[i]);
            report_.suspects.back().orphaned = true;
        }
    }

    /// What the counters alone would not have made a suspect stays one only where its blocks point at who is gone.
    void drop_unproven_orphans() {
        std::erase_if(report_.suspects, [&](Suspect& suspect) {
            if (!suspect.orphaned) return false;
            const bool proven = !suspect.owners.empty() && suspect.owners.front().unloaded &&
                                suspect.owners.front().confidence >= SuspectSite::accusing;
            const Verdict verdict = row_of(suspect).verdict;
            if (!proven) suspect.orphaned = false;
            return !proven && verdict != Verdict::leaking && verdict != Verdict::growing;
        });
    }

    // --- traces -----------------------------------------------------------------------------------------------------

    /// A tag to watch. Where its code leaves one place only, a few allocations confirm it; where several sites share
    /// it, what is usually freed has to be seen freed.
    struct Watched {
        PoolTag tag;
        bool shared = false;
        double freed_share = 0;

        [[nodiscard]] bool enough(const TraceReport& so_far) const {
            constexpr std::uint64_t few = 10, many = 40;
            constexpr double leaked = 12, freed = 0.7;
            if (!shared) return so_far.allocations >= few;
            const auto allocations = static_cast<double>(so_far.allocations);
            return so_far.allocations >= many && allocations * (1 - freed_share) >= leaked &&
                   static_cast<double>(so_far.matched) >= freed * freed_share * allocations;
        }
    };

    [[nodiscard]] std::vector<Watched> to_watch() const {
        std::vector<Watched> list;
        for (const Suspect& suspect : report_.suspects) {
            const TagVerdict& row = row_of(suspect);
            if (suspect.orphaned || std::ranges::find(list, row.key.tag, &Watched::tag) != list.end()) continue;
            const Clues clues{.key = row.key, .modules = modules_, .layer = {}, .freed_share = {}};
            list.push_back({row.key.tag, candidates_of(clues).list.size() > 1,
                            std::clamp(row.figures.freed_share.value_or(0), 0.0, 1.0)});
        }
        // Shared ones first, as they need it most; of these last the one that takes longest, with all the time left.
        std::ranges::stable_sort(list, {}, [](const Watched& one) { return std::pair(!one.shared, one.freed_share); });
        return list;
    }

    /// How long the first of these may be watched. Shared tags come first and need it most; of the others the code
    /// tells enough where no time is left.
    static milliseconds time_for(std::span<const Watched> list, milliseconds left) {
        const bool shared = list.front().shared;
        const auto alike = std::ranges::count(list, shared, &Watched::shared);
        return std::clamp<milliseconds>(left / alike, shortest_trace, shared ? longest_trace : longest_alone);
    }

    void watch() {
        (void)begin_step();
        const std::vector<Watched> list = to_watch();
        if (list.empty()) return end_step("There is no suspect to watch");
        std::size_t watched = 0;
        std::uint64_t hits = 0;
        std::string failed;
        for (std::size_t i = 0; i < list.size() && !stopped() && !foreign_stop_ && failed.empty(); ++i) {
            const milliseconds left = budget_ - spent() - times_.memory;
            if (left < shortest_trace) break;
            failed = watch_tag(list[i], time_for(std::span(list).subspan(i), left), watched, hits);
        }
        if (watched < list.size()) {
            const std::string why = !failed.empty()                    ? ": " + failed
                                    : report_.partial || foreign_stop_ ? ""
                                                                       : ": the time was over (--budget gives more)";
            report_.not_visible.push_back(
                fmt::format("{} of {} suspects were not watched{}", list.size() - watched, list.size(), why));
        }
        end_step(fmt::format("{} of {} tags, {} allocations and frees", watched, list.size(), hits), !report_.partial);
    }

    /// Why it cannot be watched; empty when it was.
    std::string watch_tag(const Watched& what, milliseconds time, std::size_t& watched, std::uint64_t& hits) {
        TraceOptions options;
        options.tag = what.tag;
        options.time = time;
        options.age = time / 3;
        options.sites = [this](Work& work) { return input_.sites->all(work); };
        bool enough = false;
        auto trace = trace_tag(*input_.kernel, *input_.controller, options, work_, [&](const TraceReport& so_far) {
            work_.progress(fmt::format("watching {}: hits", what.tag.text()), so_far.hits, 0);
            if (enough || !what.enough(so_far)) return;
            enough = true;
            work_.request_stop();
        });
        if (!trace) {
            if (trace.error().kind != ErrorKind::stopped) return trace.error().message;
            work_.clear_stop();
            report_.partial = true;
            return {};
        }
        ++watched;
        hits += trace->hits;
        if (trace->end == TraceEnd::user && enough) trace->end = TraceEnd::limit;
        report_.partial |= trace->end == TraceEnd::user;
        if (trace->end == TraceEnd::foreign_stop) {
            foreign_stop_ = true;
            if (input_.on_foreign_stop) input_.on_foreign_stop();
        }
        report_.coverage.merge(trace->coverage);
        const bool lost = trace->end == TraceEnd::restart || trace->end == TraceEnd::link;
        if (!lost) look_at_stacks(*trace);
        for (Suspect& suspect : report_.suspects)
            if (row_of(suspect).key.tag == what.tag) suspect.trace = *trace;
        if (!lost) return {};
        return trace->end == TraceEnd::restart ? "the target was restarted" : "the connection broke";
    }

    /// The code of those on the stacks, where there was no time for all, and which functions they called.
    void look_at_stacks(const TraceReport& trace) {
        constexpr std::size_t looked_at = 4; // frames above the allocator
        TimedWork timed(work_, Clock::now() + times_.code);
        code::CallSites calls(*input_.kernel, &timed.work());
        for (const TraceStack& stack : trace.stacks) {
            if (stack.allocations == 0) continue;
            for (std::size_t i = stack.caller; i < stack.frames.size() && i < stack.caller + looked_at; ++i) {
                const VirtAddr address = stack.frames[i].address;
                if (timed.look()) return;
                for (std::size_t m = 0; m < modules_.size(); ++m)
                    if (!modules_[m].unloaded && modules_[m].contains(address)) index_module(m, timed.work());
                if (call_targets_.contains(address)) continue;
                if (const auto target = calls.before(address).target) call_targets_.emplace(address, *target);
            }
        }
    }

    // --- memory -----------------------------------------------------------------------------------------------------

    void walk_pool() {
        (void)begin_step();
        std::vector<TagKey> keys;
        for (const Suspect& suspect : report_.suspects)
            keys.push_back(row_of(suspect).key);
        if (keys.empty()) return end_step("There is no suspect to look for");
        BlockLimits limits;
        if (!live())
            limits = {.samples = 512, .list_steps = 1u << 20, .data_bytes = 256u << 20, .kept_blocks = 8u << 20};
        TimedWork timed(work_,
                        live() ? Clock::now() + std::max(times_.memory, budget_ - spent()) : Clock::time_point::max());
        auto findings = find_block_clues(*input_.kernel, keys, modules_, limits, timed.work());
        const bool user = stopped();
        if (!findings) {
            report_.not_visible.push_back(fmt::format("The blocks were not looked at: {}", findings.error().message));
            return end_step(findings.error().message, false);
        }
        report_.coverage.merge(findings->coverage);
        if (live() && !user) count_again();
        for (std::string& sentence : findings->not_visible)
            report_.not_visible.push_back(std::move(sentence));
        const bool late = findings->cut_off && !user;
        if (late)
            report_.not_visible.emplace_back("Not all of the pool was walked: the time was over (--budget gives more)");
        std::uint64_t found = 0;
        blocks_ = std::move(findings->tags);
        for (std::size_t i = 0; i < blocks_.size(); ++i) {
            Suspect& suspect = report_.suspects[i];
            found += suspect.blocks_found = blocks_[i].found;
            suspect.sizes = blocks_[i].sizes;
            suspect.holders = holders_text(blocks_[i]);
        }
        end_step(fmt::format("{} blocks of {} tags{}", found, keys.size(),
                             user   ? "; stopped by the user"
                             : late ? "; the time was over"
                                    : ""),
                 !findings->cut_off);
    }

    /// The target ran on since its counters were judged, and blocks found are of now.
    void count_again() {
        const auto now = take_snapshot(*input_.kernel, work_);
        if (!now) return;
        for (Suspect& suspect : report_.suspects) {
            const auto row = std::ranges::find(now->rows, row_of(suspect).key, &TagCounts::key);
            suspect.blocks_counted =
                row == now->rows.end() ? 0 : static_cast<std::uint64_t>(std::max<std::int64_t>(0, blocks_in_use(*row)));
        }
    }

    // --- the answer -------------------------------------------------------------------------------------------------

    void weigh() {
        for (std::size_t i = 0; i < report_.suspects.size(); ++i) {
            Suspect& suspect = report_.suspects[i];
            const TagVerdict& row = row_of(suspect);
            Clues clues{.key = row.key,
                        .modules = modules_,
                        .trace = suspect.trace ? &*suspect.trace : nullptr,
                        .blocks = i < blocks_.size() ? &blocks_[i] : nullptr,
                        .layer = layer_of(row.key.tag, input_.options.verdict.tags),
                        .freed_share = row.figures.freed_share,
                        .call_targets = &call_targets_};
            attribute(clues, suspect);
        }
        drop_unproven_orphans();
    }

    [[nodiscard]] double confidence_in(const Suspect& suspect) const {
        constexpr double in_orphans = 0.9; // what nobody can free is lost, growing or not
        const TagVerdict& row = row_of(suspect);
        constexpr double unproven = 0.25; // that what is only not freed yet is a leak
        const double sure = suspect.orphaned                    ? std::max(in_orphans, row.confidence)
                            : row.verdict == Verdict::undecided ? unproven
                                                                : row.confidence;
        // Whose the site is, is the owner; without a site it is the owner alone.
        if (!suspect.sites.empty() && suspect.sites.front().accused()) return sure * suspect.sites.front().confidence;
        // Without an owner to name, only the tag is told.
        const bool named = !suspect.owners.empty() && suspect.owners.front().confidence >= SuspectSite::accusing;
        return named ? sure * suspect.owners.front().confidence : sure;
    }

    void finish() {
        for (Suspect& suspect : report_.suspects) {
            if (!input_.kernel && !row_of(suspect).binary.empty())
                suspect.owners.push_back({row_of(suspect).binary, false, 0.5, {"The list of tags names it"}, {}});
            suspect.confidence = confidence_in(suspect);
            suspect.conclusion = conclusion_of(report_, suspect);
            suspect.signature = signature_of(row_of(suspect).key, suspect);
        }
        order_suspects();
        tell_report(report_, live(), input_.kernel != nullptr);
        if (input_.options.tag && report_.suspects.empty()) { // what else there is was not asked for
            report_.title = fmt::format("The counters do not have the tag '{}'.", input_.options.tag->text());
            report_.confirm.clear();
        }
        if (!report_.suspects.empty()) report_.signature = report_.suspects.front().signature;
        report_.took = spent();
    }

    /// Leaks first, of a group its owner before the others; then as the verdict has them.
    void order_suspects() {
        auto rank = [&](const Suspect& suspect) {
            const TagVerdict& row = row_of(suspect);
            const bool leads = row.group && report_.verdict.groups[*row.group].members.front().row == suspect.row;
            const int kind = row.verdict == Verdict::leaking ? (leads || !row.group ? 0 : 1) : suspect.orphaned ? 2 : 3;
            return std::pair(kind, suspect.row);
        };
        std::ranges::stable_sort(report_.suspects, {}, rank);
    }

    HuntInput& input_;
    Work& work_;
    Clock::time_point begun_;
    milliseconds budget_;
    HuntTimes times_;
    HuntReport report_;
    std::size_t step_ = 0;
    bool foreign_stop_ = false;
    double bytes_a_second_ = 0; ///< over the link
    std::vector<ClueModule> modules_;
    CallTargets call_targets_;
    std::vector<BlockClues> blocks_; ///< of the suspects, in their order
};

} // namespace

Result<HuntReport> hunt(HuntInput& input, Work& work) {
    return Hunt(input, work).run();
}

} // namespace poolkd::hunt

#include "hunt/hunt_watch.h"

#include "code/call_sites.h"
#include "code/site_index.h"
#include "hunt/hunt_code.h"
#include "hunt/site_candidates.h"
#include "hunt/timed_work.h"

#include <fmt/format.h>

#include <algorithm>

namespace poolkd::hunt {

namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

constexpr milliseconds shortest_trace = 1500ms, longest_alone = 5s, longest_trace = 60s; // of a tag

/// A tag to watch. Where its code leaves one place only, a few allocations confirm it; where several sites share it,
/// what is usually freed has to be seen freed.
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

std::vector<Watched> tags_to_watch(const HuntState& hunt) {
    std::vector<Watched> list;
    for (const Suspect& suspect : hunt.report.suspects) {
        const TagVerdict& row = hunt.row_of(suspect);
        if (suspect.orphaned || std::ranges::find(list, row.key.tag, &Watched::tag) != list.end()) continue;
        const Clues clues{.key = row.key, .modules = hunt.modules, .layer = {}, .freed_share = {}};
        list.push_back({row.key.tag, candidates_of(clues).list.size() > 1,
                        std::clamp(row.figures.freed_share.value_or(0), 0.0, 1.0)});
    }
    // Shared ones first, as they need it most; of these last the one that takes longest, with all the time left.
    std::ranges::stable_sort(list, {}, [](const Watched& one) { return std::pair(!one.shared, one.freed_share); });
    return list;
}

/// How long the first of these may be watched. Shared tags come first and need it most; of the others the code tells
/// enough where no time is left.
milliseconds time_for(std::span<const Watched> list, milliseconds left) {
    const bool shared = list.front().shared;
    const auto alike = std::ranges::count(list, shared, &Watched::shared);
    return std::clamp<milliseconds>(left / alike, shortest_trace, shared ? longest_trace : longest_alone);
}

class Watch {
  public:
    explicit Watch(HuntState& hunt) : hunt_(hunt) {}

    void run() {
        const std::vector<Watched> list = tags_to_watch(hunt_);
        if (list.empty()) return hunt_.end_step("There is no suspect to watch");
        for (std::size_t i = 0; i < list.size() && !hunt_.stopped() && !hunt_.foreign_stop && failed_.empty(); ++i) {
            const milliseconds left = hunt_.left() - hunt_.times.memory;
            if (left < shortest_trace) break;
            watch(list[i], time_for(std::span(list).subspan(i), left));
        }
        if (watched_ < list.size()) tell_unwatched(list.size());
        hunt_.end_step(fmt::format("{} of {} tags, {} allocations and frees", watched_, list.size(), hits_),
                       !hunt_.report.partial);
    }

  private:
    void tell_unwatched(std::size_t all) {
        const std::string why = !failed_.empty()                             ? ": " + failed_
                                : hunt_.report.partial || hunt_.foreign_stop ? ""
                                                                             : ": the time was over (--budget gives "
                                                                               "more)";
        hunt_.report.not_visible.push_back(
            fmt::format("{} of {} suspects were not watched{}", all - watched_, all, why));
    }

    void watch(const Watched& what, milliseconds time) {
        TraceOptions options;
        options.tag = what.tag;
        options.time = time;
        options.age = time / 3;
        // All code, where the kernel has no PoolHitTag: what there is time for.
        options.sites = [this](Work& work) {
            TimedWork timed(work, TimedWork::Clock::now() + hunt_.times.code);
            return hunt_.input.sites->all(timed.work());
        };
        bool enough = false;
        auto trace = trace_tag(
            *hunt_.input.kernel, *hunt_.input.controller, options, hunt_.work, [&](const TraceReport& so_far) {
                hunt_.work.progress(fmt::format("watching {}: hits", what.tag.text()), so_far.hits, 0);
                if (enough || !what.enough(so_far)) return;
                enough = true;
                hunt_.work.request_stop();
            });
        if (!trace) {
            if (trace.error().kind != ErrorKind::stopped) {
                failed_ = trace.error().message;
                return;
            }
            hunt_.work.clear_stop();
            hunt_.report.partial = true;
            return;
        }
        ++watched_;
        hits_ += trace->hits;
        if (trace->end == TraceEnd::user && enough) trace->end = TraceEnd::limit;
        take(what.tag, *trace);
    }

    void take(PoolTag tag, const TraceReport& trace) {
        hunt_.report.partial |= trace.end == TraceEnd::user;
        if (trace.end == TraceEnd::foreign_stop) {
            hunt_.foreign_stop = true;
            if (hunt_.input.on_foreign_stop) hunt_.input.on_foreign_stop();
        }
        hunt_.report.coverage.merge(trace.coverage);
        if (trace.end == TraceEnd::restart) failed_ = "the target was restarted";
        if (trace.end == TraceEnd::link) failed_ = "the connection broke";
        if (failed_.empty()) look_at_stacks(trace);
        for (Suspect& suspect : hunt_.report.suspects)
            if (hunt_.row_of(suspect).key.tag == tag) suspect.trace = trace;
    }

    /// The code of those on the stacks, where there was no time for all, and which functions they called.
    void look_at_stacks(const TraceReport& trace) {
        constexpr std::size_t looked_at = 4; // frames above the allocator
        TimedWork timed(hunt_.work, TimedWork::Clock::now() + hunt_.times.code);
        code::CallSites calls(*hunt_.input.kernel, &timed.work());
        for (const TraceStack& stack : trace.stacks) {
            if (stack.allocations == 0) continue;
            for (std::size_t i = stack.caller; i < stack.frames.size() && i < stack.caller + looked_at; ++i) {
                const VirtAddr address = stack.frames[i].address;
                if (timed.look()) return;
                for (std::size_t m = 0; m < hunt_.modules.size(); ++m)
                    if (!hunt_.modules[m].unloaded && hunt_.modules[m].contains(address))
                        index_module(hunt_, m, timed.work());
                if (hunt_.call_targets.contains(address)) continue;
                if (const auto target = calls.before(address).target) hunt_.call_targets.emplace(address, *target);
            }
        }
    }

    HuntState& hunt_;
    std::size_t watched_ = 0; ///< tags
    std::uint64_t hits_ = 0;
    std::string failed_; ///< why no more can be watched
};

} // namespace

void watch_suspects(HuntState& hunt) {
    hunt.begin_step();
    Watch(hunt).run();
}

} // namespace poolkd::hunt

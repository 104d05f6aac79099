#include "hunt/trace_run.h"

#include "base/exception_codes.h"
#include "hunt/break_in.h"
#include "hunt/tag_hint.h"
#include "nt/bug_check.h"

#include <algorithm>

/// The course of a trace: arming, the loop around the controller's one wait, and putting everything back.
namespace poolkd::hunt {

using namespace std::chrono_literals;
using control::StopKind, control::StopReport;
using std::chrono::duration_cast, std::chrono::milliseconds;

namespace {

constexpr auto shortest_pause = 200ms; // a break-in ends it, which is worth some stops itself
constexpr auto settle_slice = 30ms;    // what is under way on another processor comes within that
constexpr auto settle_limit = 3000ms;
constexpr auto check_limit = 2s; // for looking after blocks that may have been freed unseen
constexpr std::size_t most_checked = 4096;
constexpr int patience = 3;                  // each is a press of Ctrl-C
constexpr std::uint64_t baseline_least = 20; // uses of the tag that make a rate
constexpr auto forever = std::chrono::hours(24);

std::uint64_t sum(const pool::PoolCounts& nonpaged, const pool::PoolCounts& paged,
                  std::uint64_t pool::PoolCounts::* member) {
    return nonpaged.*member + paged.*member;
}

/// How far the counters went; kernels up to 10 1703 have 32 bits of them.
std::uint64_t advanced(const pool::TagUsage& before, const pool::TagUsage& after,
                       std::uint64_t pool::PoolCounts::* member) {
    const std::uint64_t distance =
        sum(after.nonpaged, after.paged, member) - sum(before.nonpaged, before.paged, member);
    return distance >> 32 == 0 ? distance : distance & 0xffffffff;
}

std::uint64_t uses(const pool::TagUsage& before, const pool::TagUsage& after) {
    return advanced(before, after, &pool::PoolCounts::allocs) + advanced(before, after, &pool::PoolCounts::frees);
}

/// As long as it lives the target stops at its own breakpoints, whatever the user wants of them (`sxi bpe`).
class StopsAtBreakpoints {
  public:
    explicit StopsAtBreakpoints(control::EventFilters& filters) : filters_(filters), before_(row()) {
        row().reaction = control::Reaction::stop;
        row().command.clear();
    }
    ~StopsAtBreakpoints() { row() = before_; }
    StopsAtBreakpoints(const StopsAtBreakpoints&) = delete;
    StopsAtBreakpoints& operator=(const StopsAtBreakpoints&) = delete;

  private:
    control::EventFilter& row() { return filters_.row_of(status_breakpoint); }
    control::EventFilters& filters_;
    control::EventFilter before_;
};

} // namespace

Tracer::Tracer(nt::Kernel& kernel, control::Controller& controller, const TraceOptions& options, Work& work,
               const TraceProgress& progress)
    : kernel_(kernel), controller_(controller), options_(options), work_(work), progress_(progress), clock_(kernel) {
    report_.options = options;
}

Result<TraceReport> Tracer::run() {
    const StopsAtBreakpoints stops(controller_.filters());
    POOLKD_CHECK(begin());
    if (!over_) loop();
    finish();
    return std::move(report_);
}

Result<void> Tracer::begin() {
    if (!kernel_.target().run_control())
        return fail(ErrorKind::unsupported, "A trace needs a live target; this one is {}",
                    kernel_.target().identity().kind);
    if (controller_.running()) return fail(ErrorKind::usage, "The target is running");
    if (options_.tag.bare().value == 0) return fail(ErrorKind::usage, "A trace needs a tag");
    if (auto finder = pool::BlockFinder::create(kernel_)) {
        finder_ = *std::move(finder);
    } else if (options_.blocks) {
        report_.notes.push_back("Without the pool's records blocks are only known where the allocator returns them: " +
                                finder.error().message);
    }
    if (auto counter = pool::TagCounter::create(kernel_, options_.tag, work_)) {
        counter_ = *std::move(counter);
    } else {
        if (work_.stop_requested()) return fail(ErrorKind::stopped, "Stopped by the user");
        report_.notes.push_back("The kernel's own counters of the tag are not read: " + counter.error().message);
    }
    if (options_.baseline > 0ms && counter_) POOLKD_CHECK(measure_baseline());
    if (over_) return {};
    return arm();
}

Result<void> Tracer::measure_baseline() {
    auto before = counter_->read(kernel_);
    if (!before) {
        report_.notes.push_back("The rate before the trace is not known: " + before.error().message);
        return {};
    }
    const auto begun = HostClock::now();
    auto stop = go_on(options_.baseline);
    if (stop && !*stop) stop = stop_target();
    if (!stop) return std::unexpected(std::move(stop).error());
    const double seconds = std::chrono::duration<double>(HostClock::now() - begun).count();
    take(**stop);
    if (over_) return {};
    auto after = counter_->read(kernel_);
    if (after && uses(*before, *after) >= baseline_least)
        report_.rate_before = static_cast<double>(uses(*before, *after)) / seconds;
    return {};
}

Result<void> Tracer::arm() {
    if (counter_)
        if (auto counts = counter_->read(kernel_)) counts_before_ = *counts;
    auto found = HitTag::find(kernel_, controller_.journal());
    auto armed = options_.sites_at_once ? fail(ErrorKind::refused, "As you asked")
                 : found                ? found->arm(options_.tag)
                                        : Result<void>(std::unexpected(std::move(found).error()));
    if (armed) {
        hit_tag_ = *std::move(found);
    } else if (armed.error().kind == ErrorKind::not_found || armed.error().kind == ErrorKind::refused ||
               armed.error().kind == ErrorKind::unwritable) {
        POOLKD_CHECK(fall_back(armed.error().message));
    } else {
        // The value may be there, and not have been read back.
        if (found) hit_tag_ = *std::move(found);
        restore();
        return armed;
    }
    clock_.begin();
    silence_due_ = HostClock::now() + silence_;
    if (const target::LinkStatistics* link = kernel_.target().link_statistics()) requests_before_ = link->requests;
    return {};
}

Result<void> Tracer::fall_back(const std::string& reason) {
    auto sites = SiteBreakpoints::set(controller_, options_.tag, options_.sites, work_);
    if (!sites)
        return fail(sites.error().kind, "nt!PoolHitTag cannot be used ({}), and breakpoints on call sites neither: {}",
                    reason, sites.error().message);
    sites_ = *std::move(sites);
    // On x86 stacks are followed by the code itself, which must be as it was built then.
    if (kernel_.machine().pointer_size == 8) (void)controller_.keep_breakpoints(true);
    report_.means = TraceMeans::call_sites;
    if (options_.share) report_.notes.emplace_back("With breakpoints on call sites the share of time is not kept to.");
    report_.means_note = fmt::format("{}{} {}", reason, reason.ends_with('.') ? "" : ".", sites_->describe());
    return {};
}

Result<Tracer::MaybeStop> Tracer::go_on(milliseconds limit) {
    if (!controller_.running()) POOLKD_CHECK(controller_.go()); // else a newer stop waits already
    clock_.resumed();
    auto stop = controller_.wait_for(work_, limit);
    if (!stop || *stop) clock_.stopped();
    return stop;
}

Result<Tracer::MaybeStop> Tracer::stop_target() {
    asked_ = true;
    for (int attempt = 1;; ++attempt) {
        auto stop = controller_.stop(work_);
        clock_.stopped();
        if (stop) return MaybeStop(*std::move(stop));
        // The break-in is on its way: a target that nobody waits for would stand for ever.
        if (stop.error().kind != ErrorKind::stopped || attempt == patience)
            return std::unexpected(std::move(stop).error());
        end_with(TraceEnd::user);
        work_.clear_stop();
    }
}

milliseconds Tracer::time_left() const {
    if (!options_.time) return forever;
    return *options_.time - duration_cast<milliseconds>(clock_.elapsed());
}

void Tracer::end_with(TraceEnd end) {
    if (over_) return;
    over_ = true;
    report_.end = end;
}

void Tracer::take_error(const Error& error) {
    if (error.kind == ErrorKind::stopped) {
        work_.clear_stop();
        return end_with(TraceEnd::user);
    }
    report_.notes.push_back("The trace ends here: " + error.message);
    end_with(TraceEnd::link);
}

void Tracer::loop() {
    while (!over_) {
        if (work_.stop_requested()) {
            work_.clear_stop();
            return end_with(TraceEnd::user);
        }
        if (time_left() <= 0ms || (options_.stops && report_.hits >= *options_.stops)) return end_with(TraceEnd::limit);
        pause_if_due();
        if (over_) return;
        const bool silent = report_.hits == 0 && counts_before_;
        const auto to_check = std::chrono::ceil<milliseconds>(silence_due_ - HostClock::now());
        auto stop = go_on(std::max<milliseconds>(1ms, silent ? std::min(to_check, time_left()) : time_left()));
        if (stop && !*stop) {
            stop = stop_target();
            if (stop && *stop) take(**stop);
            if (!over_ && report_.hits == 0) check_silence();
        } else if (stop) {
            take(**stop);
        }
        if (!stop) take_error(stop.error());
        if (progress_ && report_.hits != 0) {
            table_.fill_sums(report_);
            report_.elapsed = duration_cast<milliseconds>(clock_.elapsed());
            report_.stopped = duration_cast<milliseconds>(clock_.standing());
            progress_(report_);
        }
    }
}

void Tracer::take(const StopReport& report) {
    const bool asked = std::exchange(asked_, false);
    if (report.target_restarted) {
        if (hit_tag_) hit_tag_->forget();
        return end_with(TraceEnd::restart);
    }
    if (report.kind == StopKind::step_done) {
        if (report.overtook) { // the break-in is still to come
            break_in_pending_ = true;
            if (!asked) end_with(TraceEnd::user);
        }
        if (auto done = returned(report); !done) return take_error(done.error());
        if (const auto* site = sites_ ? sites_->at(report.stop.ip) : nullptr) {
            auto seen = look_at_site(report, *site);
            if (!seen) return take_error(seen.error());
            if (*seen == Seen::cut_off) take_error(Error{ErrorKind::stopped, {}, {}});
        }
        return;
    }
    if (report.kind == StopKind::hard_breakpoint) {
        auto seen = look(report);
        if (!seen) return take_error(seen.error());
        if (*seen == Seen::cut_off) return take_error(Error{ErrorKind::stopped, {}, {}});
        if (*seen == Seen::hit) {
            // The break-in that was asked for is still to come.
            if (report.requested) {
                break_in_pending_ = true;
                if (!asked) end_with(TraceEnd::user);
            }
            return;
        }
        if (is_break_in(report) && !nt::read_bug_check(kernel_)) {
            const bool late = std::exchange(break_in_pending_, false);
            if (!asked && !late && report.requested) end_with(TraceEnd::user);
            return; // else one that an earlier debugger left
        }
    }
    end_at(report);
}

bool Tracer::is_break_in(const StopReport& report) const {
    return at_break_in(kernel_, report).value_or(report.requested || break_in_pending_);
}

std::optional<std::uint64_t> Tracer::counted() {
    if (!counter_ || !counts_before_) return std::nullopt;
    auto now = counter_->read(kernel_);
    if (!now) return std::nullopt;
    return uses(*counts_before_, *now);
}

void Tracer::check_silence() {
    silence_ *= 2;
    silence_due_ = HostClock::now() + silence_;
    const auto moved = counted();
    // An allocation that stops is not counted yet, on each processor.
    if (!moved || *moved <= 2 * std::uint64_t{kernel_.target().identity().processors}) return;
    const std::string reason = fmt::format(
        "The kernel counted {} allocations and frees of the tag and did not stop at any: it does not look at "
        "nt!PoolHitTag.",
        *moved);
    if (sites_) {
        report_.notes.push_back("The tag is in use, but none of the places that are watched was passed.");
        counts_before_.reset(); // told once
        return;
    }
    restore();
    auto fallen_back = hit_tag_->armed() ? Result<void>{} : fall_back(reason);
    if (fallen_back) return;
    report_.notes.push_back(fallen_back.error().message);
    end_with(TraceEnd::limit);
}

void Tracer::pause_if_due() {
    if (!options_.share || !hit_tag_ || !hit_tag_->armed() || *options_.share <= 0) return;
    const std::chrono::duration<double> due(std::chrono::duration<double>(clock_.standing()).count() / *options_.share);
    auto debt = duration_cast<milliseconds>(due - clock_.elapsed());
    if (debt < shortest_pause) return;
    if (auto paused = hit_tag_->pause(); !paused) return take_error(paused.error());
    clock_.pausing(true);
    const auto until = HostClock::now() + std::min(debt, std::max(time_left(), 1ms));
    while (!over_) {
        const auto left = std::chrono::ceil<milliseconds>(until - HostClock::now());
        auto stop = left > 0ms ? go_on(left) : stop_target();
        if (!stop) {
            take_error(stop.error());
        } else if (*stop) {
            take(**stop);
        }
        if (left <= 0ms) break;
    }
    clock_.pausing(false);
    if (over_) return;
    if (auto armed = hit_tag_->go_on(); !armed) take_error(armed.error());
}

void Tracer::restore() {
    for (int attempt = 1; hit_tag_; ++attempt) {
        auto restored =
            controller_.running() ? fail(ErrorKind::link, "the target does not stand still") : hit_tag_->restore();
        if (restored) return;
        if (restored.error().kind == ErrorKind::stopped && attempt < patience) {
            work_.clear_stop();
            continue;
        }
        report_.notes.push_back(
            restored.error().kind == ErrorKind::refused
                ? restored.error().message
                : fmt::format("nt!PoolHitTag could not be put back: {}. It stands in the journal: .undo does it when "
                              "the target answers again.",
                              restored.error().message));
        return;
    }
}

void Tracer::settle() {
    // What is under way: returns that a block is waited for, another processor that has met the tag, a break-in that
    // a hit overtook. Nobody else would know what to do with those stops.
    const bool others = kernel_.target().identity().processors > 1;
    const auto end = HostClock::now() + settle_limit;
    bool quiet = !others;
    while ((!returns_.empty() || break_in_pending_ || !quiet) && HostClock::now() < end) {
        auto stop = go_on(settle_slice);
        if (!stop) break;
        if (!*stop) {
            ran_unseen_ = quiet = true;
            if (returns_.empty() && !break_in_pending_) break;
            continue;
        }
        if (!take_late(**stop)) return;
    }
    if (!controller_.running()) return;
    if (auto stop = stop_target(); stop && *stop) (void)take_late(**stop);
}

bool Tracer::take_late(const StopReport& report) {
    if (report.target_restarted) {
        report_.end = TraceEnd::restart;
        return false;
    }
    if (report.kind == StopKind::step_done) {
        (void)returned(report); // a line that broke ends the next wait
        return true;
    }
    if (report.kind == StopKind::hard_breakpoint) {
        const auto seen = look(report);
        if (!seen || *seen != Seen::other) return true;
        if (is_break_in(report) && !nt::read_bug_check(kernel_)) {
            break_in_pending_ = false;
            return true;
        }
    }
    // The target's own, and it stands there.
    end_at(report);
    return false;
}

void Tracer::end_at(const StopReport& report) {
    report_.notes.push_back(fmt::format("The trace ends here: {}. The target stands.", describe_stop(kernel_, report)));
    over_ = true;
    report_.end = TraceEnd::foreign_stop;
}

void Tracer::drop_what_is_gone() {
    if (!finder_ || (clock_.paused() == 0ns && options_.sample <= 1 && !ran_unseen_)) return;
    const auto end = HostClock::now() + check_limit;
    std::size_t checked = 0;
    const std::vector<VirtAddr> blocks = table_.outstanding_blocks();
    for (VirtAddr block : blocks) {
        if (checked >= most_checked || HostClock::now() > end || work_.stop_requested()) break;
        ++checked;
        if (!block_of_tag(block)) table_.gone_unseen(block);
    }
    if (checked < blocks.size())
        report_.notes.push_back(fmt::format("{} of {} blocks were looked at whether they are still there; of the "
                                            "others some may have been freed while the kernel did not stop.",
                                            checked, blocks.size()));
}

void Tracer::finish() {
    report_.elapsed = duration_cast<milliseconds>(clock_.elapsed());
    report_.stopped = duration_cast<milliseconds>(clock_.standing());
    report_.paused = duration_cast<milliseconds>(clock_.paused());
    if (const target::LinkStatistics* link = kernel_.target().link_statistics())
        report_.requests = link->requests - requests_before_;
    // Also when the line broke: with a target that can be reached again this is the moment to do so.
    if (controller_.running()) (void)stop_target();
    work_.clear_stop();
    restore();
    if (sites_) sites_->remove(controller_);
    (void)controller_.keep_breakpoints(false);
    const bool stands = !controller_.running();
    if (stands && counts_before_ && report_.end != TraceEnd::restart)
        if (auto now = counter_->read(kernel_)) {
            report_.counted_allocations = advanced(*counts_before_, *now, &pool::PoolCounts::allocs);
            report_.counted_releases = advanced(*counts_before_, *now, &pool::PoolCounts::frees);
            const double seconds = std::chrono::duration<double>(report_.elapsed).count();
            if (seconds > 0) report_.rate_during = static_cast<double>(uses(*counts_before_, *now)) / seconds;
            if (report_.rate_before && report_.rate_during.value_or(0) > 0)
                report_.slow_down = *report_.rate_before / *report_.rate_during;
        }
    if (stands && (report_.end == TraceEnd::limit || report_.end == TraceEnd::user)) {
        if (report_.hits == 0)
            if (std::string hint = tag_hint(kernel_, options_.tag, work_); !hint.empty())
                report_.notes.push_back(std::move(hint));
        settle();
    }
    while (!returns_.empty())
        forget_return(returns_.size() - 1);
    if (report_.end != TraceEnd::restart && report_.end != TraceEnd::link) drop_what_is_gone();
    work_.clear_stop();
    table_.fill(report_, clock_.now());
    if (options_.sample > 1)
        report_.notes.push_back(fmt::format("One of {} hits was looked at, on average: frees that were passed over "
                                            "leave blocks in the list until their memory has another owner.",
                                            options_.sample));
}

Result<TraceReport> trace_tag(nt::Kernel& kernel, control::Controller& controller, const TraceOptions& options,
                              Work& work, const TraceProgress& progress) {
    return Tracer(kernel, controller, options, work, progress).run();
}

} // namespace poolkd::hunt

#include "hunt/live.h"

#include "hunt/break_in.h"
#include "nt/bug_check.h"
#include "nt/shared_data.h"
#include "pool/usage.h"

#include <algorithm>

namespace poolkd::hunt {

using namespace std::chrono_literals;

namespace {

constexpr auto tick_interval = 50ms; // how soon a key is noticed

/// A kernel variable, by its symbol or by the address that the KDBG block publishes; nothing when neither is there.
std::optional<std::uint64_t> variable(nt::Kernel& kernel, std::string_view name, nt::Kdbg::Field field) {
    const std::optional<VirtAddr> at = kernel.variable(name, field);
    if (!at) return std::nullopt;
    auto value = memory::read_unsigned(kernel.memory(), *at, kernel.machine().pointer_size);
    if (!value || *value == 0) return std::nullopt; // newer kernels keep some of them and no longer fill them
    return *value;
}

MemoryFacts read_memory_facts(nt::Kernel& kernel, const std::optional<nt::SharedData>& shared) {
    using Field = nt::Kdbg::Field;
    const std::uint64_t page = kernel.machine().page_size;
    auto bytes = [&](std::string_view name, Field field) { return variable(kernel, name, field); };
    auto pages = [&](std::string_view name, Field field) -> std::optional<std::uint64_t> {
        auto count = variable(kernel, name, field);
        if (!count || *count > ~std::uint64_t{0} / page) return std::nullopt;
        return *count * page;
    };
    MemoryFacts facts;
    if (shared && shared->physical_pages != 0) facts.physical = shared->physical_pages * page;
    facts.available = pages("MmAvailablePages", Field::available_pages);
    facts.commit = pages("MmTotalCommittedPages", Field::total_committed);
    facts.commit_limit = pages("MmTotalCommitLimit", Field::total_commit_limit);
    facts.commit_peak = pages("MmPeakCommitment", Field::peak_commitment);
    facts.nonpaged_limit = bytes("MmMaximumNonPagedPoolInBytes", Field::maximum_nonpaged_pool);
    facts.paged_limit = bytes("MmSizeOfPagedPoolInBytes", Field::size_of_paged_pool);
    return facts;
}

void add_row(std::vector<TagCounts>& rows, PoolTag tag, PoolKind kind, const pool::PoolCounts& counts) {
    if (counts.touched()) rows.push_back({{tag, kind}, counts.allocs, counts.frees, counts.bytes});
}

} // namespace

Result<Snapshot> take_snapshot(nt::Kernel& kernel, Work& work) {
    POOLKD_TRY(Answer<pool::UsageTable> usage, pool::read_usage(kernel, work));
    Snapshot snapshot;
    snapshot.coverage = usage.coverage;
    for (const pool::TagUsage& tag : usage.value.tags) {
        add_row(snapshot.rows, tag.tag, PoolKind::nonpaged, tag.nonpaged);
        add_row(snapshot.rows, tag.tag, PoolKind::paged, tag.paged);
    }
    sort_rows(snapshot.rows);
    std::optional<nt::SharedData> shared;
    if (auto data = nt::read_shared_data(kernel.memory(), kernel.machine())) shared = *data;
    if (shared) {
        snapshot.time = shared->time();
        snapshot.uptime = shared->uptime();
    }
    snapshot.memory = read_memory_facts(kernel, shared);
    const target::Identity& identity = kernel.target().identity();
    snapshot.machine = identity.connection;
    snapshot.evidence = identity.kind;
    if (!usage.value.inferred.empty()) snapshot.evidence += " (layout of the counters inferred)";
    return snapshot;
}

double SampleCost::share() const {
    if (elapsed.count() <= 0) return 0;
    return static_cast<double>(stopped.count()) / static_cast<double>(elapsed.count());
}

LiveSource::LiveSource(nt::Kernel& kernel, control::Controller& controller, SamplePlan plan)
    : kernel_(kernel), controller_(controller), plan_(std::move(plan)) {}

bool LiveSource::foreign(const control::StopReport& report) {
    // After a restart a kernel under a debugger may stop once by itself before it goes on.
    if (report.target_restarted) {
        notes_.emplace_back("The target was restarted.");
        if (report.kind == control::StopKind::hard_breakpoint) return false;
    }
    // A bug check's break looks like the answer to ours.
    if (at_break_in(kernel_, report).value_or(report.requested) && !nt::read_bug_check(kernel_)) return false;
    notes_.push_back(fmt::format("The series ends here: {}. The target stands.", describe_stop(kernel_, report)));
    end_ = SeriesEnd::foreign_stop;
    if (foreign_stop_) foreign_stop_();
    return true;
}

Result<void> LiveSource::resume() {
    if (!controller_.running()) POOLKD_CHECK(controller_.go()); // else a newer stop waits already
    resumed_at_ = Clock::now();
    return {};
}

Result<bool> LiveSource::let_run(Work& work) {
    const Clock::time_point due = resumed_at_ + plan_.interval;
    while (true) {
        if (tick_ && tick_()) return true;
        if (work.stop_requested()) {
            work.clear_stop();
            // A stop that the target reported just now may have been cut off half way through.
            POOLKD_CHECK(resume());
            end_ = SeriesEnd::user;
            return false;
        }
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(due - Clock::now());
        if (left <= 0ms) return true;
        auto stop = controller_.let_run(work, tick_ ? std::min<std::chrono::milliseconds>(left, tick_interval) : left);
        if (!stop) {
            if (stop.error().kind != ErrorKind::stopped) return std::unexpected(std::move(stop).error());
            work.request_stop(); // whoever was interrupted may have taken the request with it
            continue;
        }
        if (!*stop) continue;
        if (foreign(**stop)) return false;
        if (!controller_.running()) POOLKD_CHECK(controller_.go());
    }
}

Result<bool> LiveSource::stop_target(Work& work) {
    constexpr int patience = 3; // each is a press of Ctrl-C
    bool user = false;
    for (int attempt = 1;; ++attempt) {
        auto report = controller_.stop(work);
        if (!report) {
            // The break-in is on its way: a target that nobody waits for would stand for ever.
            if (report.error().kind != ErrorKind::stopped || attempt == patience)
                return std::unexpected(std::move(report).error());
            user = true;
            work.clear_stop();
            continue;
        }
        stopped_at_ = Clock::now();
        if (foreign(*report)) return false;
        if (user) work.request_stop(); // the read that follows ends at once
        return true;
    }
}

Result<bool> LiveSource::next(Snapshot& out, Work& work) {
    if (end_ != SeriesEnd::none) return false;
    const bool first = cost_.snapshots == 0;
    if (first && !controller_.running()) {
        begun_ = stopped_at_ = Clock::now();
    } else {
        if (first) {
            begun_ = Clock::now();
            resumed_at_ = begun_ - plan_.interval; // it runs already: the first is due now
        }
        POOLKD_TRY(bool goes_on, let_run(work));
        if (!goes_on) return false;
        POOLKD_TRY(goes_on, stop_target(work));
        if (!goes_on) return false;
    }
    if (const target::LinkStatistics* link = kernel_.target().link_statistics()) {
        bytes_before_ = link->bytes_received;
        requests_before_ = link->requests;
    }
    work.restart(); // progress is that of this one read
    auto snapshot = take_snapshot(kernel_, work);
    const bool cut_off = work.stop_requested() || (snapshot && snapshot->coverage.stopped());
    if (cut_off) work.clear_stop(); // else the target would not be let go either
    const Clock::time_point read_at = Clock::now();
    POOLKD_CHECK(resume());
    if (cut_off) {
        end_ = SeriesEnd::user;
        return false;
    }
    if (!snapshot) return std::unexpected(std::move(snapshot).error());
    cost_.stopped_last = resumed_at_ - stopped_at_;
    cost_.stopped_longest = std::max(cost_.stopped_longest, cost_.stopped_last);
    cost_.stopped += cost_.stopped_last;
    cost_.elapsed = resumed_at_ - begun_;
    ++cost_.snapshots;
    if (const target::LinkStatistics* link = kernel_.target().link_statistics()) {
        cost_.bytes += link->bytes_received - bytes_before_;
        cost_.requests += link->requests - requests_before_;
    }
    if (!plan_.machine.empty()) snapshot->machine = plan_.machine;
    out = std::move(*snapshot);
    const bool counted = plan_.count && cost_.snapshots >= *plan_.count;
    // A period that another interval would overrun by more than half ends here.
    const bool over = plan_.period && read_at - begun_ + plan_.interval / 2 >= *plan_.period;
    if (counted || over) end_ = SeriesEnd::planned;
    return true;
}

} // namespace poolkd::hunt

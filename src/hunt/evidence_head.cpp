#include "hunt/evidence_head.h"

#include "hunt/evidence_name.h"

namespace poolkd::hunt {

void EvidenceHead::note(const Snapshot& snapshot) {
    if (snapshots++ == 0) first = snapshot.time;
    last = snapshot.time;
    times_assumed = times_assumed || snapshot.time_assumed;
    activity = activity && snapshot.activity;
    whole = whole && snapshot.whole;
    if (snapshot.uptime) uptime = snapshot.uptime;
    if (!snapshot.machine.empty()) machine = snapshot.machine;
    coverage.merge(snapshot.coverage);
    note_file(evidence, snapshot.evidence);
}

Result<void> read_through(SnapshotSource& source, Work& work, Coverage& coverage,
                          const std::function<void(Snapshot&)>& take) {
    Snapshot snapshot;
    const std::size_t total = source.count().value_or(0);
    for (std::size_t done = 0;; ++done) {
        auto more = source.next(snapshot, work);
        if (!more && more.error().kind == ErrorKind::stopped && done != 0) {
            coverage.add_gap(GapReason::stopped, {}, 0);
            return {};
        }
        if (!more) return std::unexpected(std::move(more).error());
        if (!*more) return {};
        take(snapshot);
        work.progress("reading snapshots", done + 1, total);
    }
}

} // namespace poolkd::hunt

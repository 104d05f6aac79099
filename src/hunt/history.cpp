#include "hunt/history.h"

#include "hunt/counters.h"
#include "hunt/evidence_name.h"

#include <algorithm>
#include <limits>

namespace poolkd::hunt {

namespace {

constexpr double unknown = std::numeric_limits<double>::quiet_NaN();

/// One tag while the snapshots go by.
struct Track {
    TagHistory history;
    std::uint64_t raw_allocs = 0, raw_frees = 0; ///< as the last snapshot had them
    double allocs = 0;                           ///< without wraps
    std::size_t boot = std::numeric_limits<std::size_t>::max();
};

class HistoryBuilder {
  public:
    void add(Snapshot& snapshot);
    History finish();

  private:
    void note_head(const Snapshot& snapshot);
    void follow(const Snapshot& snapshot);
    void keep_point(const Snapshot& snapshot);
    void thin_out();
    Track& track_of(const TagKey& key);

    History history_;
    std::vector<Track> tracks_;        ///< in order of first appearance
    std::vector<std::uint32_t> order_; ///< indices into tracks_ by key
    std::vector<std::uint32_t> slots_; ///< the track of each row of the snapshot at hand
    std::vector<TagKey> slot_keys_;    ///< its keys: most snapshots list the same tags as the one before
    Snapshot previous_;
    std::size_t stride_ = 1; ///< each stride-th snapshot is kept
    std::uint32_t boot_ = 0;
};

template <class Value>
void thin(std::vector<Value>& values) {
    for (std::size_t i = 0; 2 * i < values.size(); ++i)
        values[i] = values[2 * i];
    values.resize((values.size() + 1) / 2);
}

Track& HistoryBuilder::track_of(const TagKey& key) {
    auto at = std::ranges::lower_bound(order_, key, {}, [&](std::uint32_t i) { return tracks_[i].history.key; });
    if (at != order_.end() && tracks_[*at].history.key == key) return tracks_[*at];
    order_.insert(at, static_cast<std::uint32_t>(tracks_.size()));
    tracks_.emplace_back().history.key = key;
    return tracks_.back();
}

void HistoryBuilder::note_head(const Snapshot& snapshot) {
    if (history_.snapshots == 1) history_.first = snapshot.time;
    history_.last = snapshot.time;
    history_.timed = history_.timed && snapshot.time.has_value();
    history_.times_assumed = history_.times_assumed || snapshot.time_assumed;
    history_.activity = history_.activity && snapshot.activity;
    history_.whole = history_.whole && snapshot.whole;
    if (snapshot.uptime) history_.uptime = snapshot.uptime;
    if (!snapshot.machine.empty()) history_.machine = snapshot.machine;
    history_.memory = snapshot.memory;
    history_.coverage.merge(snapshot.coverage);
    note_file(history_.evidence, snapshot.evidence);
}

void HistoryBuilder::follow(const Snapshot& snapshot) {
    if (slot_keys_.size() > snapshot.rows.size()) slot_keys_.resize(snapshot.rows.size());
    slots_.resize(snapshot.rows.size());
    for (std::size_t i = 0; i < snapshot.rows.size(); ++i) {
        const TagCounts& row = snapshot.rows[i];
        if (i >= slot_keys_.size() || slot_keys_[i] != row.key) {
            slots_[i] = static_cast<std::uint32_t>(&track_of(row.key) - tracks_.data());
            if (i < slot_keys_.size()) {
                slot_keys_[i] = row.key;
            } else {
                slot_keys_.push_back(row.key);
            }
        }
        Track& track = tracks_[slots_[i]];
        if (track.boot != boot_) {
            track.boot = boot_;
            track.allocs = static_cast<double>(row.allocs);
        } else {
            if (snapshot.activity && row.allocs < track.raw_allocs && may_have_wrapped(track.raw_allocs, row.allocs))
                ++history_.wraps;
            track.allocs += static_cast<double>(advance(track.raw_allocs, row.allocs));
        }
        track.raw_allocs = row.allocs;
        track.raw_frees = row.frees;
    }
}

void HistoryBuilder::keep_point(const Snapshot& snapshot) {
    const std::size_t point = history_.hours.size();
    double hours = static_cast<double>(history_.snapshots - 1);
    if (history_.timed && history_.first)
        hours = std::chrono::duration<double, std::ratio<3600>>(*snapshot.time - *history_.first).count();
    history_.hours.push_back(hours);
    history_.boot.push_back(boot_);
    for (std::size_t i = 0; i < snapshot.rows.size(); ++i) {
        const TagCounts& row = snapshot.rows[i];
        Track& track = tracks_[slots_[i]];
        TagHistory& tag = track.history;
        for (auto* column : {&tag.allocs, &tag.blocks, &tag.bytes})
            column->resize(point, unknown);
        tag.allocs.push_back(snapshot.activity ? track.allocs : unknown);
        tag.blocks.push_back(static_cast<double>(blocks_in_use(row)));
        tag.bytes.push_back(static_cast<double>(row.bytes));
    }
    if (snapshot.whole && !snapshot.activity) {
        // A list of what is in use leaves out what is not: an absent tag holds nothing.
        for (Track& track : tracks_) {
            TagHistory& tag = track.history;
            if (tag.blocks.size() > point) continue;
            for (auto* column : {&tag.allocs, &tag.blocks, &tag.bytes})
                column->resize(point, unknown);
            tag.allocs.push_back(unknown);
            tag.blocks.push_back(0);
            tag.bytes.push_back(0);
        }
    }
}

void HistoryBuilder::thin_out() {
    for (Track& track : tracks_)
        for (auto* column : {&track.history.allocs, &track.history.blocks, &track.history.bytes}) {
            column->resize(history_.hours.size(), unknown);
            thin(*column);
        }
    thin(history_.hours);
    thin(history_.boot);
    stride_ *= 2;
}

void HistoryBuilder::add(Snapshot& snapshot) {
    if (history_.snapshots != 0 && restarted_between(previous_, snapshot)) ++boot_;
    const bool was_timed = history_.timed;
    const std::size_t index = history_.snapshots++;
    note_head(snapshot);
    // Times are worth something only when all have one: then the numbers of the snapshots stand for them.
    if (was_timed && !history_.timed)
        for (std::size_t i = 0; i < history_.hours.size(); ++i)
            history_.hours[i] = static_cast<double>(i * stride_);
    follow(snapshot);
    if (index % stride_ == 0) {
        keep_point(snapshot);
        if (history_.hours.size() == History::max_points) thin_out();
    }
    std::swap(previous_, snapshot);
}

History HistoryBuilder::finish() {
    if (history_.snapshots == 0) return std::move(history_);
    if ((history_.snapshots - 1) % stride_ != 0) keep_point(previous_);
    history_.tags.reserve(order_.size());
    for (std::uint32_t i : order_) {
        TagHistory& tag = tracks_[i].history;
        for (auto* column : {&tag.allocs, &tag.blocks, &tag.bytes})
            column->resize(history_.hours.size(), unknown);
        if (!history_.activity) tag.allocs.clear();
        history_.tags.push_back(std::move(tag));
    }
    return std::move(history_);
}

} // namespace

Result<History> read_history(SnapshotSource& source, Work& work) {
    HistoryBuilder builder;
    Coverage stopped;
    Snapshot snapshot;
    const std::size_t total = source.count().value_or(0);
    for (std::size_t done = 0;; ++done) {
        auto more = source.next(snapshot, work);
        if (!more && more.error().kind == ErrorKind::stopped && done != 0) {
            stopped.add_gap(GapReason::stopped, {}, 0);
            break;
        }
        if (!more) return std::unexpected(std::move(more).error());
        if (!*more) break;
        builder.add(snapshot);
        work.progress("reading snapshots", done + 1, total);
    }
    History history = builder.finish();
    history.coverage.merge(stopped);
    return history;
}

} // namespace poolkd::hunt

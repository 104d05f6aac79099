#include "hunt/history.h"

#include "hunt/counters.h"

#include <algorithm>
#include <limits>

namespace poolkd::hunt {

namespace {

constexpr double unknown = std::numeric_limits<double>::quiet_NaN();

/// One tag while the snapshots go by.
struct Track {
    TagHistory history;           ///< its columns begin with point `first`
    std::size_t first = 0;        ///< the point from which on it is known
    double before = unknown;      ///< what it had at the points before
    std::uint64_t raw_allocs = 0; ///< as the last snapshot had them
    double allocs = 0;            ///< without wraps
    std::size_t boot = std::numeric_limits<std::size_t>::max();

    [[nodiscard]] std::size_t end() const { return first + history.blocks.size(); }
    void put(std::size_t point, double allocs_now, double blocks, double bytes) {
        if (history.blocks.empty()) first = point;
        fill_to(point);
        history.allocs.push_back(allocs_now);
        history.blocks.push_back(blocks);
        history.bytes.push_back(bytes);
    }
    void fill_to(std::size_t point) {
        for (auto* column : {&history.allocs, &history.blocks, &history.bytes})
            column->resize(point - first, unknown);
    }
    void thin_out();
    /// The columns with all points.
    void complete(std::size_t points);
};

constexpr std::uint32_t no_track = std::numeric_limits<std::uint32_t>::max();

class HistoryBuilder {
  public:
    void add(Snapshot& snapshot);
    History finish();

  private:
    void follow(const Snapshot& snapshot);
    void keep_point(const Snapshot& snapshot);
    void thin_out();
    [[nodiscard]] std::uint32_t track_of(const TagKey& key);
    /// As many points as there is memory for with so many tags.
    [[nodiscard]] bool too_many_points() const {
        return history_.hours.size() >= History::max_points ||
               (history_.hours.size() > 1 && history_.hours.size() * tracks_.size() >= History::max_cells);
    }

    History history_;
    std::vector<Track> tracks_;        ///< in order of first appearance
    std::vector<std::uint32_t> order_; ///< indices into tracks_ by key
    std::vector<std::uint32_t> slots_; ///< the track of each row of the snapshot at hand
    std::vector<TagKey> slot_keys_;    ///< its keys: most snapshots list the same tags as the one before
    Snapshot previous_;
    std::size_t stride_ = 1; ///< each stride-th snapshot is kept
    std::uint32_t boot_ = 0;
    bool listed_all_ = true; ///< every snapshot so far lists all tags ever used
    bool left_out_ = false;  ///< there were too many tags
};

/// Keeps the values of every second point, counted from `first` on.
template <class Value>
void thin(std::vector<Value>& values, std::size_t first = 0) {
    const std::size_t skipped = first % 2;
    std::size_t kept = 0;
    for (std::size_t i = skipped; i < values.size(); i += 2)
        values[kept++] = values[i];
    values.resize(kept);
}

void Track::thin_out() {
    for (auto* column : {&history.allocs, &history.blocks, &history.bytes})
        thin(*column, first);
    first = (first + 1) / 2;
}

void Track::complete(std::size_t points) {
    if (history.blocks.empty()) first = points;
    fill_to(points);
    for (auto* column : {&history.allocs, &history.blocks, &history.bytes})
        column->insert(column->begin(), first, before);
}

std::uint32_t HistoryBuilder::track_of(const TagKey& key) {
    auto at = std::ranges::lower_bound(order_, key, {}, [&](std::uint32_t i) { return tracks_[i].history.key; });
    if (at != order_.end() && tracks_[*at].history.key == key) return *at;
    if (tracks_.size() == EvidenceHead::most_tags) {
        left_out_ = true;
        return no_track;
    }
    const auto index = static_cast<std::uint32_t>(tracks_.size());
    order_.insert(at, index);
    Track& track = tracks_.emplace_back();
    track.history.key = key;
    if (listed_all_) track.before = 0;
    return index;
}

void HistoryBuilder::follow(const Snapshot& snapshot) {
    if (slot_keys_.size() > snapshot.rows.size()) slot_keys_.resize(snapshot.rows.size());
    slots_.resize(snapshot.rows.size());
    for (std::size_t i = 0; i < snapshot.rows.size(); ++i) {
        const TagCounts& row = snapshot.rows[i];
        if (i >= slot_keys_.size() || slot_keys_[i] != row.key) {
            slots_[i] = track_of(row.key);
            if (i < slot_keys_.size()) {
                slot_keys_[i] = row.key;
            } else {
                slot_keys_.push_back(row.key);
            }
        }
        if (slots_[i] == no_track) continue;
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
    }
}

void HistoryBuilder::keep_point(const Snapshot& snapshot) {
    const std::size_t point = history_.hours.size();
    double hours = static_cast<double>(history_.snapshots - 1);
    if (history_.timed && history_.first)
        hours = std::chrono::duration<double, std::ratio<3600>>(*snapshot.time - *history_.first).count();
    // Clocks are set back; time goes on.
    if (point != 0) hours = std::max(hours, history_.hours.back());
    history_.hours.push_back(hours);
    history_.boot.push_back(boot_);
    for (std::size_t i = 0; i < snapshot.rows.size(); ++i) {
        if (slots_[i] == no_track) continue;
        const TagCounts& row = snapshot.rows[i];
        Track& track = tracks_[slots_[i]];
        track.put(point, snapshot.activity ? track.allocs : unknown, static_cast<double>(blocks_in_use(row)),
                  static_cast<double>(row.bytes));
    }
    if (snapshot.whole && !snapshot.activity) {
        // A list of what is in use leaves out what is not: an absent tag holds nothing.
        for (Track& track : tracks_)
            if (track.history.blocks.empty() || track.end() <= point) track.put(point, unknown, 0, 0);
    }
}

void HistoryBuilder::thin_out() {
    for (Track& track : tracks_)
        track.thin_out();
    thin(history_.hours);
    thin(history_.boot);
    stride_ *= 2;
}

void HistoryBuilder::add(Snapshot& snapshot) {
    if (history_.snapshots != 0 && restarted_between(previous_, snapshot)) ++boot_;
    const bool was_timed = history_.timed;
    const std::size_t index = history_.snapshots;
    history_.note(snapshot);
    history_.memory = snapshot.memory;
    history_.timed = history_.timed && snapshot.time.has_value();
    // Times are worth something only when all have one: then the numbers of the snapshots stand for them.
    if (was_timed && !history_.timed)
        for (std::size_t i = 0; i < history_.hours.size(); ++i)
            history_.hours[i] = static_cast<double>(i * stride_);
    follow(snapshot);
    listed_all_ = listed_all_ && snapshot.whole && snapshot.activity;
    if (index % stride_ == 0) keep_point(snapshot);
    while (too_many_points())
        thin_out();
    std::swap(previous_, snapshot);
}

History HistoryBuilder::finish() {
    if (history_.snapshots == 0) return std::move(history_);
    if ((history_.snapshots - 1) % stride_ != 0) keep_point(previous_);
    if (left_out_) history_.coverage.add_gap(GapReason::limit_reached, {}, 0);
    history_.tags.reserve(order_.size());
    for (std::uint32_t i : order_) {
        tracks_[i].complete(history_.hours.size());
        TagHistory& tag = tracks_[i].history;
        if (!history_.activity) tag.allocs.clear();
        history_.tags.push_back(std::move(tag));
    }
    return std::move(history_);
}

} // namespace

Result<History> read_history(SnapshotSource& source, Work& work) {
    HistoryBuilder builder;
    Coverage stopped;
    POOLKD_CHECK(read_through(source, work, stopped, [&](Snapshot& snapshot) { builder.add(snapshot); }));
    History history = builder.finish();
    history.coverage.merge(stopped);
    return history;
}

} // namespace poolkd::hunt

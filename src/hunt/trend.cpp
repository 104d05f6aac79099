#include "hunt/trend.h"

#include "hunt/counters.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>

namespace poolkd::hunt {

namespace {

constexpr double unknown = std::numeric_limits<double>::quiet_NaN();

/// A column of values in slots of equal width. A value that comes later in the same slot replaces the earlier one.
/// When time outgrows the slots, they double in width.
struct Slots {
    std::vector<double> values;

    void put(std::size_t slot, double value) {
        if (values.size() <= slot) values.resize(slot + 1, unknown);
        values[slot] = value;
    }
    void halve() {
        for (std::size_t i = 0; 2 * i < values.size(); ++i) {
            const double right = 2 * i + 1 < values.size() ? values[2 * i + 1] : unknown;
            values[i] = std::isnan(right) ? values[2 * i] : right;
        }
        values.resize((values.size() + 1) / 2);
    }
};

struct Track {
    TagTrend tag;
    Slots slots;
    std::size_t boot = 0, seen = 0;               ///< of the last snapshot that knows the tag; snapshots count from 1
    double boot_first = 0, boot_first_blocks = 0; ///< where the last boot began
    std::int64_t boot_ms = 0, last_ms = 0;
};

class TrendBuilder {
  public:
    explicit TrendBuilder(const TrendOptions& options) : options_(options) {}
    void add(Snapshot& snapshot);
    Trend finish();

  private:
    void note_row(const TagCounts& row);
    void note_absent();
    void put(Track& track, double bytes, double blocks);
    void widen();
    [[nodiscard]] std::size_t slot_of(std::int64_t ms) const { return static_cast<std::size_t>(ms / width_ms_); }
    [[nodiscard]] std::size_t slot() const { return slot_of(now_ms_); }
    [[nodiscard]] std::vector<double> points_of(const Track& track) const;

    const TrendOptions& options_;
    Trend trend_;
    std::map<TagKey, Track> tracks_;
    std::set<TagKey> others_; ///< tags that were not asked for, to count them
    bool left_out_ = false;   ///< there were too many tags
    Snapshot previous_;
    std::int64_t now_ms_ = 0; ///< of the snapshot at hand, since the first; never falls
    std::int64_t width_ms_ = 1;
    std::vector<std::int64_t> restarts_ms_; ///< the first of each slot
};

void TrendBuilder::put(Track& track, double bytes, double blocks) {
    TagTrend& tag = track.tag;
    if (tag.samples++ == 0) {
        tag.first = tag.least = tag.most = bytes;
        tag.first_blocks = blocks;
    }
    if (tag.samples == 1 || track.boot != trend_.restarts) {
        track.boot = trend_.restarts;
        track.boot_first = bytes;
        track.boot_first_blocks = blocks;
        track.boot_ms = now_ms_;
    }
    tag.last = bytes;
    tag.last_blocks = blocks;
    tag.least = std::min(tag.least, bytes);
    tag.most = std::max(tag.most, bytes);
    track.last_ms = now_ms_;
    track.seen = trend_.snapshots;
    track.slots.put(slot(), bytes);
}

void TrendBuilder::note_row(const TagCounts& row) {
    const bool full = tracks_.size() + others_.size() >= EvidenceHead::most_tags;
    if (!options_.wants(row.key)) {
        if (!full)
            others_.insert(row.key);
        else if (!others_.contains(row.key))
            left_out_ = true;
        return;
    }
    if (full && !tracks_.contains(row.key)) {
        left_out_ = true;
        return;
    }
    Track& track = tracks_[row.key];
    track.tag.key = row.key;
    put(track, static_cast<double>(row.bytes), static_cast<double>(blocks_in_use(row)));
}

/// A whole list of what is in use leaves out what is not: an absent tag holds nothing.
void TrendBuilder::note_absent() {
    for (auto& [key, track] : tracks_)
        if (track.seen != trend_.snapshots) put(track, 0, 0);
}

void TrendBuilder::widen() {
    width_ms_ *= 2;
    for (auto& [key, track] : tracks_)
        track.slots.halve();
    const auto same = std::ranges::unique(restarts_ms_, {}, [&](std::int64_t ms) { return slot_of(ms); });
    restarts_ms_.erase(same.begin(), same.end());
}

void TrendBuilder::add(Snapshot& snapshot) {
    // Without times the snapshots count as evenly spaced.
    const std::int64_t at = snapshot.time && trend_.first ? (*snapshot.time - *trend_.first).count()
                            : snapshot.time               ? 0
                                                          : static_cast<std::int64_t>(trend_.snapshots);
    now_ms_ = std::max(now_ms_, at);
    while (slot() >= Trend::most_points)
        widen();
    if (trend_.snapshots != 0 && restarted_between(previous_, snapshot)) {
        ++trend_.restarts;
        if (restarts_ms_.empty() || slot_of(restarts_ms_.back()) != slot()) restarts_ms_.push_back(now_ms_);
    }
    trend_.note(snapshot);
    for (const TagCounts& row : snapshot.rows)
        note_row(row);
    if (snapshot.whole && !snapshot.activity) note_absent();
    std::swap(previous_, snapshot);
}

/// From slots with holes to a value for each point. Between two values lies a straight line, but no line leads from one
/// boot into the next.
std::vector<double> TrendBuilder::points_of(const Track& track) const {
    std::vector<double> slots = track.slots.values;
    slots.resize(slot() + 1, unknown);
    auto restarted = [&](std::size_t from, std::size_t to) {
        const auto next =
            std::ranges::upper_bound(restarts_ms_, from, {}, [&](std::int64_t ms) { return slot_of(ms); });
        return next != restarts_ms_.end() && slot_of(*next) <= to;
    };
    std::optional<std::size_t> known;
    for (std::size_t i = 0; i < slots.size(); ++i) {
        if (std::isnan(slots[i])) continue;
        if (known) {
            const bool apart = restarted(*known, i);
            const double step = apart ? 0 : (slots[i] - slots[*known]) / static_cast<double>(i - *known);
            for (std::size_t k = *known + 1; k < i; ++k)
                slots[k] = slots[*known] + step * static_cast<double>(k - *known);
        }
        known = i;
    }
    return slots;
}

Trend TrendBuilder::finish() {
    // Slots much narrower than the time between snapshots tell nothing more: as many points as there are snapshots.
    const std::size_t slots = slot() + 1;
    trend_.points = std::min(slots, std::max<std::size_t>(trend_.snapshots, 1));
    for (std::int64_t ms : restarts_ms_)
        trend_.restarted_at.push_back(now_ms_ > 0 ? static_cast<double>(ms) / static_cast<double>(now_ms_) : 0);
    for (auto& [key, track] : tracks_) {
        TagTrend& tag = track.tag;
        tag.gained = tag.last - track.boot_first;
        tag.gained_blocks = tag.last_blocks - track.boot_first_blocks;
        const double hours = static_cast<double>(track.last_ms - track.boot_ms) / 3.6e6;
        if (trend_.first && hours > 0) tag.bytes_per_hour = tag.gained / hours;
        const std::vector<double> filled = points_of(track);
        for (std::size_t i = 0; i < trend_.points; ++i) {
            const std::size_t from = trend_.points > 1 ? i * (slots - 1) / (trend_.points - 1) : slots - 1;
            tag.points.push_back(filled[from]);
        }
        trend_.tags.push_back(std::move(tag));
    }
    if (left_out_) trend_.coverage.add_gap(GapReason::limit_reached, {}, 0);
    trend_.tags_total = tracks_.size() + others_.size();
    return std::move(trend_);
}

} // namespace

bool TrendOptions::wants(const TagKey& key) const {
    if (kind && *kind != key.kind) return false;
    return patterns.empty() ||
           std::ranges::any_of(patterns, [&](const std::string& pattern) { return tag_matches(key.tag, pattern); });
}

Result<Trend> read_trend(SnapshotSource& source, const TrendOptions& options, Work& work) {
    TrendBuilder builder(options);
    Coverage stopped;
    POOLKD_CHECK(read_through(source, work, stopped, [&](Snapshot& snapshot) { builder.add(snapshot); }));
    Trend trend = builder.finish();
    if (trend.snapshots == 0) return fail(ErrorKind::not_found, "The evidence holds no snapshot of pool tags");
    trend.coverage.merge(stopped);
    return trend;
}

} // namespace poolkd::hunt

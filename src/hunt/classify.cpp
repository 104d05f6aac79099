#include "hunt/classify.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace poolkd::hunt {

namespace {

// --- what the rules turn on -----------------------------------------------------------------------------------------

constexpr std::size_t enough_samples = 8; ///< below it a course has no shape
constexpr double leak_chance = 5e-5;      ///< of the floor's rise without a trend, for a leak
constexpr double modest_chance = 1e-6;    ///< the same, where a cache that wanders reaches as high
constexpr double trend_chance = 0.005;    ///< the same, to call it a trend at all
constexpr double least_change = 0.01;     ///< of what is in use, to call it a change
constexpr double least_blocks = 16;
constexpr double steady_pace = 0.85, steady_pace_long = 0.6; ///< last third against first, short and long evidence
constexpr std::size_t long_samples = 96, churning_samples = 20, short_samples = 20;
constexpr double long_hours = 48, day_hours = 24;
constexpr double never_freed = 0.05, churning = 0.3;
constexpr double level_pace = 0.1; ///< recent pace below which growth has ended

std::string percent(double part) {
    const double value = part * 100;
    return value != 0 && std::abs(value) < 0.995 ? fmt::format("{:.2g} %", value) : fmt::format("{:.0f} %", value);
}

std::string chance_text(double chance) {
    if (chance < 1e-12) return "practically never by chance";
    if (chance > 0.1) return "often by chance";
    return fmt::format("by chance once in {:.0f}", 1 / chance);
}

std::string hours_text(double hours) {
    if (hours >= 48) return fmt::format("{:.1f} days", hours / 24);
    if (hours >= 2) return fmt::format("{:.1f} hours", hours);
    if (hours >= 1.0 / 30) return fmt::format("{:.0f} minutes", hours * 60);
    return fmt::format("{:.0f} seconds", hours * 3600);
}

// --- many snapshots -------------------------------------------------------------------------------------------------

bool is_long(const Shape& shape) {
    return shape.samples >= long_samples && shape.span_hours >= long_hours;
}

double change_of_level(const Shape& shape) {
    return shape.first > 0 ? (shape.first + shape.gained) / shape.first : 1e9;
}

/// Growth goes on as at the start: in time, or, where the load varies, per allocation.
bool keeps_its_pace(const Shape& shape) {
    const double least = is_long(shape) ? steady_pace_long : steady_pace;
    if (shape.recent_pace.value_or(0) < least / 2) return false;
    if (shape.pace_change.value_or(0) >= least) return true;
    return shape.freed_share.value_or(0) >= 0.5 && shape.activity_change.value_or(0) >= least;
}

/// Blocks in use are allocations an hour times the time a block lives (Little's law): when only the load grew, the
/// blocks in use grew by the same factor. Half of the growth has to be more than that.
bool load_explains(const Shape& shape) {
    if (shape.freed_share.value_or(0) < churning || !shape.load_ratio || !shape.residence_ratio) return false;
    if (*shape.load_ratio - 1 <= std::max(0.1, 2 * shape.load_error)) return false;
    const double grown = *shape.load_ratio * *shape.residence_ratio;
    return grown - *shape.load_ratio < 0.5 * (grown - 1);
}

/// Could this rise be one flank of something that falls again: the morning of a day, a job's queue before it is worked
/// off? Not over more than a day. Within a day only when the tag has kept the same part of its allocations ever since
/// boot, and its rise is unlike such flanks.
bool may_be_rhythm(const Shape& shape) {
    if (shape.span_hours >= day_hours) return false;
    if (shape.samples < short_samples || shape.kept_before.value_or(0) < 0.5) return true;
    const double before = shape.history_ratio.value_or(0), uneven = shape.rise.unevenness;
    const bool fast = before >= 1 && shape.blocks_per_hour / std::max(shape.first, 1.0) >= 1;
    const bool straight = before >= 1 && shape.span_hours >= 6 && uneven <= 0.07;
    // From a tenth or less to its full height, evenly: a flank of a rhythm that steep begins and ends flat.
    const bool from_nothing = change_of_level(shape) >= 10 && uneven <= 0.15 && *shape.freed_share <= never_freed;
    return !fast && !straight && !from_nothing;
}

/// Counters since boot that no load and no cache leaves behind.
bool speaks_for_itself(const Standing& standing, const Layer& layer) {
    constexpr double many = 100'000, nearly_none = 0.01, large_share = 0.1, large = 1024.0 * 1024 * 1024;
    return standing.allocs && *standing.allocs >= many && standing.freed_share.value_or(1) <= nearly_none &&
           ((standing.whole && standing.share >= large_share) || standing.bytes >= large) && !layer.cache;
}

std::vector<std::string> doubts_of(const Shape& shape, const Standing& standing, const Layer& layer) {
    std::vector<std::string> doubts;
    auto doubt = [&](std::string text) { doubts.push_back(std::move(text)); };
    if (shape.stopped_at) {
        doubt(
            fmt::format("It grew evenly for the first {} and stopped; nothing was given back since. A leak whose cause "
                        "ended looks like this, and so does a cache that is full: repeat what ran then",
                        hours_text(*shape.stopped_at)));
        return doubts;
    }
    if (shape.gained < least_blocks) doubt(fmt::format("It gained only {:.0f} blocks", shape.gained));
    // What half a million blocks say of which none came back, no rhythm says.
    const bool plain = speaks_for_itself(standing, layer);
    const bool modest = !plain && change_of_level(shape) < 1.5 && shape.freed_share.value_or(1) > never_freed;
    if (shape.rise.chance > (modest ? modest_chance : leak_chance))
        doubt(fmt::format("Its floor rose in {} of the stretches, which happens {}: more snapshots decide",
                          percent(shape.rise.rising_share), chance_text(shape.rise.chance)));
    if (!plain && shape.samples < churning_samples && shape.freed_share.value_or(0) > never_freed)
        doubt(fmt::format("It frees blocks too, and {} snapshots are few to tell it from a load", shape.samples));
    if (shape.gained < shape.spread) doubt("Its growth is still within its own ups and downs");
    if (!keeps_its_pace(shape))
        doubt(fmt::format(
            "Its growth slowed down (the last third grew {} as fast as the first): a cache that fills looks "
            "like this",
            percent(std::max(0.0, shape.pace_change.value_or(0)))));
    if (load_explains(shape))
        doubt(fmt::format("Its allocations an hour rose as well, to {:.1f} times: the load explains the growth",
                          *shape.load_ratio));
    if (plain) {
        // Neither days nor times are needed.
    } else if (shape.span_hours == 0) {
        if (shape.freed_share.value_or(1) > never_freed || change_of_level(shape) < 2)
            doubt("The snapshots bear no times, so a rhythm of the load cannot be excluded (--interval tells them)");
    } else if (may_be_rhythm(shape)) {
        doubt(fmt::format("{} of evidence cannot exclude the rising side of a rhythm of the load",
                          hours_text(shape.span_hours)));
    }
    if (layer.cache)
        doubt(fmt::format("{} is a cache of Windows ({}), which is given back when memory gets scarce",
                          standing.blocks > 0 ? "The tag" : "It", layer.what));
    return doubts;
}

std::vector<std::string> signs_of(const Shape& shape, const Standing& standing) {
    std::vector<std::string> signs;
    if (shape.freed_share && *shape.freed_share <= never_freed)
        signs.push_back(fmt::format("{} of its {:.0f} allocations in this time were freed", percent(*shape.freed_share),
                                    shape.allocs_gained.value_or(0)));
    signs.push_back(fmt::format("Its floor rose in {} of the stretches of the evidence, {}",
                                percent(shape.rise.rising_share), chance_text(shape.rise.chance)));
    if (shape.pace_change)
        signs.push_back(fmt::format("It keeps its pace: the last third grew {:.2f} times as fast as the first",
                                    *shape.pace_change));
    if (shape.residence_ratio && *shape.residence_ratio > 1.05 && shape.freed_share.value_or(0) > never_freed)
        signs.push_back(fmt::format("The load does not explain it: blocks live {:.1f} times as long at the end",
                                    *shape.residence_ratio));
    if (shape.uniform_sizes)
        signs.push_back(fmt::format("What piles up has one size, {:.0f} bytes a block", shape.bytes_per_block));
    if (standing.whole && standing.share >= 0.1)
        signs.push_back(fmt::format("It holds {} of its pool", percent(standing.share)));
    return signs;
}

double leak_confidence(const Shape& shape, const Standing& standing) {
    double confidence = 0.70;
    if (shape.freed_share && *shape.freed_share <= never_freed) confidence += 0.10;
    if (shape.uniform_sizes) confidence += 0.03;
    if (shape.rise.chance < 1e-8) confidence += 0.05;
    if (shape.rise.rising_share >= 0.95) confidence += 0.03;
    if (is_long(shape)) confidence += 0.05;
    if (standing.share >= 0.1) confidence += 0.02;
    if (shape.span_hours == 0) confidence -= 0.10;
    if (!shape.freed_share) confidence -= 0.10;
    return std::min(confidence, 0.97);
}

bool rises(const Shape& shape) {
    const bool trend = shape.rising_chance < trend_chance || shape.rise.chance < leak_chance;
    return trend && shape.gained > 0 && shape.gained >= least_change * shape.last;
}

bool falls(const Shape& shape) {
    const bool trend = shape.falling_chance < trend_chance || shape.fall_chance < leak_chance;
    return trend && shape.gained < 0 && -shape.gained >= least_change * shape.first;
}

bool saws(const Shape& shape) {
    return shape.cycles >= 2 && shape.high - shape.low >= 0.15 * shape.high && shape.high - shape.low >= 4;
}

Judgement level(const Shape& shape) {
    Judgement flat{Verdict::flat, std::min(0.95, 0.6 + 0.002 * static_cast<double>(shape.samples)), {}};
    if (shape.high == shape.low) {
        flat.reasons.emplace_back("Nothing changed");
    } else {
        flat.reasons.push_back(
            fmt::format("It stays between {:.0f} and {:.0f} blocks without a trend", shape.low, shape.high));
    }
    return flat;
}

Judgement by_shape(const Shape& shape, const Standing& standing, const Layer& layer) {
    if (rises(shape)) {
        const bool ended = shape.recent_pace.value_or(1) < level_pace;
        if (ended && !shape.stopped_at) {
            Judgement flat = level(shape);
            flat.reasons = {
                fmt::format("It rose by {:.0f} blocks early on and has been level since: a load that stepped "
                            "up, or a cache that filled",
                            shape.gained)};
            flat.confidence = std::min(flat.confidence, 0.8);
            return flat;
        }
        if (saws(shape) && shape.gained < 0.3 * (shape.high - shape.low) && shape.rise.chance > leak_chance)
            return {Verdict::sawtooth,
                    0.7,
                    {fmt::format("It rose and fell back {} times; what stayed is little against that", shape.cycles)}};
        std::vector<std::string> doubts = doubts_of(shape, standing, layer);
        if (doubts.empty()) return {Verdict::leaking, leak_confidence(shape, standing), signs_of(shape, standing)};
        return {Verdict::growing, std::max(0.5, 0.85 - 0.1 * static_cast<double>(doubts.size())), std::move(doubts)};
    }
    if (falls(shape)) return {Verdict::falling, 0.8, {fmt::format("It fell by {:.0f} blocks", -shape.gained)}};
    if (saws(shape))
        return {Verdict::sawtooth,
                std::min(0.95, 0.6 + 0.05 * shape.cycles),
                {fmt::format("It rose and fell back {} times between {:.0f} and {:.0f} blocks", shape.cycles, shape.low,
                             shape.high)}};
    if (shape.bytes_rising_chance < trend_chance && shape.gained_bytes >= least_change * standing.bytes &&
        shape.gained_bytes > 0)
        return {Verdict::growing, 0.5, {"Its blocks get larger, not more: buffers that grow with the load, as a rule"}};
    return level(shape);
}

// --- few snapshots --------------------------------------------------------------------------------------------------

Judgement by_standing(const Shape& shape, const Standing& standing, const Layer& layer) {
    const bool several = shape.samples >= 2;
    const double changed = shape.last - shape.first;
    const bool gained = several && changed > least_change * shape.first && changed >= 1;
    const bool lost = several && -changed > least_change * shape.first;
    const bool swings = shape.samples >= 3 && shape.high - shape.low > 1.5 * std::abs(changed);
    if (speaks_for_itself(standing, layer) && !lost) {
        Judgement leak{Verdict::leaking, 0.75, {}};
        if (*standing.freed_share <= 0.001) leak.confidence += 0.08;
        if (gained) leak.confidence += 0.05;
        leak.reasons.push_back(fmt::format("{} of its {:.0f} allocations since boot were freed",
                                           percent(*standing.freed_share), *standing.allocs));
        if (standing.whole) leak.reasons.push_back(fmt::format("It holds {} of its pool", percent(standing.share)));
        if (!several) leak.reasons.emplace_back("One snapshot only: a second one tells whether it still grows");
        return leak;
    }
    if (swings && (gained || lost))
        return {Verdict::undecided,
                0,
                {fmt::format("It goes up and down; {} snapshots show no course yet", shape.samples)}};
    if (gained)
        return {Verdict::growing,
                0.5,
                {fmt::format("It gained {:.0f} blocks, but {} snapshots have no shape yet: at least {} are needed",
                             changed, shape.samples, enough_samples)}};
    if (lost) return {Verdict::falling, 0.5, {fmt::format("It fell by {:.0f} blocks", -changed)}};
    if (several && shape.samples >= 3)
        return {
            Verdict::flat, 0.3 + 0.05 * static_cast<double>(shape.samples), {"Nothing changed in these few snapshots"}};
    if (layer.cache) return {Verdict::undecided, 0, {}};
    constexpr double suspicious_share = 0.2;
    if (standing.whole && standing.share >= suspicious_share)
        return {Verdict::growing,
                0.4,
                {fmt::format("It holds {} of its pool; {} snapshot{} cannot tell whether it still grows",
                             percent(standing.share), shape.samples == 1 ? "one" : "two", several ? "s" : "")}};
    if (standing.freed_share && *standing.freed_share <= 0.2 && standing.blocks >= 10'000)
        return {Verdict::growing,
                0.4,
                {fmt::format("Only {} of its {:.0f} allocations since boot were freed", percent(*standing.freed_share),
                             standing.allocs.value_or(0))}};
    return {Verdict::undecided, 0, {}};
}

} // namespace

Judgement classify(const Shape& shape, const Standing& standing, const Layer& layer) {
    if (shape.samples >= enough_samples) return by_shape(shape, standing, layer);
    return by_standing(shape, standing, layer);
}

} // namespace poolkd::hunt

#include "hunt/classify.h"

#include "hunt/doubts.h"
#include "hunt/words.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace poolkd::hunt {

namespace {

// --- what the rules turn on -----------------------------------------------------------------------------------------

constexpr std::size_t enough_samples = 8; ///< below it a course has no shape
constexpr double trend_chance = 0.005;    ///< of the floor's rise without a trend, to call it a trend at all
constexpr double least_change = 0.01;     ///< of what is in use, to call it a change
constexpr double least_blocks = 16;       ///< the same in blocks, of few snapshots
constexpr double level_pace = 0.1;        ///< recent pace below which growth has ended

// --- many snapshots -------------------------------------------------------------------------------------------------

/// "None of its 184 allocations since boot was freed", "0.4 % of its 7500000 allocations since boot were freed"
std::string freed_text(double share, double allocs, std::string_view when) {
    if (share <= 0) return fmt::format("None of its {:.0f} allocations {} was freed", allocs, when);
    return fmt::format("{} of its {:.0f} allocations {} were freed", percent(share), allocs, when);
}

std::vector<std::string> signs_of(const Shape& shape, const Standing& standing) {
    std::vector<std::string> signs;
    if (shape.freed_share && *shape.freed_share <= never_freed)
        signs.push_back(freed_text(*shape.freed_share, shape.allocs_gained.value_or(0), "in this time"));
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
    constexpr double day = 24, days = 72;
    double confidence = 0.70;
    if (shape.freed_share && *shape.freed_share <= never_freed) confidence += 0.08;
    if (shape.uniform_sizes) confidence += 0.03;
    if (shape.rise.chance < 1e-8) confidence += 0.05;
    if (shape.rise.rising_share >= 0.95) confidence += 0.03;
    if (is_long(shape)) confidence += 0.05;
    if (standing.whole && standing.share >= 0.1) confidence += 0.02;
    // A straight fill that takes longer than the evidence cannot be told from a leak.
    if (shape.span_hours < days) confidence -= shape.span_hours < day ? 0.10 : 0.05;
    return std::min(confidence, 0.95);
}

bool rises(const Shape& shape) {
    const bool trend = shape.rising_chance < trend_chance || shape.rise.chance < leak_chance;
    return trend && shape.gained > 0 && shape.gained >= least_change * shape.last && shape.blocks_per_hour > 0;
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
    const bool moved = several && shape.high != shape.low;
    const bool gained = several && changed > least_change * shape.first && changed >= least_blocks;
    const bool lost = several && -changed > least_change * shape.first && -changed >= least_blocks;
    const bool swings = shape.samples >= 3 && shape.high - shape.low > 1.5 * std::abs(changed);
    if (speaks_for_itself(standing, layer) && (gained || !several)) {
        Judgement leak{Verdict::leaking, 0.75, {}};
        if (*standing.freed_share <= 0.001) leak.confidence += 0.08;
        if (gained) leak.confidence += 0.05;
        leak.reasons.push_back(freed_text(*standing.freed_share, *standing.allocs, "since boot"));
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
    if (moved)
        return {Verdict::undecided,
                0,
                {fmt::format("It changed a little; {} snapshots show no course yet", shape.samples)}};
    if (several)
        return {Verdict::flat,
                0.3 + 0.05 * static_cast<double>(shape.samples),
                {fmt::format("Nothing changed in these {} snapshots", shape.samples)}};
    if (layer.cache) return {Verdict::undecided, 0, {}};
    constexpr double suspicious_share = 0.2, suspicious_bytes = 128.0 * 1024 * 1024;
    const bool much = standing.whole ? standing.share >= suspicious_share : standing.bytes >= suspicious_bytes;
    if (much)
        return {Verdict::growing,
                0.4,
                {fmt::format("It holds {}; one snapshot cannot tell whether it still grows",
                             standing.whole ? percent(standing.share) + " of its pool"
                                            : fmt::format("{:.0f} MB", standing.bytes / 1024 / 1024))}};
    if (standing.freed_share && *standing.freed_share <= 0.2 && standing.blocks >= 10'000)
        return {Verdict::growing, 0.4, {freed_text(*standing.freed_share, standing.allocs.value_or(0), "since boot")}};
    return {Verdict::undecided, 0, {}};
}

} // namespace

Judgement classify(const Shape& shape, const Standing& standing, const Layer& layer) {
    if (shape.samples >= enough_samples) return by_shape(shape, standing, layer);
    return by_standing(shape, standing, layer);
}

} // namespace poolkd::hunt

#include "hunt/doubts.h"

#include "hunt/words.h"

#include <fmt/format.h>

#include <algorithm>

namespace poolkd::hunt {

namespace {

constexpr double modest_chance = 1e-6; ///< of the floor's rise, where a cache that wanders reaches as high
constexpr double least_gain = 16;      ///< blocks
constexpr double steady_pace = 0.85, steady_pace_long = 0.6; ///< last third against first, short and long evidence
constexpr double slowing = -3;                               ///< standard errors of the steps' slope
constexpr std::size_t churning_samples = 20, short_samples = 20;
constexpr double day_hours = 24, days_of_habit = 7;
constexpr double churning = 0.3;
constexpr double many_before = 10'000; ///< allocations before the evidence that show how a tag behaves

double change_of_level(const Shape& shape) {
    return shape.first > 0 ? (shape.first + shape.gained) / shape.first : 1e9;
}

/// What is freed is not known: taken as if it were much.
double freed(const Shape& shape) {
    return shape.freed_share.value_or(1);
}

/// Growth goes on as at the start: in time, or, where the load varies, per allocation.
bool keeps_its_pace(const Shape& shape) {
    const double least = is_long(shape) ? steady_pace_long : steady_pace;
    if (shape.recent_pace.value_or(0) < least / 2) return false;
    // A slow-down that is sure, and more than a little.
    if (shape.rise.slowing < slowing && shape.pace_change.value_or(0) < 0.9) return false;
    if (shape.pace_change.value_or(0) >= least) return true;
    return shape.freed_share.value_or(0) >= 0.5 && shape.activity_change.value_or(0) >= least;
}

/// Blocks in use are allocations an hour times the time a block lives (Little's law): when only the load grew, the
/// blocks in use grew by the same factor. Half of the growth has to be more than that, also when the load grew by as
/// much more as its own ups and downs may hide.
bool load_explains(const Shape& shape) {
    if (freed(shape) < churning) return false; // the load gives nothing back that more of it could hold
    if (!shape.load_ratio || !shape.residence_ratio) return true;
    const double load = *shape.load_ratio + 2 * shape.load_error;
    if (load <= 1.1) return false;
    const double grown = *shape.load_ratio * *shape.residence_ratio;
    return grown - load < 0.5 * (grown - 1);
}

/// Could this rise be one flank of something that falls again: the morning of a day, a job's queue before it is worked
/// off? Not over more than a day. Within a day only when the tag has kept the same part of its allocations ever since
/// boot, and its rise is unlike such flanks.
bool may_be_rhythm(const Shape& shape) {
    if (shape.span_hours >= day_hours) return false;
    if (shape.samples < short_samples || shape.kept_before.value_or(0) < 0.5) return true;
    const double before = shape.history_ratio.value_or(0), uneven = shape.rise.unevenness;
    const bool knows_before = before >= 1 || before * shape.allocs_gained.value_or(0) >= many_before;
    const bool fast = knows_before && shape.blocks_per_hour / std::max(shape.first, 1.0) >= 1;
    const bool straight = knows_before && shape.span_hours >= 6 && uneven <= 0.07;
    // From a tenth or less to its full height, evenly: a flank of a rhythm that steep begins and ends flat.
    const bool from_nothing =
        shape.span_hours >= 6 && change_of_level(shape) >= 10 && uneven <= 0.15 && freed(shape) <= never_freed;
    return !fast && !straight && !from_nothing;
}

/// Before the evidence, in far more allocations than in it, the tag gave back what it took. Something that comes round
/// each few days looks like this on its way up: logs that rotate, batches.
bool is_new_habit(const Shape& shape) {
    return shape.span_hours < days_of_habit * day_hours && shape.history_ratio.value_or(0) >= 2 &&
           shape.kept_before.value_or(1) < 0.25;
}

} // namespace

bool is_long(const Shape& shape) {
    constexpr std::size_t samples = 96;
    constexpr double hours = 48;
    return shape.samples >= samples && shape.span_hours >= hours;
}

bool speaks_for_itself(const Standing& standing, const Layer& layer) {
    constexpr double many = 100'000, nearly_none = 0.01, large_share = 0.1, mega = 1024.0 * 1024;
    return standing.allocs && *standing.allocs >= many && standing.freed_share.value_or(1) <= nearly_none &&
           ((standing.whole && standing.share >= large_share && standing.bytes >= 16 * mega) ||
            standing.bytes >= 128 * mega) &&
           !layer.cache;
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
    if (shape.gained < least_gain) doubt(fmt::format("It gained only {:.0f} blocks", shape.gained));
    // What a hundred thousand blocks say of which none came back, no rhythm says.
    const bool plain = speaks_for_itself(standing, layer);
    const bool modest = !plain && change_of_level(shape) < 1.5 && freed(shape) > never_freed;
    if (shape.rise.chance > (modest ? modest_chance : leak_chance))
        doubt(fmt::format("Its floor rose in {} of the stretches, which happens {}{}: more snapshots decide",
                          percent(shape.rise.rising_share), chance_text(shape.rise.chance),
                          modest ? " (of so small a growth once in a million is asked)" : ""));
    if (!plain && shape.samples < churning_samples && freed(shape) > never_freed)
        doubt(fmt::format("It {}, and {} snapshots are few to tell it from a load",
                          shape.freed_share ? "frees blocks too" : "may free blocks too", shape.samples));
    if (shape.gained < shape.spread) doubt("Its growth is still within its own ups and downs");
    if (!keeps_its_pace(shape)) {
        if (!shape.pace_change) {
            doubt("It did not grow in the first third of the evidence: what it does now began in between");
        } else if (shape.recent_pace && (*shape.recent_pace >= 1 || *shape.pace_change >= 1)) {
            doubt(fmt::format("Its growth is uneven: the last third grew {:.1f} times as fast as the whole",
                              *shape.recent_pace));
        } else {
            doubt(fmt::format("Its growth slows down (the last third grew {} as fast as the first): a cache that fills "
                              "looks like this",
                              percent(std::max(0.0, *shape.pace_change))));
        }
    }
    if (!shape.freed_share) {
        doubt("Its allocations are not known, so more load is not excluded");
    } else if (load_explains(shape)) {
        doubt(
            fmt::format("Its allocations an hour went to {:.2f} times, give or take {:.2f}: more load can explain the "
                        "growth",
                        shape.load_ratio.value_or(1), 2 * shape.load_error));
    }
    if (plain) {
        // Neither days nor times are needed.
    } else if (shape.span_hours == 0) {
        if (freed(shape) > never_freed || change_of_level(shape) < 2)
            doubt("The snapshots bear no times, so a rhythm of the load cannot be excluded (--interval tells them)");
    } else if (may_be_rhythm(shape)) {
        doubt(fmt::format("{} of evidence cannot exclude the rising side of a rhythm of the load",
                          hours_text(shape.span_hours)));
    } else if (is_new_habit(shape)) {
        doubt(fmt::format("Before, it gave back what it took: something that comes round each few days is not excluded "
                          "by {} of evidence",
                          hours_text(shape.span_hours)));
    }
    if (layer.cache)
        doubt(fmt::format("The tag belongs to a cache of Windows ({}), which is given back when memory gets scarce",
                          layer.what));
    return doubts;
}

} // namespace poolkd::hunt

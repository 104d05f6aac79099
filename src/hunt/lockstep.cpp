#include "hunt/lockstep.h"

#include "hunt/statistics.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <tuple>

namespace poolkd::hunt {

namespace {

constexpr std::size_t most_candidates = 300; ///< pairs are compared: the biggest growers come first
constexpr std::size_t most_steps = 24;
constexpr std::size_t enough_steps = 8; ///< for a correlation
constexpr double together = 0.9;        ///< correlation of growth that makes a group
constexpr double apart = 0.3;           ///< and one that forbids it
constexpr double varying = 0.05;        ///< of the mean: growth that varies less says nothing by its correlation
constexpr double least_in_use = 1000;   ///< blocks, to compare by one snapshot alone
constexpr unsigned largest_number = 4;  ///< of a ratio of small whole numbers

/// Points [begin, end) of a history.
struct Points {
    std::size_t begin = 0, end = 0;
    [[nodiscard]] std::size_t size() const { return end - begin; }
};

/// The longest boot of the evidence.
Points longest_boot(const History& history) {
    Points best;
    for (std::size_t begin = 0; begin < history.boot.size();) {
        std::size_t end = begin;
        while (end < history.boot.size() && history.boot[end] == history.boot[begin])
            ++end;
        if (end - begin >= best.size()) best = {begin, end};
        begin = end;
    }
    return best;
}

/// Time, or the number of snapshots where they bear none, from one point to a later one; of a clock that stood still
/// the mean for so many points.
double elapsed(const History& history, Points points, std::size_t from, std::size_t to) {
    const double hours = history.hours[to] - history.hours[from];
    if (hours > 0) return hours;
    const double all = history.hours[points.end - 1] - history.hours[points.begin];
    const auto part = static_cast<double>(to - from);
    return all > 0 ? part * all / static_cast<double>(points.size() - 1) : part;
}

/// The first points of even stretches of these.
std::vector<std::size_t> divide(Points points) {
    const std::size_t parts = std::min(most_steps, points.size() / 2);
    std::vector<std::size_t> bounds;
    for (std::size_t i = 0; i <= parts && parts != 0; ++i)
        bounds.push_back(points.begin + points.size() * i / parts);
    return bounds;
}

/// Growth of a tag's floor from stretch to stretch, in time: the target's own where the snapshots bear it.
std::vector<double> growth_steps(const History& history, const TagHistory& tag, Points points) {
    const std::vector<std::size_t> bounds = divide(points);
    std::vector<double> steps;
    std::size_t before = points.end; // the point of the last floor
    for (std::size_t i = 0; i + 1 < bounds.size(); ++i) {
        std::size_t floor = points.end;
        for (std::size_t p = bounds[i]; p < bounds[i + 1]; ++p)
            if (!std::isnan(tag.blocks[p]) && (floor == points.end || tag.blocks[p] < tag.blocks[floor])) floor = p;
        if (floor == points.end) { // nothing known: no growth seen
            if (i != 0) steps.push_back(0);
            continue;
        }
        if (i != 0)
            steps.push_back(before == points.end
                                ? tag.blocks[floor] / elapsed(history, points, bounds[0], floor)
                                : (tag.blocks[floor] - tag.blocks[before]) / elapsed(history, points, before, floor));
        before = floor;
    }
    return steps;
}

/// How fast a tag allocates in each stretch, for one on average; nothing when it does too little to tell.
std::optional<std::vector<double>> pace_of(const History& history, const TagHistory& tag, Points points) {
    constexpr double least_a_step = 8; // allocations
    const std::vector<std::size_t> bounds = divide(points);
    if (tag.allocs.empty() || bounds.size() < 3) return std::nullopt;
    std::vector<double> paces;
    double first = 0, last = 0;
    for (std::size_t i = 0; i + 1 < bounds.size(); ++i) {
        const double now = tag.allocs[bounds[i]];
        if (std::isnan(now)) return std::nullopt;
        if (i == 0) first = now;
        if (i != 0) paces.push_back((now - last) / elapsed(history, points, bounds[i - 1], bounds[i]));
        last = now;
    }
    if (last - first < least_a_step * static_cast<double>(paces.size())) return std::nullopt;
    const double mean = mean_spread(paces).mean;
    if (mean <= 0) return std::nullopt;
    for (double& pace : paces)
        pace /= mean;
    return paces;
}

/// The pace of the whole machine in each stretch: the median of the tags that are no candidates. Load makes all tags
/// busy at once, and a host that has no time for its guest makes all of them slow. Empty: too few tags tell.
std::vector<double> common_pace(const History& history, std::span<const Candidate> candidates, Points points) {
    constexpr std::size_t few_tags = 4;
    std::set<const TagHistory*> own;
    for (const Candidate& candidate : candidates)
        own.insert(candidate.history);
    std::vector<std::vector<double>> all;
    for (const TagHistory& tag : history.tags) {
        if (own.contains(&tag)) continue;
        if (auto paces = pace_of(history, tag, points)) all.push_back(std::move(*paces));
    }
    std::vector<double> common;
    if (all.size() < few_tags) return common;
    for (std::size_t i = 0; i < all.front().size(); ++i) {
        std::vector<double> here;
        for (const std::vector<double>& paces : all)
            here.push_back(paces[i]);
        common.push_back(quantile(here, 0.5));
    }
    return common;
}

/// Takes off what of the steps goes with the common pace; their mean stays.
void take_off(std::vector<double>& steps, std::span<const double> pace) {
    if (pace.size() != steps.size() || steps.size() < enough_steps) return;
    const double slope = fit_line(pace, steps).slope, mean = mean_spread(pace).mean;
    if (slope <= 0) return;
    for (std::size_t i = 0; i < steps.size(); ++i)
        steps[i] -= slope * (pace[i] - mean);
}

struct Grower {
    const Candidate* candidate = nullptr;
    std::vector<double> steps;
    double mean = 0;
    double variation = 0; ///< deviation of the steps over their mean
};

/// The closest ratio of whole numbers up to `largest_number`, if it is within `tolerance`.
std::optional<double> small_ratio(double ratio, double tolerance) {
    std::optional<double> best;
    for (unsigned p = 1; p <= largest_number; ++p)
        for (unsigned q = 1; q <= largest_number; ++q) {
            const double whole = static_cast<double>(p) / q;
            const double off = std::abs(ratio / whole - 1);
            if (off <= tolerance && (!best || off < std::abs(ratio / *best - 1))) best = whole;
        }
    return best;
}

/// That so many pairs of independent steps do not correlate like this by chance.
bool vary_together(double alike, std::size_t steps) {
    constexpr double chance = 0.001;
    if (alike <= 0 || steps < 3) return false;
    const auto freedom = static_cast<double>(steps - 2);
    return alike >= 1 || student_tail(alike * std::sqrt(freedom / (1 - alike * alike)), freedom) < chance;
}

/// Growth of `b` for one block of `a`, when the two go in lockstep.
std::optional<double> lockstep_ratio(const Grower& a, const Grower& b) {
    if (a.candidate->gained <= 0 || b.candidate->gained <= 0) return std::nullopt;
    constexpr double exact = 0.005, loose = 0.03;
    const double ratio = b.candidate->gained / a.candidate->gained;
    if (a.steps.size() < 5) {
        // One snapshot or few: only the numbers themselves speak.
        if (std::min(a.candidate->gained, b.candidate->gained) < least_in_use) return std::nullopt;
        constexpr double very_exact = 0.001; // the eleven other ratios are met by chance that often
        return std::abs(ratio - 1) <= exact ? 1 : small_ratio(ratio, very_exact);
    }
    if (a.mean <= 0 || b.mean <= 0) return std::nullopt;
    const double mean_ratio = b.mean / a.mean;
    const bool tells = a.variation >= varying && b.variation >= varying;
    const double alike = correlation(a.steps, b.steps);
    if (tells && alike >= together && a.steps.size() >= enough_steps) return mean_ratio;
    if (tells && alike < apart) return std::nullopt;
    // How well the ratio is known: the scatter of b's steps around it.
    std::vector<double> rests;
    for (std::size_t i = 0; i < a.steps.size(); ++i)
        rests.push_back(b.steps[i] - mean_ratio * a.steps[i]);
    const double error = mean_spread(rests).deviation / b.mean / std::sqrt(static_cast<double>(rests.size()));
    // A ratio that is not known better than this is near a small one by chance; if they hardly vary together, it is.
    if (2 * error > loose && !(tells && vary_together(alike, rests.size()))) return std::nullopt;
    return small_ratio(mean_ratio, std::clamp(2 * error, exact, loose));
}

} // namespace

LeakGroup make_group(std::vector<GroupPart> parts) {
    // The higher layer holds the lower one. Of equals the one with fewer blocks: a parent has several children. Ratios
    // that differ by a twentieth are one.
    std::ranges::sort(parts, {}, [](const GroupPart& part) {
        return std::tuple(-static_cast<int>(part.layer.height), std::lround(std::log(part.ratio) / 0.05), part.row);
    });
    const Layer &owner = parts[0].layer, &next = parts[1].layer;
    LeakGroup group;
    double rate = 0;
    for (const GroupPart& part : parts) {
        group.members.push_back({part.row, part.ratio / parts[0].ratio, part.layer.what});
        group.bytes += part.bytes;
        rate += part.bytes_per_hour;
    }
    if (rate != 0) group.bytes_per_hour = rate;
    const unsigned above = owner.height - next.height;
    if (above == 0) {
        group.confidence = 0.4;
        group.reason =
            fmt::format("The highest of them stand on one layer ({}); of these it is the one with the fewest "
                        "blocks",
                        owner.what);
    } else {
        group.confidence = above >= 10 ? 0.85 : 0.65;
        if (!owner.known) group.confidence -= 0.10;
        group.reason =
            fmt::format("{}: it stands above {}, whose blocks are held by what is above them", owner.what, next.what);
    }
    return group;
}

std::vector<LeakGroup> find_groups(const History& history, std::span<const Candidate> candidates) {
    const Points boot = longest_boot(history);
    const std::vector<double> pace = common_pace(history, candidates, boot);
    std::vector<Grower> growers;
    for (const Candidate& candidate : candidates.first(std::min(candidates.size(), most_candidates))) {
        Grower& grower =
            growers.emplace_back(Grower{&candidate, growth_steps(history, *candidate.history, boot), 0, 0});
        take_off(grower.steps, pace);
        const MeanSpread spread = mean_spread(grower.steps);
        grower.mean = spread.mean;
        grower.variation = spread.mean > 0 ? spread.deviation / spread.mean : 0;
    }
    std::vector<LeakGroup> groups;
    std::vector<bool> taken(growers.size(), false);
    for (std::size_t i = 0; i < growers.size(); ++i) {
        if (taken[i] || !growers[i].candidate->leads) continue;
        auto part = [&](const Grower& grower, double ratio) {
            const Candidate& one = *grower.candidate;
            return GroupPart{one.row, ratio, one.layer, one.bytes, one.bytes_per_hour};
        };
        std::vector<GroupPart> parts{part(growers[i], 1)};
        // Each is compared with the first alone: chains of near misses would grow without end.
        for (std::size_t j = i + 1; j < growers.size(); ++j) {
            if (taken[j]) continue;
            if (auto ratio = lockstep_ratio(growers[i], growers[j])) {
                taken[j] = true;
                parts.push_back(part(growers[j], *ratio));
            }
        }
        if (parts.size() >= 2) groups.push_back(make_group(std::move(parts)));
    }
    return groups;
}

} // namespace poolkd::hunt

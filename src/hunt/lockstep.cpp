#include "hunt/lockstep.h"

#include "hunt/statistics.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

namespace poolkd::hunt {

namespace {

constexpr std::size_t most_candidates = 300; ///< pairs are compared: the biggest growers come first
constexpr std::size_t most_steps = 24;
constexpr double together = 0.9;       ///< correlation of growth that makes a group
constexpr double apart = 0.3;          ///< and one that forbids it
constexpr double varying = 0.05;       ///< of the mean: growth that varies less says nothing by its correlation
constexpr double least_in_use = 1000;  ///< blocks, to compare by one snapshot alone
constexpr unsigned largest_number = 4; ///< of a ratio of small whole numbers

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

/// Growth of a tag's floor from stretch to stretch of these points.
std::vector<double> growth_steps(const TagHistory& tag, Points points) {
    const std::size_t parts = std::min(most_steps, points.size() / 2);
    std::vector<double> steps;
    double before = 0;
    for (std::size_t i = 0; i < parts; ++i) {
        double floor = std::numeric_limits<double>::quiet_NaN();
        const std::size_t end = points.begin + points.size() * (i + 1) / parts;
        for (std::size_t p = points.begin + points.size() * i / parts; p < end; ++p)
            if (!std::isnan(tag.blocks[p])) floor = std::isnan(floor) ? tag.blocks[p] : std::min(floor, tag.blocks[p]);
        if (std::isnan(floor)) floor = before; // nothing known: no growth seen
        if (i != 0) steps.push_back(floor - before);
        before = floor;
    }
    return steps;
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
    if (tells && alike >= together && a.steps.size() >= 8) return mean_ratio;
    if (tells && alike < apart) return std::nullopt;
    // How well the ratio is known: the scatter of b's steps around it.
    std::vector<double> rests;
    for (std::size_t i = 0; i < a.steps.size(); ++i)
        rests.push_back(b.steps[i] - mean_ratio * a.steps[i]);
    const double error = mean_spread(rests).deviation / b.mean / std::sqrt(static_cast<double>(rests.size()));
    return small_ratio(mean_ratio, std::clamp(2 * error, exact, loose));
}

struct Member {
    const Grower* grower = nullptr;
    double ratio = 1;
};

LeakGroup make_group(std::vector<Member> members) {
    // The higher layer holds the lower one. Of equals the one with fewer blocks: a parent has several children.
    std::ranges::sort(members, [](const Member& a, const Member& b) {
        const Candidate &x = *a.grower->candidate, &y = *b.grower->candidate;
        if (x.layer.height != y.layer.height) return x.layer.height > y.layer.height;
        if (std::abs(a.ratio - b.ratio) > 0.05 * a.ratio) return a.ratio < b.ratio;
        return x.row < y.row;
    });
    const Candidate& owner = *members[0].grower->candidate;
    const Candidate& next = *members[1].grower->candidate;
    LeakGroup group;
    double rate = 0;
    for (const Member& m : members) {
        const Candidate& c = *m.grower->candidate;
        group.members.push_back({c.row, m.ratio / members[0].ratio, c.layer.what});
        group.bytes += c.bytes;
        rate += c.bytes_per_hour;
    }
    if (rate != 0) group.bytes_per_hour = rate;
    const unsigned above = owner.layer.height - next.layer.height;
    if (above == 0) {
        group.confidence = 0.4;
        group.reason =
            fmt::format("The highest of them stand on one layer ({}); of these it is the one with the fewest "
                        "blocks",
                        owner.layer.what);
    } else {
        group.confidence = above >= 10 ? 0.85 : 0.65;
        if (!owner.layer.known) group.confidence -= 0.10;
        group.reason = fmt::format("{}: it stands above {}, whose blocks are held by what is above them",
                                   owner.layer.what, next.layer.what);
    }
    return group;
}

} // namespace

std::vector<LeakGroup> find_groups(const History& history, std::span<const Candidate> candidates) {
    const Points boot = longest_boot(history);
    std::vector<Grower> growers;
    for (const Candidate& candidate : candidates.first(std::min(candidates.size(), most_candidates))) {
        Grower& grower = growers.emplace_back(Grower{&candidate, growth_steps(*candidate.history, boot), 0, 0});
        const MeanSpread spread = mean_spread(grower.steps);
        grower.mean = spread.mean;
        grower.variation = spread.mean > 0 ? spread.deviation / spread.mean : 0;
    }
    std::vector<LeakGroup> groups;
    std::vector<bool> taken(growers.size(), false);
    for (std::size_t i = 0; i < growers.size(); ++i) {
        if (taken[i] || !growers[i].candidate->leads) continue;
        std::vector<Member> members{{&growers[i], 1}};
        // Each is compared with the first alone: chains of near misses would grow without end.
        for (std::size_t j = i + 1; j < growers.size(); ++j) {
            if (taken[j]) continue;
            if (auto ratio = lockstep_ratio(growers[i], growers[j])) {
                taken[j] = true;
                members.push_back({&growers[j], *ratio});
            }
        }
        if (members.size() >= 2) groups.push_back(make_group(std::move(members)));
    }
    return groups;
}

} // namespace poolkd::hunt

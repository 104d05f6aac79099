#include "hunt/verdict.h"

#include "hunt/advice.h"
#include "hunt/classify.h"
#include "hunt/history.h"
#include "hunt/lockstep.h"
#include "hunt/shape.h"

#include <algorithm>
#include <cmath>

namespace poolkd::hunt {

namespace {

constexpr std::size_t tags_between_looks = 64; ///< at the wish to stop

/// The course to judge by: the last boot's when it is long enough to have a shape, or no shorter than half of the
/// longest; else that of the longest boot.
const Course* main_course(const std::vector<Course>& courses) {
    constexpr std::size_t enough = 20;
    if (courses.empty()) return nullptr;
    auto points = [](const Course& course) { return course.hours.size(); };
    const Course& longest = *std::ranges::max_element(courses, {}, points);
    const Course& last = courses.back();
    return points(last) >= enough || 2 * points(last) >= points(longest) ? &last : &longest;
}

std::vector<double> chart_of(const History& history, const TagHistory& tag) {
    std::vector<double> chart;
    const std::size_t points = history.hours.size();
    if (points == 0) return chart;
    const double span = history.hours.back() - history.hours.front();
    const std::size_t wanted = std::min(points, TagVerdict::chart_points);
    double last = 0;
    std::size_t at = 0;
    for (std::size_t i = 0; i < wanted; ++i) {
        const double until = history.hours.front() +
                             span * (wanted == 1 ? 1.0 : static_cast<double>(i) / static_cast<double>(wanted - 1));
        for (; at < points && history.hours[at] <= until; ++at)
            if (!std::isnan(tag.bytes[at])) last = tag.bytes[at];
        chart.push_back(last);
    }
    return chart;
}

/// Sums of all tags at the end of a boot, a pool each.
struct PoolTotals {
    double nonpaged = 0, paged = 0;
    [[nodiscard]] double of(PoolKind kind) const { return kind == PoolKind::paged ? paged : nonpaged; }
};

/// One a boot. Each tag counts as the last snapshot of the boot that knows it has it.
std::vector<PoolTotals> totals_of(const History& history) {
    std::vector<PoolTotals> totals(history.restarts() + 1);
    for (const TagHistory& tag : history.tags) {
        std::size_t boot = totals.size();
        for (std::size_t i = history.hours.size(); i-- > 0;) {
            if (history.boot[i] == boot || std::isnan(tag.bytes[i])) continue;
            boot = history.boot[i];
            PoolTotals& sum = totals[boot];
            (tag.key.kind == PoolKind::paged ? sum.paged : sum.nonpaged) += std::max(0.0, tag.bytes[i]);
        }
    }
    return totals;
}

Standing standing_of(const History& history, const TagHistory& tag, const Course& course, const PoolTotals& totals) {
    Standing standing;
    standing.blocks = course.blocks.back();
    standing.bytes = course.bytes.back();
    // More blocks than allocations: the counter had wrapped before the evidence begins, and tells nothing since boot.
    if (!course.allocs.empty() && course.allocs.back() > 0 && course.blocks.back() <= course.allocs.back()) {
        standing.allocs = course.allocs.back();
        standing.freed_share = std::clamp(1 - standing.blocks / *standing.allocs, 0.0, 1.0);
    }
    standing.since_restarted = course.boot != history.restarts();
    if (const double all = totals.of(tag.key.kind); all > 0)
        standing.share = std::clamp(standing.bytes / all, 0.0, 1.0);
    standing.whole = history.whole;
    if (history.uptime)
        standing.uptime_hours = std::chrono::duration<double, std::ratio<3600>>(*history.uptime).count();
    return standing;
}

/// The nearest integer, or the largest there is.
std::int64_t whole_number(double value) {
    constexpr double most = 9.2e18;
    return std::llround(std::clamp(std::isnan(value) ? 0.0 : value, -most, most));
}

Figures figures_of(const Course& course, const Shape& shape, const Standing& standing) {
    Figures figures;
    figures.samples = shape.samples;
    figures.blocks = whole_number(standing.blocks);
    figures.bytes = whole_number(standing.bytes);
    figures.blocks_gained = whole_number(course.blocks.back() - course.blocks.front());
    figures.bytes_gained = whole_number(course.bytes.back() - course.bytes.front());
    if (standing.whole) figures.share = standing.share;
    figures.freed_share = shape.samples >= 2 ? shape.freed_share : standing.freed_share;
    if (shape.samples >= 2 && course.timed) {
        figures.bytes_per_hour = shape.bytes_per_hour;
        figures.blocks_per_hour = shape.blocks_per_hour;
    } else if (shape.samples == 1 && standing.uptime_hours && *standing.uptime_hours > 0) {
        figures.bytes_per_hour = standing.bytes / *standing.uptime_hours;
        figures.blocks_per_hour = standing.blocks / *standing.uptime_hours;
    }
    if (shape.samples >= 6) {
        figures.rising_share = shape.rise.rising_share;
        figures.trend_p = shape.rise.chance;
    }
    figures.recent_pace = shape.recent_pace;
    figures.residence_ratio = shape.residence_ratio;
    if (shape.bytes_per_block > 0) {
        figures.bytes_per_block = shape.bytes_per_block;
    } else if (standing.blocks > 0) {
        figures.bytes_per_block = standing.bytes / standing.blocks;
    }
    figures.uniform_sizes = shape.uniform_sizes;
    return figures;
}

/// Bytes that are left until the pool, or the machine's commit limit, is full.
std::optional<double> headroom(const MemoryFacts& memory, PoolKind kind, const PoolTotals& totals,
                               std::optional<std::uint64_t> limit) {
    if (limit) return std::max(0.0, static_cast<double>(*limit) - totals.of(kind));
    std::optional<double> room;
    auto take = [&](std::optional<std::uint64_t> most, double used) {
        if (!most || *most == 0) return;
        const double left = std::max(0.0, static_cast<double>(*most) - used);
        room = room ? std::min(*room, left) : left;
    };
    take(kind == PoolKind::paged ? memory.paged_limit : memory.nonpaged_limit, totals.of(kind));
    if (memory.commit) take(memory.commit_limit, static_cast<double>(*memory.commit));
    return room;
}

unsigned rank(Verdict verdict) {
    switch (verdict) {
    case Verdict::leaking: return 0;
    case Verdict::growing: return 1;
    case Verdict::undecided: return 2;
    case Verdict::sawtooth: return 3;
    case Verdict::flat: return 4;
    case Verdict::falling: break;
    }
    return 5;
}

double weight(const TagVerdict& row) {
    if (row.verdict == Verdict::leaking || row.verdict == Verdict::growing)
        return row.figures.samples >= 2 ? static_cast<double>(row.figures.bytes_gained)
                                        : static_cast<double>(row.figures.bytes);
    return static_cast<double>(row.figures.bytes);
}

/// A row with what grouping needs of it.
struct Judged {
    TagVerdict row;
    Candidate candidate;
};

Judged judge_tag(const History& history, const TagHistory& tag, const Course& course,
                 const std::vector<PoolTotals>& all_totals, const VerdictOptions& options) {
    const PoolTotals& totals = all_totals[course.boot];
    const Shape shape = shape_of(course);
    const Standing standing = standing_of(history, tag, course, totals);
    Layer layer = layer_of(tag.key.tag, options.tags);
    Judgement judgement = classify(shape, standing, layer);
    if (standing.since_restarted && judgement.verdict != Verdict::undecided) {
        judgement.reasons.insert(judgement.reasons.begin(),
                                 "Judged by the boot before the last restart: there is too little since");
        judgement.confidence = std::max(0.0, judgement.confidence - 0.1);
    }
    Judged judged;
    TagVerdict& row = judged.row;
    row.key = tag.key;
    row.verdict = judgement.verdict;
    row.confidence = std::round(judgement.confidence * 100) / 100;
    row.reasons = std::move(judgement.reasons);
    row.figures = figures_of(course, shape, standing);
    row.binary = layer.binary;
    row.description = layer.description.empty() && layer.known ? layer.what : layer.description;
    row.chart = chart_of(history, tag);
    const bool grows = row.verdict == Verdict::leaking || row.verdict == Verdict::growing;
    if (const double pace = row.figures.bytes_per_hour.value_or(0); grows && pace > 0)
        if (auto room = headroom(history.memory, tag.key.kind, totals, options.limit))
            row.figures.exhausted_hours = *room / pace;
    judged.candidate = {0,
                        &tag,
                        std::move(layer),
                        true,
                        shape.samples >= 2 ? shape.gained : standing.blocks,
                        row.figures.bytes,
                        row.figures.bytes_per_hour.value_or(0)};
    return judged;
}

void fill_head(Report& report, const History& history, const PoolTotals& totals) {
    report.snapshots = history.snapshots;
    report.first = history.first;
    report.last = history.last;
    report.times_assumed = history.times_assumed;
    report.uptime = history.uptime;
    report.machine = history.machine;
    report.evidence = history.evidence;
    report.restarts = history.restarts();
    report.wraps = history.wraps;
    report.activity = history.activity;
    report.whole = history.whole;
    report.memory = history.memory;
    report.nonpaged_bytes = whole_number(totals.nonpaged);
    report.paged_bytes = whole_number(totals.paged);
    report.coverage = history.coverage;
}

void group_rows(Report& report, const History& history, std::vector<Judged>& judged) {
    constexpr std::int64_t many = 10'000; // blocks, of a tag that one snapshot says nothing else of
    std::vector<Candidate> candidates;
    for (std::size_t i = 0; i < judged.size(); ++i) {
        const TagVerdict& row = judged[i].row;
        const bool grows = row.verdict == Verdict::leaking || row.verdict == Verdict::growing;
        if (!grows && (row.verdict != Verdict::undecided || row.figures.blocks < many)) continue;
        judged[i].candidate.row = i;
        judged[i].candidate.leads = grows;
        candidates.push_back(judged[i].candidate);
    }
    report.groups = find_groups(history, candidates);
    for (std::size_t g = 0; g < report.groups.size(); ++g)
        for (const LeakGroup::Member& member : report.groups[g].members)
            judged[member.row].row.group = g;
}

} // namespace

std::string_view to_text(Verdict verdict) {
    switch (verdict) {
    case Verdict::leaking: return "leaking";
    case Verdict::growing: return "growing";
    case Verdict::flat: return "flat";
    case Verdict::sawtooth: return "sawtooth";
    case Verdict::falling: return "falling";
    case Verdict::undecided: break;
    }
    return "undecided";
}

Result<Report> judge(SnapshotSource& source, const VerdictOptions& options, Work& work) {
    POOLKD_TRY(History history, read_history(source, work));
    if (history.snapshots == 0) return fail(ErrorKind::not_found, "The evidence holds no snapshot of pool tags");
    const std::vector<PoolTotals> totals = totals_of(history);
    Report report;
    fill_head(report, history, totals.back());
    report.notes = source.notes();
    std::vector<Judged> judged;
    judged.reserve(history.tags.size());
    for (std::size_t i = 0; i < history.tags.size(); ++i) {
        if (i % tags_between_looks == 0) {
            work.progress("judging tags", i, history.tags.size());
            if (work.stop_requested() && !history.coverage.stopped())
                return fail(ErrorKind::stopped, "Stopped while judging the tags");
        }
        const std::vector<Course> courses = courses_of(history, history.tags[i]);
        if (const Course* course = main_course(courses))
            judged.push_back(judge_tag(history, history.tags[i], *course, totals, options));
    }
    std::ranges::sort(judged, [](const Judged& a, const Judged& b) {
        const TagVerdict &x = a.row, &y = b.row;
        if (x.verdict != y.verdict) return rank(x.verdict) < rank(y.verdict);
        if (weight(x) != weight(y)) return weight(x) > weight(y);
        return x.key < y.key;
    });
    group_rows(report, history, judged);
    for (Judged& one : judged)
        report.rows.push_back(std::move(one.row));
    report.advice = advise(report);
    return report;
}

} // namespace poolkd::hunt

#include "hunt/shape.h"

#include "hunt/statistics.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace poolkd::hunt {

namespace {

/// Part of a course: points [begin, end).
struct Stretch {
    std::size_t begin = 0, end = 0;
    [[nodiscard]] std::size_t size() const { return end - begin; }
};

double mean_of(std::span<const double> values, Stretch s) {
    return mean_spread(values.subspan(s.begin, s.size())).mean;
}

double floor_of(std::span<const double> values, Stretch s) {
    return *std::ranges::min_element(values.subspan(s.begin, s.size()));
}

/// Equal numbers of points.
std::vector<Stretch> divide_evenly(std::size_t points, std::size_t parts) {
    std::vector<Stretch> stretches;
    for (std::size_t i = 0; i < parts; ++i)
        stretches.push_back({points * i / parts, points * (i + 1) / parts});
    return stretches;
}

/// Whole days, so that each stretch has its night: 4 to 24 stretches, or none when the course is too short for it. An
/// incomplete last one is left out.
std::vector<Stretch> divide_by_days(const Course& course) {
    const double span = course.hours.back() - course.hours.front();
    if (!course.timed || span < 96) return {};
    const double length = 24 * std::ceil(span / 24 / 24);
    std::vector<Stretch> stretches;
    std::size_t begin = 0;
    for (double end_hour = course.hours.front() + length; end_hour <= course.hours.back() + 0.25 * length;
         end_hour += length) {
        auto end = static_cast<std::size_t>(std::ranges::lower_bound(course.hours, end_hour) - course.hours.begin());
        if (end > begin) stretches.push_back({begin, end});
        begin = end;
    }
    return stretches;
}

/// Chance of the slope of the least-squares line through the floors. Neighbours that deviate together make a slope look
/// surer than it is (a cache that wanders): their correlation is taken at the upper end of what the floors allow.
double steady_noise_chance(std::span<const double> hours, std::span<const double> floors, double least_step) {
    const auto count = static_cast<double>(floors.size());
    if (floors.size() < 12) return 1;
    const double alike = std::max(0.0, neighbour_correlation(floors)) + 2 / std::sqrt(count);
    if (alike >= 0.8) return 1;
    const Line line = fit_line(hours, floors);
    if (line.spread_x <= 0) return 1;
    const double error = std::max(line.rest, least_step) / std::sqrt(line.spread_x);
    const double t = line.slope / error * std::sqrt((1 - alike) / (1 + alike));
    return student_tail(t, count * (1 - alike) / (1 + alike));
}

/// How many standard errors the slope of the values is away from zero.
double slope_t(std::span<const double> values) {
    const Line line = fit_line(values);
    // A part in a hundred of the pace itself is never known better.
    const double rest = std::max(line.rest, 0.01 * std::abs(mean_spread(values).mean));
    return rest > 0 && line.spread_x > 0 ? line.slope / rest * std::sqrt(line.spread_x) : 0;
}

/// Floors of stretches at their times, and the steps between them per hour.
struct Steps {
    std::vector<double> hours, floors, paces;
    Steps(const Course& course, const std::vector<double>& values, const std::vector<Stretch>& stretches) {
        for (Stretch s : stretches) {
            hours.push_back(mean_of(course.hours, s));
            floors.push_back(floor_of(values, s));
        }
        for (std::size_t i = 1; i < floors.size(); ++i)
            if (double time = hours[i] - hours[i - 1]; time > 0) paces.push_back((floors[i] - floors[i - 1]) / time);
    }
};

/// Divisions of different fineness: a fine one sees an uneven rise, a coarse one a rise below much noise.
std::vector<std::vector<Stretch>> divisions(const Course& course) {
    std::vector<std::vector<Stretch>> all;
    const std::size_t points = course.hours.size();
    for (std::size_t parts : {5u, 6u, 8u, 12u, 24u})
        if (points >= 2 * parts && (parts != 5 || points < 12)) all.push_back(divide_evenly(points, parts));
    if (auto days = divide_by_days(course); days.size() >= 4) all.push_back(std::move(days));
    return all;
}

Rise rise_of(const Course& course, const std::vector<double>& values,
             const std::vector<std::vector<Stretch>>& divided) {
    Rise rise;
    for (const auto& stretches : divided) {
        const Steps steps(course, values, stretches);
        if (steps.paces.size() < 3) continue;
        // However even the steps are, blocks are counted: a step of n is not known better than to its root.
        const double step = (steps.floors.back() - steps.floors.front()) / static_cast<double>(steps.paces.size());
        const double least = std::sqrt(std::max(1.0, step));
        const double hours = (steps.hours.back() - steps.hours.front()) / static_cast<double>(steps.paces.size());
        const double chance = std::min(positive_mean_chance(steps.paces, least / hours),
                                       steady_noise_chance(steps.hours, steps.floors, least));
        const MeanSpread spread = mean_spread(steps.paces);
        rise.unevenness = spread.mean > 0 ? spread.deviation / spread.mean : 1e9;
        const auto rising = std::ranges::count_if(steps.paces, [](double pace) { return pace > 0; });
        const double share = static_cast<double>(rising) / static_cast<double>(steps.paces.size());
        if (steps.paces.size() >= 8) rise.slowing = std::min(rise.slowing, slope_t(steps.paces));
        if (chance > rise.chance) continue;
        rise.chance = chance;
        rise.rising_share = share;
    }
    return rise;
}

/// Times it went from its low third of the range to the high one and back by at least half of the range.
unsigned count_cycles(std::span<const double> values, double low, double high) {
    const double half = (high - low) / 2;
    if (half <= 0) return 0;
    unsigned cycles = 0;
    double peak = values.front(), trough = values.front();
    bool rising = false;
    for (double v : values) {
        if (rising) {
            peak = std::max(peak, v);
            if (v < peak - half) {
                ++cycles;
                rising = false;
                trough = v;
            }
        } else {
            trough = std::min(trough, v);
            if (v > trough + half) {
                rising = true;
                peak = v;
            }
        }
    }
    return cycles;
}

void add_pace(const Course& course, Shape& shape) {
    const std::size_t points = course.hours.size();
    if (points < 6) return;
    const auto thirds = divide_evenly(points, 3);
    auto pace = [&](Stretch s) {
        return theil_sen(std::span(course.hours).subspan(s.begin, s.size()),
                         std::span(course.blocks).subspan(s.begin, s.size()));
    };
    // Of floors where there are enough points: the median slope within a third sees every burst of the load.
    std::array<double, 3> paces{};
    for (std::size_t i = 0; i < 3; ++i) {
        const Stretch s = thirds[i];
        if (s.size() < 24) {
            paces[i] = pace(s);
            continue;
        }
        std::vector<Stretch> parts = divide_evenly(s.size(), 8);
        for (Stretch& part : parts)
            part = {s.begin + part.begin, s.begin + part.end};
        const Steps steps(course, course.blocks, parts);
        paces[i] = theil_sen(steps.hours, steps.floors);
    }
    if (shape.blocks_per_hour > 0) shape.recent_pace = paces[2] / shape.blocks_per_hour;
    if (paces[0] > 0) shape.pace_change = paces[2] / paces[0];
}

void add_activity(const Course& course, Shape& shape) {
    const std::size_t points = course.hours.size();
    if (course.allocs.empty() || points < 2) return;
    const double gained = course.allocs.back() - course.allocs.front();
    shape.allocs_gained = gained;
    if (gained > 0)
        shape.freed_share = std::clamp(1 - (course.blocks.back() - course.blocks.front()) / gained, 0.0, 1.0);
    const double kept_now = gained > 0 ? (course.blocks.back() - course.blocks.front()) / gained : 0;
    // Counters that had wrapped before tell nothing of that time.
    if (kept_now > 0 && course.allocs.front() > 0 && course.blocks.front() <= course.allocs.front()) {
        shape.kept_before = course.blocks.front() / course.allocs.front() / kept_now;
        shape.history_ratio = course.allocs.front() / gained;
    }
}

/// Two parts of the course to compare, and the parts in between that tell how much such parts differ.
struct LoadParts {
    Stretch first, last;
    std::vector<Stretch> all;
};

/// The first and last third; in whole days where there are two or more, since a part of a day is no sample of the load.
LoadParts load_parts(const Course& course) {
    const std::size_t points = course.hours.size();
    const double span = course.hours.back() - course.hours.front();
    const auto days = static_cast<std::size_t>(span / 24 + 0.05);
    if (!course.timed || days < 2) {
        const auto thirds = divide_evenly(points, 3);
        return {thirds.front(), thirds.back(), divide_evenly(points, std::min<std::size_t>(24, points / 2))};
    }
    auto at = [&](double hour) {
        return static_cast<std::size_t>(std::ranges::lower_bound(course.hours, course.hours.front() + hour) -
                                        course.hours.begin());
    };
    const double whole = 24.0 * static_cast<double>(days),
                 third = 24.0 * static_cast<double>(std::max<std::size_t>(1, days / 3));
    LoadParts parts{{0, at(third)}, {at(whole - third), std::min(points, at(whole) + 1)}, {}};
    const double length = 24.0 * std::ceil(static_cast<double>(days) / 24);
    for (double hour = 0; hour + length <= whole + 0.5; hour += length)
        parts.all.push_back({at(hour), std::min(points, at(hour + length) + 1)});
    return parts;
}

void add_load(const Course& course, Shape& shape) {
    if (course.allocs.empty() || course.hours.size() < 6) return;
    auto load = [&](Stretch s) {
        if (s.size() < 2) return 0.0;
        const double time = course.hours[s.end - 1] - course.hours[s.begin];
        return time > 0 ? (course.allocs[s.end - 1] - course.allocs[s.begin]) / time : 0;
    };
    const LoadParts parts = load_parts(course);
    if (parts.first.size() == 0 || parts.last.size() == 0) return;
    const double load_first = load(parts.first), load_last = load(parts.last);
    if (load_first <= 0 || load_last <= 0) return;
    shape.load_ratio = load_last / load_first;
    std::vector<double> loads;
    for (Stretch s : parts.all)
        loads.push_back(load(s));
    // Of a ratio of two means of a third of the parts each; what the load changes evenly is no error.
    if (const double mean = mean_spread(loads).mean; mean > 0)
        shape.load_error = fit_line(loads).rest / mean * std::sqrt(6 / static_cast<double>(loads.size()));
    const double mean_first = mean_of(course.blocks, parts.first), mean_last = mean_of(course.blocks, parts.last);
    if (mean_first > 0) shape.residence_ratio = mean_last / mean_first / *shape.load_ratio;
    if (shape.pace_change) shape.activity_change = *shape.pace_change / *shape.load_ratio;
}

/// A straight rise, then a level that nothing leaves: the place where the mean pace changes most, if it is sharp.
void add_stop(const Course& course, Shape& shape) {
    const auto stretches = divide_evenly(course.hours.size(), std::min<std::size_t>(24, course.hours.size() / 2));
    const Steps steps(course, course.blocks, stretches);
    if (steps.floors.size() < 8) return;
    const double total = steps.floors.back() - steps.floors.front();
    if (total <= 0) return;
    // The first stretch from which on no more than a hundredth of the growth happens, in either direction.
    std::size_t stop = steps.floors.size() - 1;
    while (stop > 0 && std::abs(steps.floors[stop - 1] - steps.floors.back()) <= total / 100)
        --stop;
    const std::size_t before = stop, after = steps.floors.size() - 1 - stop;
    if (before < 6 || after < 3) return;
    // Even: both halves of the rise have about the same pace, and every stretch its part.
    const double middle = steps.floors[before / 2] - steps.floors.front();
    const double risen = steps.floors[stop] - steps.floors.front();
    const double expected = risen * static_cast<double>(before / 2) / static_cast<double>(before);
    if (std::abs(middle - expected) > 0.2 * risen) return;
    shape.stopped_at = steps.hours[stop];
}

void add_sizes(const Course& course, Shape& shape) {
    if (shape.gained <= 0) return;
    shape.bytes_per_block = shape.gained_bytes / shape.gained;
    // When all blocks that come and go have one size, bytes less size times blocks never moves. Blocks of many sizes
    // whose mean is steady come close, but not to within half a block.
    if (course.blocks.size() < 4) return;
    const double size = theil_sen(course.blocks, course.bytes, 48);
    if (size <= 0 || std::abs(size - std::round(size)) > 1e-6 * size) return;
    double least = course.bytes.front() - size * course.blocks.front(), most = least;
    for (std::size_t i = 0; i < course.blocks.size(); ++i) {
        const double rest = course.bytes[i] - size * course.blocks[i];
        least = std::min(least, rest);
        most = std::max(most, rest);
    }
    shape.uniform_sizes = most - least < size / 2;
    if (shape.uniform_sizes) shape.bytes_per_block = size;
}

} // namespace

std::vector<Course> courses_of(const History& history, const TagHistory& tag) {
    std::vector<Course> courses;
    std::optional<std::uint32_t> boot;
    for (std::size_t i = 0; i < history.hours.size(); ++i) {
        if (std::isnan(tag.blocks[i])) continue;
        if (boot != history.boot[i]) {
            courses.emplace_back().timed = history.timed;
            courses.back().boot = history.boot[i];
            boot = history.boot[i];
        }
        Course& course = courses.back();
        course.hours.push_back(history.hours[i]);
        course.blocks.push_back(tag.blocks[i]);
        course.bytes.push_back(tag.bytes[i]);
        if (!tag.allocs.empty()) course.allocs.push_back(tag.allocs[i]);
    }
    return courses;
}

Shape shape_of(const Course& course) {
    Shape shape;
    const std::size_t points = course.hours.size();
    shape.samples = points;
    if (points == 0) return shape;
    shape.span_hours = course.timed ? course.hours.back() - course.hours.front() : 0;
    std::vector<double> sorted = course.blocks;
    shape.low = quantile(sorted, 0.05);
    shape.high = quantile(sorted, 0.95);
    const auto thirds = divide_evenly(points, points >= 6 ? 3 : points);
    shape.first = floor_of(course.blocks, thirds.front());
    shape.last = floor_of(course.blocks, thirds.back());
    shape.gained = points >= 6 ? (shape.last - shape.first) * 1.5 : shape.last - shape.first;
    shape.gained_bytes = floor_of(course.bytes, thirds.back()) - floor_of(course.bytes, thirds.front());
    if (points >= 6) shape.gained_bytes *= 1.5;
    add_activity(course, shape);
    const auto [least, most] = std::ranges::minmax(course.blocks);
    const auto [least_bytes, most_bytes] = std::ranges::minmax(course.bytes);
    if (points < 2 || (least == most && least_bytes == most_bytes)) return shape; // most tags: nothing happens
    shape.blocks_per_hour = theil_sen(course.hours, course.blocks);
    shape.bytes_per_hour = theil_sen(course.hours, course.bytes);
    shape.cycles = count_cycles(course.blocks, shape.low, shape.high);
    if (points < 6) return shape;

    const auto divided = divisions(course);
    shape.rise = rise_of(course, course.blocks, divided);
    std::vector<double> upside_down(course.blocks);
    for (double& v : upside_down)
        v = -v;
    shape.fall_chance = rise_of(course, upside_down, divided).chance;
    const Steps floors(course, course.blocks, divide_evenly(points, std::min<std::size_t>(24, points)));
    shape.rising_chance = rising_chance(floors.floors);
    std::vector<double> falling(floors.floors);
    for (double& v : falling)
        v = -v;
    shape.falling_chance = rising_chance(falling);
    const Steps byte_floors(course, course.bytes, divide_evenly(points, std::min<std::size_t>(24, points)));
    shape.bytes_rising_chance = rising_chance(byte_floors.floors);
    std::vector<double> heights;
    for (Stretch s : divide_evenly(points, std::clamp<std::size_t>(points / 4, 1, 12))) {
        std::vector<double> part(course.blocks.begin() + static_cast<std::ptrdiff_t>(s.begin),
                                 course.blocks.begin() + static_cast<std::ptrdiff_t>(s.end));
        const double floor = *std::ranges::min_element(part);
        heights.push_back(quantile(part, 0.9) - floor);
    }
    shape.spread = quantile(heights, 0.5);
    add_pace(course, shape);
    add_load(course, shape);
    add_stop(course, shape);
    add_sizes(course, shape);
    return shape;
}

} // namespace poolkd::hunt

#include "render/quantity.h"

#include "base/duration.h"

#include <fmt/format.h>

#include <cmath>
#include <cstdlib>

namespace poolkd::render {

namespace {

constexpr double years_10_hours = 10.0 * 365 * 24;

} // namespace

std::string size_text(double bytes) {
    if (bytes < 0) return "-" + size_text(-bytes);
    if (bytes < 0.5) return "0";
    if (bytes < 1023.5) return fmt::format("{:.0f} B", bytes);
    constexpr const char* units[] = {"KB", "MB", "GB", "TB", "PB", "EB"};
    std::size_t unit = 0;
    double value = bytes / 1024;
    // What would be shown with four digits gets the next unit.
    while (value >= 999.5 && unit + 1 < std::size(units)) {
        value /= 1024;
        ++unit;
    }
    return value < 99.95 ? fmt::format("{:.1f} {}", value, units[unit]) : fmt::format("{:.0f} {}", value, units[unit]);
}

std::string change_text(double bytes) {
    std::string text = size_text(bytes);
    return bytes >= 0.5 ? "+" + text : text == "-0" ? "0" : text;
}

std::string count_text(std::int64_t count) {
    std::string digits = std::to_string(count);
    const std::ptrdiff_t first = count < 0 ? 1 : 0;
    for (auto at = static_cast<std::ptrdiff_t>(digits.size()) - 3; at > first; at -= 3)
        digits.insert(static_cast<std::size_t>(at), 1, ',');
    return digits;
}

std::string count_change_text(std::int64_t count) {
    return count > 0 ? "+" + count_text(count) : count_text(count);
}

std::string percent_text(double part) {
    const double value = part * 100;
    if (value != 0 && std::abs(value) < 0.95) return std::abs(value) < 0.05 ? "<0.1 %" : fmt::format("{:.1f} %", value);
    // What is not all is not shown as all.
    if (value > 99 && value < 100) return value >= 99.95 ? ">99.9 %" : fmt::format("{:.1f} %", value);
    return fmt::format("{:.0f} %", value);
}

std::string time_text(hunt::Time time) {
    std::string text = iso_time(std::chrono::floor<std::chrono::seconds>(time)); // "2026-06-01T08:00:05Z"
    text.pop_back();
    text[text.find('T')] = ' ';
    return text;
}

std::string hours_text(double hours) {
    if (!(hours < years_10_hours)) return "more than ten years";
    return duration_text(std::chrono::nanoseconds(std::llround(std::max(hours, 0.0) * 3600e9)));
}

} // namespace poolkd::render

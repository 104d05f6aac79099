#include "base/duration.h"

#include <fmt/format.h>

#include <charconv>

namespace poolkd {

namespace {

struct Unit {
    std::string_view name;
    std::int64_t ms;
};
constexpr Unit units[] = {{"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1000}, {"ms", 1}};
constexpr double longest_ms = 10 * 366 * 86'400'000.0;

std::optional<std::int64_t> unit_of(std::string_view name) {
    for (const Unit& unit : units)
        if (unit.name == name) return unit.ms;
    return std::nullopt;
}

} // namespace

std::optional<std::chrono::milliseconds> parse_duration(std::string_view text) {
    double total = 0;
    bool bare = true; // a number alone
    if (text.empty()) return std::nullopt;
    while (!text.empty()) {
        double number = 0;
        const std::size_t digits = std::min(text.find_first_not_of("0123456789."), text.size());
        const auto [end, error] = std::from_chars(text.data(), text.data() + digits, number, std::chars_format::fixed);
        if (error != std::errc{} || end != text.data() + digits) return std::nullopt;
        text.remove_prefix(digits);
        const std::size_t letters = std::min(text.find_first_of("0123456789."), text.size());
        const std::string_view name = text.substr(0, letters);
        text.remove_prefix(letters);
        const auto ms = unit_of(name.empty() && bare && text.empty() ? "s" : name);
        if (!ms) return std::nullopt;
        total += number * static_cast<double>(*ms);
        bare = false;
    }
    if (!(total >= 1) || total > longest_ms) return std::nullopt;
    return std::chrono::milliseconds(static_cast<std::int64_t>(total + 0.5));
}

std::string duration_text(std::chrono::nanoseconds duration) {
    const std::int64_t ms = (duration.count() + 500'000) / 1'000'000;
    if (ms < 1000) return fmt::format("{}ms", ms);
    if (ms < 10'000) return fmt::format("{:.3g}s", static_cast<double>(ms) / 1000);
    const std::int64_t seconds = (ms + 500) / 1000;
    if (seconds < 60) return fmt::format("{}s", seconds);
    for (std::size_t i = 0; i < 3; ++i) {
        const std::int64_t large = units[i].ms / 1000, small = units[i + 1].ms / 1000;
        if (seconds < large) continue;
        if (const std::int64_t rest = seconds % large / small)
            return fmt::format("{}{} {}{}", seconds / large, units[i].name, rest, units[i + 1].name);
        return fmt::format("{}{}", seconds / large, units[i].name);
    }
    return fmt::format("{}s", seconds);
}

} // namespace poolkd

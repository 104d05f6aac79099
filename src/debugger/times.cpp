#include "debugger/times.h"

#include <fmt/format.h>

#include <chrono>
#include <cstdlib>
#include <ctime>

namespace poolkd::debugger {

namespace {

constexpr std::int64_t from_1601_to_1970 = 11'644'473'600; // seconds
constexpr std::uint64_t per_second = 10'000'000;

std::string offset_text(long seconds) {
    long minutes = std::abs(seconds) / 60;
    return fmt::format("UTC {} {}:{:02}", seconds < 0 ? '-' : '+', minutes / 60, minutes % 60);
}

} // namespace

std::uint64_t filetime_now() {
    return filetime_of(std::chrono::system_clock::now());
}

std::uint64_t filetime_of(std::chrono::system_clock::time_point time) {
    const auto us = std::chrono::duration_cast<std::chrono::microseconds>(time.time_since_epoch()).count();
    return static_cast<std::uint64_t>(us) * 10 + static_cast<std::uint64_t>(from_1601_to_1970) * per_second;
}

std::string time_text(std::uint64_t filetime) {
    auto seconds = static_cast<std::time_t>(static_cast<std::int64_t>(filetime / per_second) - from_1601_to_1970);
    std::tm parts{};
    if (!localtime_r(&seconds, &parts)) return "unknown";
    char day[32];
    char year[16];
    std::strftime(day, sizeof day, "%a %b %e %H:%M:%S", &parts);
    std::strftime(year, sizeof year, "%Y", &parts);
    return fmt::format("{}.{:03} {} ({})", day, filetime / 10'000 % 1000, year, offset_text(parts.tm_gmtoff));
}

} // namespace poolkd::debugger

#pragma once

#include "hunt/snapshot.h"

#include <chrono>
#include <optional>
#include <string_view>

namespace poolkd::hunt::import {

/// A date, a time of day, or both, as people and scripts write them:
/// ISO 8601 ("2026-11-25T09:43:15.120Z", "+01:00"), cmd's `%date% %time%` ("Wed 11/25/2026  9:43:15.12"),
/// "11/25/2026 9:43 AM", "25.11.2026 09:43", "Wed Nov 25 09:43:15 2026", "Wednesday, November 25, 2026 9:43:15 AM".
/// With slashes the month comes first, unless it can only be the day.
struct WrittenTime {
    std::optional<std::chrono::sys_days> date;
    std::optional<std::chrono::milliseconds> time_of_day; ///< in UTC, as far as a zone is stated; may leave the day
};

/// Nothing when the text holds anything else.
std::optional<WrittenTime> written_time(std::string_view text);

/// Date and time together, or Unix seconds (with fraction) or milliseconds, or `/Date(1764063795120)/`.
std::optional<Time> timestamp(std::string_view text);

/// Unix seconds, or milliseconds when they are that many.
std::optional<Time> unix_time(double number);

} // namespace poolkd::hunt::import

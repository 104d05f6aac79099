#pragma once

#include "hunt/snapshot.h"

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace poolkd::hunt::import {

/// Of dates like 05/11/2026 and 05-11-2026.
enum class DateOrder { unknown, day_first, month_first };

/// A date, a time of day, or both, as people and scripts write them:
/// ISO 8601 ("2026-11-25T09:43:15.120Z", "+01:00"), cmd's `%date% %time%` ("Wed 11/25/2026  9:43:15.12"),
/// "11/25/2026 9:43 AM", "25.11.2026 09:43", "Wed Nov 25 09:43:15 2026", "Wednesday, November 25, 2026 9:43:15 AM".
/// Where the order of day and month is unknown, the month comes first with slashes and the day with dashes, unless the
/// number can only be the other. Where it is known, a date of the other order is none.
struct WrittenTime {
    std::optional<std::chrono::sys_days> date;
    std::optional<std::chrono::milliseconds> time_of_day; ///< in UTC, as far as a zone is stated; may leave the day
    DateOrder order = DateOrder::unknown;                 ///< that the date must have
    bool either_order = false;                            ///< the date can be read both ways
};

/// Nothing when the text holds anything else.
std::optional<WrittenTime> written_time(std::string_view text, DateOrder order = DateOrder::unknown);

/// Date and time together, or Unix seconds (with fraction) or milliseconds, or `/Date(1764063795120)/`.
std::optional<Time> timestamp(std::string_view text, DateOrder order = DateOrder::unknown);

/// What the dates of one piece of evidence say together of the order of day and month.
class DateOrders {
  public:
    void look(std::string_view text);
    /// That of the first date which can be read one way only.
    [[nodiscard]] DateOrder order() const { return order_; }
    /// There are dates to which it makes a difference.
    [[nodiscard]] bool any() const { return order_ != DateOrder::unknown || !example_.empty(); }
    /// Tells when nothing decides.
    void tell(std::vector<std::string>& notes) const;

  private:
    DateOrder order_ = DateOrder::unknown;
    bool both_ = false;   ///< some dates begin with the day, others with the month
    std::string example_; ///< the first date that can be read both ways
};

/// Unix seconds, or milliseconds when they are that many.
std::optional<Time> unix_time(double number);

} // namespace poolkd::hunt::import

#pragma once

#include <string>

namespace poolkd::hunt {

/// "0.16 %", "42 %".
[[nodiscard]] std::string percent(double part);
/// "by chance once in 20000"
[[nodiscard]] std::string chance_text(double chance);
/// "3.5 days", "21.5 hours", "12 minutes", "30 seconds"
[[nodiscard]] std::string hours_text(double hours);

} // namespace poolkd::hunt

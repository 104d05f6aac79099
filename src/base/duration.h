#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace poolkd {

/// A length of time as people write it: "500ms", "30s", "5m", "2h", "1d", several of these one after the other
/// ("1h30m"), and with a fraction ("1.5h"). A number alone counts seconds. Nothing for any other text, for 0 and for
/// more than ten years.
[[nodiscard]] std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);

/// The same the other way round, the two largest units at most: "2h 5m", "30s", "1.25s", "12ms".
[[nodiscard]] std::string duration_text(std::chrono::nanoseconds duration);

} // namespace poolkd

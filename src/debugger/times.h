#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace poolkd::debugger {

/// 100 ns since 1601, UTC: how Windows counts, and `$dbgtime`.
[[nodiscard]] std::uint64_t filetime_now();
[[nodiscard]] std::uint64_t filetime_of(std::chrono::system_clock::time_point time);
/// "Sat Oct 23 19:41:14.123 2021 (UTC + 2:00)", in the host's zone.
[[nodiscard]] std::string time_text(std::uint64_t filetime);

} // namespace poolkd::debugger

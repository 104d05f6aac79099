#pragma once

#include "hunt/iso_time.h"
#include "hunt/snapshot.h"
#include "hunt/words.h"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace poolkd::render {

/// Bytes for people, at most seven characters wide: "0", "512 B", "1.2 GB", "36 MB" is "36.0 MB". Units are powers of
/// 1024, as kd's and PoolMon's are.
[[nodiscard]] std::string size_text(double bytes);
/// The same with a sign: "+1.2 GB", "-512 B", "0".
[[nodiscard]] std::string change_text(double bytes);
/// "7,486,978"
[[nodiscard]] std::string count_text(std::int64_t count);
/// The same with a sign.
[[nodiscard]] std::string count_change_text(std::int64_t count);
/// A part of one: "93 %", "0.4 %", "0 %".
[[nodiscard]] std::string percent_text(double part);
/// "2026-06-01 08:00:05", UTC.
[[nodiscard]] std::string time_text(hunt::Time time);
using hunt::iso_time;
/// "2h 5m", "3d 4h"; "more than ten years".
[[nodiscard]] std::string hours_text(double hours);

using hunt::pool_word;
using hunt::tag_word;

} // namespace poolkd::render

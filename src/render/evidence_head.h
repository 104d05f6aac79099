#pragma once

#include "hunt/difference.h"
#include "hunt/trend.h"
#include "hunt/verdict.h"

#include <nlohmann/json.hpp>

#include <string>

namespace poolkd::render {

/// What an answer rests on: which evidence, of which machine, over which time, and what it lacks. Lines for people,
/// "Evidence:  …" and so on.
[[nodiscard]] std::string head_text(const hunt::Report& report);
[[nodiscard]] std::string head_text(const hunt::Trend& trend);

/// The same as fields of a JSON object: "snapshots", "first", "last", "times_assumed", "uptime_seconds", "machine",
/// "evidence", "restarts", "activity", "whole".
void add_head_json(nlohmann::json& json, const hunt::Report& report);
void add_head_json(nlohmann::json& json, const hunt::Trend& trend);

/// Hours from the first snapshot to the last; nothing when a time is missing.
template <class Evidence>
[[nodiscard]] std::optional<double> span_hours(const Evidence& evidence) {
    if (!evidence.first || !evidence.last) return std::nullopt;
    return std::chrono::duration<double, std::ratio<3600>>(*evidence.last - *evidence.first).count();
}

/// Null when there is none.
[[nodiscard]] nlohmann::json json_time(const std::optional<hunt::Time>& time);
template <class Value>
[[nodiscard]] nlohmann::json json_optional(const std::optional<Value>& value) {
    return value ? nlohmann::json(*value) : nlohmann::json();
}
/// Null for an empty text.
[[nodiscard]] nlohmann::json json_text(const std::string& text);

} // namespace poolkd::render

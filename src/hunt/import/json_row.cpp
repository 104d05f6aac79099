#include "hunt/import/json_row.h"

#include <fmt/format.h>

#include <cmath>

namespace poolkd::hunt::import {

void JsonRow::put(const NamedColumn& named, const nlohmann::json& value) {
    const Column column = named.column;
    if (column == Column::none) return;
    const auto index = static_cast<std::size_t>(column);
    if (present_[index]) return;
    std::string& text = texts_[index];
    if (value.is_string()) {
        text = value.get_ref<const std::string&>();
    } else if (value.is_number_unsigned()) {
        text = fmt::to_string(value.get<std::uint64_t>());
    } else if (value.is_number_integer()) {
        text = fmt::to_string(value.get<std::int64_t>());
    } else if (value.is_number_float()) {
        const double number = value.get<double>();
        const bool whole = std::floor(number) == number && std::abs(number) < 9e15;
        text = whole ? fmt::to_string(static_cast<std::int64_t>(number)) : fmt::format("{}", number);
    } else if (value.is_object() && column == Column::time && value.contains("value")) {
        // Get-Date through ConvertTo-Json of Windows PowerShell: {"value": "/Date(...)/", "DateTime": "..."}
        put(named, value["value"]);
        return;
    } else {
        return;
    }
    present_[index] = true;
    row_.text[index] = text;
    row_.unit[index] = named.unit;
}

NamedColumn JsonRow::column_of(const std::string& name) {
    constexpr std::size_t kept_names = 256;
    if (auto known = known_names_.find(name); known != known_names_.end()) return known->second;
    const NamedColumn column = column_named(name);
    if (known_names_.size() < kept_names) known_names_.emplace(name, column);
    return column;
}

void JsonRow::read(const nlohmann::json& object) {
    present_.fill(false);
    row_.text.fill({});
    row_.tag_exact = true;
    for (const auto& [name, value] : object.items()) {
        const bool pool = value.is_object() && (name == "nonpaged" || name == "paged");
        if (pool) {
            for (const auto& [counter, number] : value.items())
                put(column_of(name + counter), number);
        } else if (name == "value" && value.is_number()) {
            put({.column = Column::tag_value}, value);
        } else {
            put(column_of(name), value);
        }
    }
}

} // namespace poolkd::hunt::import

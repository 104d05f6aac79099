#pragma once

#include "hunt/import/columns.h"

#include <nlohmann/json.hpp>

#include <map>
#include <string>

namespace poolkd::hunt::import {

/// The fields of a JSON object as columns. Names are those of the CSV tables; `{"nonpaged": {"allocs": ...}}` is the
/// same as `"nonpaged_allocs"`, and `value` the tag as a number, as `!poolused` of poolkd has it.
class JsonRow {
  public:
    void read(const nlohmann::json& object);
    [[nodiscard]] const FlatRow& row() const { return row_; }
    [[nodiscard]] const std::array<bool, column_count>& present() const { return present_; }

  private:
    void put(const NamedColumn& named, const nlohmann::json& value);
    NamedColumn column_of(const std::string& name);

    std::map<std::string, NamedColumn> known_names_; ///< the same few come thousands of times
    std::array<std::string, column_count> texts_;
    std::array<bool, column_count> present_{};
    FlatRow row_;
};

} // namespace poolkd::hunt::import

#pragma once

#include "base/error.h"
#include "hunt/import/text_bytes.h"

#include <optional>
#include <string_view>

namespace poolkd::hunt::import {

/// The objects of a JSON text one after the other, as text: one to a line or laid out over many, and those in an array
/// at the top. So a long array or many lines never lie in memory as a whole.
class JsonValues {
  public:
    explicit JsonValues(std::unique_ptr<std::istream> stream) : bytes_(std::move(stream), TextForm::utf8) {}
    /// The text of the next object; holds until the next call. Nothing at the end. Kind `malformed` where something
    /// else stands, or an object is nested too deep, too long, or of too many
    /// values (each of which costs many times its text in memory); kind `io`.
    Result<std::optional<std::string_view>> next();
    /// Of the object given last, from 1.
    [[nodiscard]] std::size_t number() const { return number_; }
    /// The text ended in the middle of an object.
    [[nodiscard]] bool cut_off() const { return cut_off_; }

    static constexpr std::size_t maximum_bytes = 32u << 20;
    static constexpr unsigned maximum_depth = 32;
    static constexpr std::size_t maximum_values = 1'000'000;

  private:
    bool fill(); ///< false at the end
    Result<bool> find_start();
    Result<std::optional<std::size_t>> find_end();

    TextBytes bytes_;
    std::string text_;
    std::size_t at_ = 0;
    std::size_t number_ = 0;
    bool in_array_ = false, cut_off_ = false;
};

} // namespace poolkd::hunt::import

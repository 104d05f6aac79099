#pragma once

#include "hunt/import/text_bytes.h"

#include <cstddef>
#include <optional>
#include <string_view>

namespace poolkd::hunt::import {

/// Text line by line, in bounded memory.
class TextLines {
  public:
    TextLines(std::unique_ptr<std::istream> stream, TextForm form) : bytes_(std::move(stream), form) {}
    /// Without the end of line (LF or CRLF). The view holds until the next call. Of a line longer than `maximum_line`
    /// only that much.
    std::optional<std::string_view> next();
    /// The next call gives the same line once more.
    void again() { again_ = true; }
    /// Of the line given last, from 1.
    [[nodiscard]] std::size_t number() const { return number_; }
    [[nodiscard]] bool failed() const { return bytes_.failed(); }

    static constexpr std::size_t maximum_line = 1u << 20;

  private:
    std::optional<std::size_t> find_end();

    TextBytes bytes_;
    std::string text_;
    std::size_t at_ = 0; ///< where the next line begins in `text_`
    std::string_view line_;
    std::size_t number_ = 0;
    bool again_ = false;
    bool ended_ = false;
};

} // namespace poolkd::hunt::import

#include "hunt/import/json_values.h"

#include <fmt/format.h>

namespace poolkd::hunt::import {

bool JsonValues::fill() {
    text_.erase(0, at_);
    at_ = 0;
    return bytes_.more(text_);
}

/// Skips what stands between objects.
Result<bool> JsonValues::find_start() {
    for (;;) {
        if (at_ == text_.size()) {
            if (fill()) continue;
            if (bytes_.failed()) return fail(ErrorKind::io, "The file cannot be read to its end");
            return false;
        }
        const char c = text_[at_];
        if (c == '{') return true;
        if (c == '[' && !in_array_) {
            in_array_ = true;
        } else if (c == ']' && in_array_) {
            in_array_ = false;
        } else if (std::string_view(" \t\r\n,").find(c) == std::string_view::npos) {
            return fail(ErrorKind::malformed, "behind object {} stands something that is no object", number_);
        }
        ++at_;
    }
}

/// Behind the closing brace of the object at `at_`; nothing when the text ends before.
Result<std::optional<std::size_t>> JsonValues::find_end() {
    unsigned depth = 0;
    std::size_t values = 0;
    bool in_string = false;
    for (std::size_t i = 0;; ++i) {
        if (at_ + i >= text_.size()) {
            if (text_.size() - at_ > maximum_bytes)
                return fail(ErrorKind::malformed, "object {} is longer than {} bytes", number_ + 1, maximum_bytes);
            if (!fill()) return std::nullopt;
            if (i >= text_.size()) return std::nullopt;
        }
        const char c = text_[at_ + i];
        if (in_string) {
            if (c == '\\')
                ++i;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[' || c == ',') {
            if (++values > maximum_values)
                return fail(ErrorKind::malformed, "object {} holds more than {} values", number_ + 1, maximum_values);
            if (c == ',') continue;
            if (++depth > maximum_depth)
                return fail(ErrorKind::malformed, "object {} is nested deeper than {}", number_ + 1, maximum_depth);
        } else if ((c == '}' || c == ']') && --depth == 0) {
            return at_ + i + 1;
        }
    }
}

Result<std::optional<std::string_view>> JsonValues::next() {
    POOLKD_TRY(const bool found, find_start());
    if (!found) return std::nullopt;
    POOLKD_TRY(const auto end, find_end());
    if (!end) {
        cut_off_ = true;
        at_ = text_.size();
        return std::nullopt;
    }
    const std::size_t start = std::exchange(at_, *end);
    ++number_;
    return std::string_view(text_).substr(start, *end - start);
}

} // namespace poolkd::hunt::import

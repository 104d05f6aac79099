#include "hunt/import/text_lines.h"

namespace poolkd::hunt::import {

std::optional<std::size_t> TextLines::find_end() {
    std::size_t from = at_;
    for (;;) {
        if (std::size_t end = text_.find('\n', from); end != std::string::npos) return end;
        if (ended_) return std::nullopt;
        if (text_.size() - at_ > maximum_line) {
            // Only the start of an overlong line is kept, but it is read to its end.
            text_.resize(at_ + maximum_line);
        }
        text_.erase(0, at_);
        at_ = 0;
        from = text_.size();
        if (!bytes_.more(text_)) ended_ = true;
    }
}

std::optional<std::string_view> TextLines::next() {
    if (again_) {
        again_ = false;
        return line_;
    }
    const std::optional<std::size_t> end = find_end();
    if (!end && at_ >= text_.size()) {
        line_ = {};
        return std::nullopt;
    }
    const std::size_t stop = end.value_or(text_.size());
    line_ = std::string_view(text_).substr(at_, stop - at_).substr(0, maximum_line);
    at_ = end ? stop + 1 : stop;
    ++number_;
    if (line_.ends_with('\r')) line_.remove_suffix(1);
    return line_;
}

} // namespace poolkd::hunt::import

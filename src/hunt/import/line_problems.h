#pragma once

#include "base/error.h"

#include <fmt/format.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace poolkd::hunt::import {

/// Counts lines with one kind of trouble, for a note at the end.
class LineProblems {
  public:
    void add(std::size_t line) {
        if (count_++ == 0) first_ = line;
    }
    /// "3 lines could not be read (the first: line 40)", when there are any.
    void tell(std::vector<std::string>& notes, std::string_view what, std::string_view unit = "line") const {
        if (count_ == 1) notes.push_back(fmt::format("1 {} {} ({} {})", unit, what, unit, first_));
        if (count_ > 1) notes.push_back(fmt::format("{} {}s {} (the first: {} {})", count_, unit, what, unit, first_));
    }
    /// The error of evidence of which nothing else was read.
    [[nodiscard]] std::unexpected<Error> nothing_read(std::string_view name, std::string_view unit = "line") const {
        return fail(ErrorKind::malformed, "{}: nothing of it could be read: {} {}{} (the first: {} {})", name, count_,
                    unit, count_ == 1 ? "" : "s", unit, first_);
    }
    [[nodiscard]] std::size_t count() const { return count_; }

  private:
    std::size_t count_ = 0, first_ = 0;
};

} // namespace poolkd::hunt::import

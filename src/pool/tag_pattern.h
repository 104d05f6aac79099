#pragma once

#include "base/tag.h"

#include <string>
#include <string_view>

namespace poolkd::pool {

/// A tag, or kd's pattern of some (`tag_matches`), made ready to be compared with millions. Safe to ask from several
/// threads.
class TagPattern {
  public:
    explicit TagPattern(std::string_view pattern);
    explicit TagPattern(PoolTag tag) : mask_(~PoolTag::protected_bit), value_(tag.bare().value) {}

    [[nodiscard]] bool matches(PoolTag tag) const {
        if (!text_.empty()) return tag_matches(tag, text_);
        return (tag.value & mask_) == value_;
    }

  private:
    std::uint32_t mask_ = 0, value_ = 0; ///< over the four characters
    std::string text_;                   ///< of a pattern that bits cannot tell
};

} // namespace poolkd::pool

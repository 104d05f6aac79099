#pragma once

namespace poolkd::memory {

/// Ability of a PhysicalMemory: its views may be kept as long as it lives, and looked at again without asking, while
/// this is true. It is asked after a look: once it is false, what they showed need not be the memory's.
class LastingViews {
  public:
    virtual ~LastingViews() = default;
    [[nodiscard]] virtual bool views_hold() const = 0;
};

} // namespace poolkd::memory

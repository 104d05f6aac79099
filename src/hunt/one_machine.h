#pragma once

#include "base/error.h"
#include "base/text.h"

#include <string>
#include <string_view>

namespace poolkd::hunt {

/// Watches that evidence is of one machine only: counters of several do not add up. A name that is not stated says
/// nothing, and case makes no difference.
class OneMachine {
  public:
    /// Kind `malformed`; `evidence` is the name for people.
    Result<void> check(std::string_view machine, std::string_view evidence) {
        if (machine.empty() || machine == name_) return {};
        if (name_.empty())
            name_ = machine;
        else if (!equals_ignore_case(machine, name_))
            return fail(ErrorKind::malformed,
                        "{} holds several machines ({} and {}): read each one by itself, their counters do not add up",
                        evidence, name_, machine);
        return {};
    }
    /// Empty: none was stated yet.
    [[nodiscard]] const std::string& name() const { return name_; }

  private:
    std::string name_;
};

} // namespace poolkd::hunt

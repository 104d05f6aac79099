#pragma once

#include "base/tag.h"
#include "nt/bug_check.h"
#include "nt/kernel.h"

#include <array>
#include <optional>
#include <string_view>

namespace poolkd::pool {

/// Who is to blame as a rule; what memory shows may say otherwise.
enum class Suspect {
    caller,          ///< whoever called the kernel: the first driver on the stack
    owner,           ///< whoever the block belongs to, or belonged to
    previous_owner,  ///< whoever owns the block in front: it wrote over its end
    unloaded_driver, ///< one that is gone
    nobody,          ///< memory is used up: whoever holds it, which the counters tell
    unknown,         ///< damaged earlier, by nobody that is named
};

/// What a parameter points at.
enum class Pointee { none, header, body };

/// What the parameters of a pool-related bug check say.
struct BugCheckMeaning {
    std::string_view what; ///< a sentence
    std::array<std::string_view, 4> arguments;
    Suspect suspect = Suspect::caller;
    VirtAddr block; ///< the one that it is about; 0: none is named
    Pointee pointee = Pointee::none;
    std::optional<PoolTag> tag;      ///< the block's, where a parameter states it
    std::optional<PoolTag> freed_as; ///< the one it was to be freed under
};

/// Nothing for bug checks that have nothing to do with pool, and for subcodes that are not known. `kernel` is asked for
/// symbols of the numbers that differ between versions.
[[nodiscard]] std::optional<BugCheckMeaning> meaning_of(const nt::BugCheck& bug_check, nt::Kernel& kernel);

} // namespace poolkd::pool

#pragma once

#include "control/journal.h"
#include "nt/kernel.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace poolkd::control {

struct Breakpoint {
    std::uint32_t id = 0;
    std::string expression;          ///< what the user wrote; resolved again when modules come and go (`bu`)
    std::optional<VirtAddr> address; ///< nothing while unresolved
    bool keeps_expression = false;   ///< `bu`: follows the expression
    bool enabled = true;
    bool one_shot = false;
    bool internal = false;    ///< of a step or `gu`; not listed
    std::uint32_t passes = 1; ///< stop at this pass
    std::uint32_t passes_left = 1;
    std::string command;                 ///< run at the hit
    std::optional<std::uint32_t> handle; ///< set while planted in the target
    bool doomed = false; ///< removed while it could not be taken out: goes at the next stop, its hits are passed over
};

/// The user's and the debugger's own software breakpoints, and which of them are planted in the target now.
class Breakpoints {
  public:
    Breakpoints(nt::Kernel& kernel, Journal& journal) : kernel_(kernel), journal_(journal) {}

    static constexpr std::size_t limit = 32; ///< the kernel's own table has 32 entries

    /// Adds one, or redefines the user's one at the same address. Returns its id and whether it was redefined.
    struct Added {
        std::uint32_t id;
        bool redefined;
    };
    Result<Added> add(Breakpoint breakpoint, std::optional<std::uint32_t> id);
    /// Takes it out of the target and forgets it; one that cannot be taken out now (the target runs) is doomed.
    Result<void> remove(std::uint32_t id);
    Result<void> enable(std::uint32_t id, bool enabled);

    [[nodiscard]] std::span<const Breakpoint> all() const { return breakpoints_; }
    [[nodiscard]] Breakpoint* find(std::uint32_t id);
    /// The enabled one at an address; the user's before internal ones.
    [[nodiscard]] Breakpoint* at(VirtAddr address);
    /// The enabled one of a step, `gu` or `g Address` there.
    [[nodiscard]] Breakpoint* internal_at(VirtAddr address);

    /// Plants all that are enabled and resolved, except one at `skip`.
    Result<void> plant(std::optional<VirtAddr> skip);
    /// Takes all out of the target; they stay in the table, but for doomed ones.
    Result<void> lift();
    /// Any of ours is in the target.
    [[nodiscard]] bool planted() const;
    [[nodiscard]] bool doomed_at(VirtAddr address) const;
    /// The target's table loses every breakpoint in [ip, ip + 15] at each stop (kd-protocol reference 10.2).
    void stopped_at(VirtAddr ip);
    /// The target restarted: nothing is planted any more.
    void target_restarted();
    /// Gives unresolved and `bu` breakpoints another try; `resolve` maps an expression to an address.
    void resolve(const std::function<std::optional<VirtAddr>(const std::string&)>& resolve);

  private:
    Result<void> lift(Breakpoint& breakpoint);

    nt::Kernel& kernel_;
    Journal& journal_;
    std::vector<Breakpoint> breakpoints_;
};

} // namespace poolkd::control

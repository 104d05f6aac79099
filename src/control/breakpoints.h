#pragma once

#include "control/debug_registers.h"
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
    std::optional<Watch> watch;      ///< `ba`: in the processors' debug registers; else an int 3 of the target's table
    bool keeps_expression = false;   ///< `bu`: follows the expression
    bool enabled = true;
    bool one_shot = false;
    bool internal = false;    ///< of a step or `gu`; not listed
    std::uint32_t passes = 1; ///< stop at this pass
    std::uint32_t passes_left = 1;
    VirtAddr process;                    ///< EPROCESS: hits of others pass by; 0: any
    VirtAddr thread;                     ///< ETHREAD, likewise
    std::string condition;               ///< hits at which it is not true pass by; empty: always
    std::string command;                 ///< run at the hit
    std::optional<std::uint32_t> handle; ///< set while planted in the target's table
    std::optional<unsigned> slot;        ///< of the debug registers, while it has one
    bool doomed = false; ///< removed while it could not be taken out: goes at the next stop, its hits are passed over

    /// It stops before the instruction at its address, so going on from there must step off it first.
    [[nodiscard]] bool on_execution() const { return !watch || watch->kind == WatchKind::execute; }
};

/// The user's and the debugger's own breakpoints, and which of them are in the target now.
class Breakpoints {
  public:
    Breakpoints(nt::Kernel& kernel, Journal& journal) : kernel_(kernel), journal_(journal) {}

    static constexpr std::size_t limit = 32; ///< the kernel's own table has 32 entries
    /// Maps a breakpoint's expression to an address.
    using Resolver = std::function<Result<VirtAddr>(const std::string&)>;

    /// Adds one, or redefines the user's one at the same address. Returns its id and whether it was redefined.
    struct Added {
        std::uint32_t id;
        bool redefined;
    };
    Result<Added> add(Breakpoint breakpoint, std::optional<std::uint32_t> id);
    /// Takes it out of the target and forgets it; one that cannot be taken out now (the target runs) is doomed.
    Result<void> remove(std::uint32_t id);
    Result<void> enable(std::uint32_t id, bool enabled);
    /// Gives it another number. Kind `refused` when that is taken.
    Result<void> renumber(std::uint32_t id, std::uint32_t to);

    [[nodiscard]] std::span<const Breakpoint> all() const { return breakpoints_; }
    [[nodiscard]] Breakpoint* find(std::uint32_t id);
    /// The enabled ones whose int 3 is at the address: the user's before internal ones.
    [[nodiscard]] std::vector<Breakpoint*> at(VirtAddr address);
    /// The enabled ones whose debug register is among those that DR6 tells.
    [[nodiscard]] std::vector<Breakpoint*> watching(std::uint64_t dr6);
    /// The enabled ones that stop before the instruction at the address is executed.
    [[nodiscard]] std::vector<Breakpoint*> before(VirtAddr address);
    /// Running the instruction there would hit one of ours before it is executed.
    [[nodiscard]] bool stops_at(VirtAddr address) const;

    /// Plants all that are enabled and resolved, but for those on execution at one of the places of `skip`.
    Result<void> plant(std::span<const VirtAddr> skip);
    /// DR7 to resume with, as `plant` left it.
    [[nodiscard]] std::uint64_t debug_control() const { return wanted_.control; }
    /// What an earlier debugger left in the debug registers: they are ours to clear.
    void adopt(const DebugRegisters& left) { written_ = left; }
    /// Takes all int 3s out of the target; they stay in the table, but for doomed ones. Debug registers stay: they do
    /// nothing while the target stands, and each would cost a round trip a processor and stop.
    Result<void> lift();
    /// Takes everything out of the target, debug registers too, before the debugger leaves it.
    Result<void> withdraw();
    /// Any of ours is in the target, or is when it goes on.
    [[nodiscard]] bool planted() const;
    /// A debug register is in use, or is when the target goes on.
    [[nodiscard]] bool watches_armed() const { return wanted_.control != DebugRegisters::idle; }
    [[nodiscard]] bool doomed_at(VirtAddr address) const;
    /// The target's table loses every breakpoint in [ip, ip + 15] at each stop (kd-protocol reference 10.2).
    void stopped_at(VirtAddr ip);
    /// The target restarted: nothing is planted any more.
    void target_restarted();
    /// Gives unresolved and `bu` breakpoints another try. False when a Ctrl-C or the line cut it off: those that could
    /// not be asked for keep their address.
    bool resolve(const Resolver& resolve);

  private:
    Result<void> lift(Breakpoint& breakpoint);
    Result<void> check(const Breakpoint& breakpoint, std::optional<std::uint32_t> replaced);
    Result<void> check_room(const Breakpoint& breakpoint, std::optional<std::uint32_t> replaced);
    void choose_slots(std::span<const VirtAddr> skip);

    nt::Kernel& kernel_;
    Journal& journal_;
    std::vector<Breakpoint> breakpoints_;
    DebugRegisters wanted_;  ///< for the next resume
    DebugRegisters written_; ///< the processors have these addresses
};

} // namespace poolkd::control

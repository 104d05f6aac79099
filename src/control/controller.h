#pragma once

#include "base/work.h"
#include "control/breakpoints.h"
#include "control/journal.h"
#include "nt/kernel.h"

#include <functional>
#include <optional>
#include <string>

namespace poolkd::control {

/// Why control came back to the user.
enum class StopKind {
    breakpoint,      ///< one of the user's
    step_done,       ///< `p`, `t`, `gu` or a temporary breakpoint of `g` arrived
    hard_breakpoint, ///< an int 3 compiled into the target: PoolHitTag, DbgBreakPoint, a break-in
    exception,       ///< anything else the kernel reports
    module_load,
    module_unload,
};

struct StopReport {
    StopKind kind = StopKind::exception;
    target::Stop stop;
    std::uint32_t breakpoint_id = 0; ///< of kind `breakpoint`
    std::string breakpoint_command;  ///< what the user wants run there
    bool target_restarted = false;   ///< since the last report
    bool requested = false;          ///< the debugger had asked the target to stop
};

enum class Step { into, over };

/// Makes the target go and stop. Everything that resumes goes through here, so that the rules of resuming hold for
/// all: past an int 3 that is compiled into the target, over a breakpoint at the place we stand at, breakpoints
/// planted again that the target's stop removed.
class Controller {
  public:
    /// Told of load and unload events that do not stop.
    using ModuleNotice = std::function<void(const target::ModuleChange&)>;

    Controller(nt::Kernel& kernel, Journal& journal);

    [[nodiscard]] Breakpoints& breakpoints() { return breakpoints_; }
    [[nodiscard]] Journal& journal() { return journal_; }
    [[nodiscard]] bool running() const;
    /// The report of the stop the target stands in; nothing while it runs or when it cannot run at all.
    [[nodiscard]] const std::optional<StopReport>& last() const { return last_; }

    /// Lets the target go. `handled` false passes an exception on to the target's handlers.
    Result<void> go(bool handled = true);
    /// Waits for the next stop that concerns the user; module events pass by. When the user asks to stop
    /// (`work`), breaks in; a second request, or a target that does not answer within `break_in_limit`, ends the wait
    /// with kind `stopped` or `link`, and the target is left running.
    Result<StopReport> wait(Work& work);
    /// `limit` without a stop gives nothing and leaves the target running.
    Result<std::optional<StopReport>> wait_for(Work& work, std::chrono::milliseconds limit);
    Result<StopReport> go_and_wait(Work& work, bool handled = true);
    /// Stops the running target: breaks in and waits as `wait` does. The report is that of whatever stopped it first;
    /// `requested` tells whether it was the break-in. A request of the user ends the wait with kind `stopped`: the
    /// target has not answered then, and another `stop` asks again.
    Result<StopReport> stop(Work& work);
    /// `wait_for` for those who never want to break in: when the user asks to stop, kind `stopped`, with the target
    /// running and the request still standing.
    Result<std::optional<StopReport>> let_run(Work& work, std::chrono::milliseconds limit);

    /// One instruction; `over` runs calls and repeated string instructions to their end.
    Result<StopReport> step(Step kind, Work& work);
    /// Runs until `address` is reached with a stack pointer above `above_sp` (0: any), or until another stop.
    Result<StopReport> run_to(VirtAddr address, VirtAddr above_sp, Work& work);

    /// Ends debugging with the target running and nothing of ours in it that the user did not ask for.
    Result<void> detach();
    /// Called once after connecting: takes over the stop that the target stands in.
    Result<void> adopt_stop();

    void on_module_event(ModuleNotice notice) { module_notice_ = std::move(notice); }
    /// Maps a breakpoint expression to an address after modules changed.
    void set_resolver(std::function<std::optional<VirtAddr>(const std::string&)> resolver) {
        resolver_ = std::move(resolver);
    }
    void stop_on_load(bool on) { stop_on_load_ = on; }
    void stop_on_unload(bool on) { stop_on_unload_ = on; }

    static constexpr std::chrono::milliseconds break_in_limit{5000};
    /// A byte may be lost; the target takes a second one as pending, which the link absorbs.
    static constexpr std::chrono::milliseconds break_in_again{1000};

  private:
    enum class OnRequest { break_in, leave };

    Result<std::optional<StopReport>> wait_for(Work& work, std::chrono::milliseconds limit, OnRequest on_request);
    Result<void> ask_to_stop();
    Result<void> skip_hard_breakpoint();
    Result<void> trace_once(Work& work, std::optional<target::Stop>& stop);
    Result<std::optional<StopReport>> classify(target::Stop stop);
    Result<std::optional<StopReport>> take(target::Stop stop);
    Result<void> resume(bool trace, bool handled);
    [[nodiscard]] bool at_hard_breakpoint(const target::Stop& stop) const;
    Result<target::RunControl*> run_control();
    void note_module_change(bool loaded);
    void refresh_modules();

    nt::Kernel& kernel_;
    Journal& journal_;
    Breakpoints breakpoints_;
    std::optional<StopReport> last_;
    ModuleNotice module_notice_;
    std::function<std::optional<VirtAddr>(const std::string&)> resolver_;
    std::optional<target::Stop> pending_; ///< a stop that came while stepping over a breakpoint
    bool stop_on_load_ = false;
    bool stop_on_unload_ = false;
    bool modules_changed_ = false; ///< since the user saw a stop
    bool traced_ = false;          ///< the last resume was for one instruction
    bool restarted_ = false;
    bool break_in_sent_ = false;
    std::chrono::steady_clock::time_point break_in_time_{}, break_in_last_{};
};

} // namespace poolkd::control

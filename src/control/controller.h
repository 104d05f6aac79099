#pragma once

#include "base/work.h"
#include "control/breakpoints.h"
#include "control/event_filters.h"
#include "control/journal.h"
#include "nt/kernel.h"

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace poolkd::control {

/// Why control came back to the user.
enum class StopKind {
    breakpoint,      ///< one of the user's, in code or in a debug register
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
    std::string command = {};        ///< what the user wants run there: a breakpoint's or an event's
    std::string note = {};           ///< what else there is to tell: a condition that cannot be evaluated
    bool target_restarted = false;   ///< since the last report
    bool requested = false;          ///< the debugger had asked the target to stop
    bool planned = false;            ///< and not because of the user: the goal's time was over
    bool overtook = false;           ///< the user had asked to stop, and this came before the break-in, which follows
    bool handled = true;             ///< whether the target goes on from it as if it was handled, unless told otherwise
    std::chrono::system_clock::time_point time = {};
};

enum class Step { into, over };

/// How far the target is to run, unless another stop comes first. The default runs until a stop.
struct Goal {
    std::vector<VirtAddr> addresses; ///< temporary breakpoints
    VirtAddr above_sp;               ///< those count only with a stack pointer above this one; 0: with any
    VirtAddr thread;                 ///< and only in this thread; 0: in any
    bool stepping = false;           ///< part of a step: pass counts stand still, as in kd
    std::optional<std::chrono::steady_clock::time_point> until; ///< then the debugger breaks in
};

/// Makes the target go and stop. Everything that resumes goes through here, so that the rules of resuming hold for
/// all: past an int 3 that is compiled into the target, off a breakpoint at the place we stand at, breakpoints
/// planted again that the target's stop removed.
///
/// Nothing waits but the one loop of `wait_for`: also the instruction that is traced to get off a breakpoint ends
/// there, so that a Ctrl-C or another processor's stop in the middle of it is an event like any other.
class Controller {
  public:
    /// Told of events that are to be printed and do not stop (`sxn`).
    using EventNotice = std::function<void(const target::Stop&)>;
    /// Told of each module that was loaded, before it runs.
    using LoadNotice = std::function<void(VirtAddr base)>;
    using Resolver = Breakpoints::Resolver;
    /// Whether a breakpoint's condition holds at the stop the target stands in.
    using Condition = std::function<Result<bool>(const std::string&)>;

    Controller(nt::Kernel& kernel, Journal& journal);

    [[nodiscard]] Breakpoints& breakpoints() { return breakpoints_; }
    [[nodiscard]] EventFilters& filters() { return filters_; }
    [[nodiscard]] Journal& journal() { return journal_; }
    [[nodiscard]] bool running() const;
    /// The report of the stop the target stands in; nothing while it runs or when it cannot run at all.
    [[nodiscard]] const std::optional<StopReport>& last() const { return last_; }
    /// The last report of all, for `.lastevent`: also while the target runs.
    [[nodiscard]] const std::optional<StopReport>& last_event() const { return last_event_; }

    /// Lets the target go. `handled` false passes an exception on to the target's handlers; nothing: as the stop's
    /// report says.
    Result<void> go(std::optional<bool> handled = std::nullopt);
    /// Waits for the next stop that concerns the user; others pass by. When the user asks to stop (`work`), breaks in;
    /// a second request, or a target that does not answer within `break_in_limit`, ends the wait with kind `stopped`
    /// or `link`, and the target is left running.
    Result<StopReport> wait(Work& work);
    /// `limit` without a stop gives nothing and leaves the target running.
    Result<std::optional<StopReport>> wait_for(Work& work, std::chrono::milliseconds limit);
    Result<StopReport> go_and_wait(Work& work, std::optional<bool> handled = std::nullopt);
    /// Stops the running target: breaks in and waits as `wait` does. The report is that of whatever stopped it first;
    /// `requested` tells whether it was the break-in. A request of the user ends the wait with kind `stopped`: the
    /// target has not answered then, and another `stop` asks again.
    Result<StopReport> stop(Work& work);
    /// `wait_for` for those who never want to break in: when the user asks to stop, kind `stopped`, with the target
    /// running and the request still standing.
    Result<std::optional<StopReport>> let_run(Work& work, std::chrono::milliseconds limit);

    /// Runs until the goal is reached or another stop comes.
    Result<StopReport> run(const Goal& goal, Work& work, std::optional<bool> handled = std::nullopt);
    /// One instruction; `over` runs calls and repeated string instructions to their end.
    Result<StopReport> step(Step kind, Work& work);
    /// Goes on with the run or step that the stop interrupted (`gc`).
    Result<StopReport> go_on(Work& work);

    /// Lets another processor report: registers are then its own, and `step` steps it. Running on lets the one that
    /// stopped the machine report first.
    Result<void> switch_processor(std::uint32_t processor);

    /// Restarts the machine; `wait` gives the first stop of the new boot.
    Result<void> reboot();

    /// Ends debugging with the target running and nothing of ours in it that the user did not ask for.
    Result<void> detach();
    /// Ends debugging with the target as it is now, standing or running, and nothing of ours in it.
    Result<void> leave_as_it_is();
    /// Called once after connecting: takes over the stop that the target stands in. Gives how many debug registers an
    /// earlier debugger left armed; the next resume disarms them.
    Result<unsigned> adopt_stop();

    /// For a loop that lets the target go on at once: breakpoints stay in it while it stands, which saves two round
    /// trips each, and the target's code is not as it was built. Turned off it takes them out of a target that stands.
    Result<void> keep_breakpoints(bool keep);

    void on_event(EventNotice notice) { event_notice_ = std::move(notice); }
    void on_load(LoadNotice notice) { load_notice_ = std::move(notice); }
    void set_resolver(Resolver resolver) { resolver_ = std::move(resolver); }
    void set_condition(Condition condition) { condition_ = std::move(condition); }

    static constexpr std::chrono::milliseconds break_in_limit{5000};
    /// A byte may be lost; the target takes a second one as pending, which the link absorbs.
    static constexpr std::chrono::milliseconds break_in_again{1000};
    /// What a target that was let go still has to tell of our breakpoints comes within this time; an instruction that
    /// is still to be traced is waited for a little longer.
    static constexpr std::chrono::milliseconds farewell{300}, longest_farewell{2000};

  private:
    enum class OnRequest { break_in, leave };
    /// A thread that was let go for one instruction and has not reported since.
    struct Trace {
        VirtAddr thread;
        std::uint16_t processor;
        VirtAddr from;
        bool wanted; ///< a step of the user; else only to get off a breakpoint at `from`
        [[nodiscard]] bool is_of(const target::Stop& stop) const {
            return thread && stop.thread ? thread == stop.thread : processor == stop.processor;
        }
    };
    /// What a stop came to.
    struct Outcome {
        std::optional<StopReport> report; ///< for the user
        bool handled = true;              ///< else: how the target goes on
        bool owners_turn = false;         ///< else: it only lets the processor of `reselected_` go
    };

    Result<std::optional<StopReport>> wait_for(Work& work, std::chrono::milliseconds limit, OnRequest on_request);
    Result<void> ask_to_stop();
    Result<void> begin(const Goal& goal, std::optional<bool> handled, Work* work);
    /// The way out of what failed. A request to stop that did it is served with that.
    std::unexpected<Error> give_up(Error error, Work* work);
    Result<void> add_temporaries();
    void drop_temporaries();
    bool reached_goal(const target::Stop& stop);
    Result<VirtAddr> instruction_pointer();
    Result<void> skip_hard_breakpoint();
    Result<void> set_going(bool handled);
    Result<void> trace(VirtAddr from, bool wanted);
    std::optional<Trace> take_trace(const target::Stop& stop);
    Result<void> resume(bool trace, bool handled);
    Result<void> report_from_owner();
    Result<void> note_waiting_hits();
    Result<void> clear_traces();
    Result<void> empty();
    Result<void> see_off();

    Result<Outcome> classify(target::Stop stop);
    Result<Outcome> classify_exception(const target::ExceptionStop& exception, StopReport report);
    Result<Outcome> classify_module(const target::ModuleChange& change, StopReport report);
    /// Whether a hit of a breakpoint is one to stop at; counts its passes.
    Result<bool> counts(Breakpoint& hit, StopReport& report);
    Result<bool> stops_here(const std::vector<Breakpoint*>& hits, StopReport& report);
    void note_restart();
    /// Judges a stop, and sees to what it takes; doing that again after a Ctrl-C cut it off does no harm.
    Result<void> take(target::Stop stop);
    Result<std::optional<StopReport>> settle();
    [[nodiscard]] bool at_hard_breakpoint(const target::Stop& stop) const;
    Result<target::RunControl*> run_control();
    void note_module_change(const target::ModuleChange& change);
    /// False when a Ctrl-C or the line cut it off.
    bool refresh_modules();

    nt::Kernel& kernel_;
    Journal& journal_;
    Breakpoints breakpoints_;
    EventFilters filters_;
    std::optional<StopReport> last_, last_event_;
    Outcome outcome_; ///< of the stop taken last
    EventNotice event_notice_;
    LoadNotice load_notice_;
    Resolver resolver_;
    Condition condition_;
    Goal goal_;                              ///< of the run under way, or of the one that the last stop interrupted
    std::vector<std::uint32_t> temporaries_; ///< its breakpoints, while it runs
    std::vector<Trace> traces_;              ///< one a thread; bounded
    std::optional<StopReport> owner_;        ///< of the processor that stopped the machine, while another one reports
    /// The owner may report so once more before the machine runs: nothing has moved off the places of `here` then.
    struct Reselected {
        target::Stop stop;
        std::vector<VirtAddr> here;
    };
    std::optional<Reselected> reselected_;
    std::map<std::uint16_t, std::uint64_t> waiting_hits_; ///< DR6 of processors that have yet to report it
    bool untouched_ = false;       ///< nobody but us has seen the stop: registers are as it tells
    bool modules_changed_ = false; ///< since the user saw a stop
    /// Modules whose leaving was told and that the kernel's list still holds: it takes them out some time behind their
    /// event, and the list is read at each stop that the user sees until then.
    std::vector<VirtAddr> leaving_;
    bool restarted_ = false;
    bool keeps_breakpoints_ = false;
    bool break_in_sent_ = false;
    bool time_is_over_ = false; ///< the break-in was sent because of the goal's time
    std::chrono::steady_clock::time_point break_in_time_{}, break_in_last_{};
};

} // namespace poolkd::control

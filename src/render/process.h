#pragma once

#include "base/coverage.h"
#include "code/stack.h"
#include "code/stack_names.h"
#include "nt/processes.h"
#include "nt/threads.h"

#include <nlohmann/json.hpp>

#include <optional>
#include <string>
#include <vector>

namespace poolkd::render {

/// The stack of a thread, or why there is none.
struct ThreadStack {
    Answer<code::StackTrace> trace;
    std::vector<code::FrameName> names;
    std::string note; ///< a sentence; then there is no trace
};

struct ThreadReport {
    nt::Thread thread;
    std::string owner, attached;              ///< names of the processes; empty: not known
    std::string start_name, win32_start_name; ///< symbols; empty: not known
    std::optional<ThreadStack> stack;         ///< where it was asked for
};

struct ProcessReport {
    nt::Process process;
    std::optional<std::vector<ThreadReport>> threads; ///< where they were asked for
    Coverage coverage;                                ///< of the threads' list
};

/// The clocks of the target, to which times of its records are related.
struct Clocks {
    nt::Ticks ticks;
    std::uint64_t time = 0; ///< 100 ns since 1601; 0: not known
};

struct ThreadView {
    unsigned indent = 0;
    bool details = true;   ///< waits, times, stack limits, priorities; else one line
    bool arguments = true; ///< of the stack's functions
};

/// kd's layouts (commands.md 7). `times`: also when the process began and what it used.
std::string process_text(const nt::Process& process, const Machine& machine, const Clocks& clocks, bool times);
std::string thread_text(const ThreadReport& report, const Machine& machine, const Clocks& clocks,
                        const ThreadView& view);

nlohmann::json process_json(const ProcessReport& report);
nlohmann::json thread_json(const ThreadReport& report);

} // namespace poolkd::render

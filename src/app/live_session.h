#pragma once

#include "app/connection.h"
#include "app/interrupt.h"
#include "app/options.h"
#include "debugger/session.h"
#include "hunt/live.h"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace CLI {
class App;
}

namespace poolkd::app {

/// Which target a subcommand works on: `-k`, `--lab…`, `-y`, `-v`, as the debugger itself has them.
struct TargetArguments {
    Options options;

    /// Adds the options to a subcommand. The object must outlive the parsing.
    void add_to(CLI::App& command);
    /// The same for a subcommand that reads its words itself: true when it was one of ours (`--lab-seed=3`, `-k` with
    /// the word behind it); `at` stands behind it then. Errors: kind `usage`.
    Result<bool> take(std::span<const std::string> words, std::size_t& at);
    /// A connection among the words is the target, and no word any more. Errors: kind `usage` when there is another.
    Result<void> take_connection(std::vector<std::string>& words);
    /// -k or --lab was there. Else the environment may still name a target (`_NT_DEBUG_PORT`).
    [[nodiscard]] bool given() const { return options.connection || options.lab; }
};

/// How a live target is sampled: `--every`, `--for`, `--count`.
struct SampleArguments {
    std::optional<std::chrono::milliseconds> every, period;
    std::optional<std::size_t> count;

    void add_to(CLI::App& command);
    /// As `TargetArguments::take`.
    Result<bool> take(std::span<const std::string> words, std::size_t& at);
    [[nodiscard]] bool given() const { return every || period || count; }
    [[nodiscard]] hunt::SamplePlan plan(std::chrono::milliseconds usual_interval) const;
};

/// A debugger session without a prompt, for subcommands that look at a live target. Ctrl-C, SIGTERM and SIGHUP ask
/// `work()` to stop. At the end the target is left as it was found, running or standing; where it
/// stopped by itself meanwhile, it stays so.
class LiveSession {
  public:
    /// Connects. What would be shown beside answers goes to stderr: warnings always, the banner and what the target
    /// prints with -v. Errors: `usage` when no target is named, else as `connect`.
    static Result<std::unique_ptr<LiveSession>> open(const TargetArguments& arguments);
    LiveSession(const LiveSession&) = delete;
    LiveSession& operator=(const LiveSession&) = delete;
    ~LiveSession();

    [[nodiscard]] debugger::Session& session() { return session_; }
    [[nodiscard]] nt::Kernel& kernel() { return session_.kernel(); }
    [[nodiscard]] Work& work() { return session_.work(); }
    /// Names the target for people and for series files: "lab:page", or the connection.
    [[nodiscard]] const std::string& machine() const { return machine_; }
    /// Snapshots of the target. One source at a time; it must not outlive the session.
    std::unique_ptr<hunt::LiveSource> source(hunt::SamplePlan plan);
    /// Where warnings and progress go instead of stderr, for whoever draws on the terminal; an empty sink ends that.
    void redirect(std::function<void(std::string_view)> sink);

  private:
    struct Console final : debugger::Output {
        void write(std::string_view text) override;
        std::function<void(std::string_view)> sink;
    };
    explicit LiveSession(const TargetArguments& arguments);

    Console console_;
    debugger::CommandTable commands_;
    debugger::Session session_;
    InterruptHandler interrupts_;
    Options options_;
    Connection connection_;
    std::string machine_;
};

/// Tells on stderr why there is no session, and gives the exit code for it.
[[nodiscard]] int tell_no_session(const Error& error);

} // namespace poolkd::app

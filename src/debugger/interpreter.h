#pragma once

#include "debugger/aliases.h"
#include "debugger/command.h"

#include <optional>
#include <string>
#include <string_view>

namespace poolkd::debugger {

class Session;

/// Why what still stands in the running commands is not run.
enum class Unwind {
    none,
    break_,    ///< `.break`: up to the loop
    continue_, ///< `.continue`: up to the loop
    leave,     ///< `.leave`: up to the `.catch`
    again,     ///< `z`: the commands from the first one of their line
    resume,    ///< a command of a breakpoint resumes the target: up to the stop
    failed,    ///< a command failed, its error is shown: up to the `.catch`, else everything
    stopped,   ///< the user stopped it, or the link is gone: everything
    quit,      ///< `q`: everything
};

/// Runs lines, blocks and scripts of commands. Errors are shown where they happen, with the command that failed.
class Interpreter {
  public:
    explicit Interpreter(Session& session) : session_(session) {}

    /// Runs a line as typed; an empty one repeats the command before. False: a command failed or was stopped, and what
    /// stood behind it was not run.
    bool run_line(std::string_view line);
    /// Of the last line that was typed: the commands that did not run because the one before them failed.
    [[nodiscard]] const std::vector<std::string>& dropped() const { return dropped_; }
    /// Runs the commands of a breakpoint or event. One that resumes the target ends them and is not run: the caller
    /// does it, so that a breakpoint that is hit a million times does not nest a million deep. Gives that command
    /// ("gc", "gu"); empty: the target stays.
    std::string run_at_stop(std::string_view commands);

    // For commands that hold commands.
    /// Runs the commands of a block, aliases replaced anew. Whoever calls it returns when the answer is not `none`.
    Unwind run_block(std::string_view text, const AliasMap& locals = {});
    /// One round of a loop. False: the loop is over.
    bool run_round(std::string_view body, const AliasMap& locals = {});
    /// Runs a block and shows its errors, which end nothing but the block (`.catch`).
    void run_guarded(std::string_view text);
    /// Lines of a script, each as if it was typed, until one ends them. `echo` shows each with its prompt.
    void run_lines(std::string_view text, bool echo);
    /// What the commands print, instead of showing it; always as text. Nothing of it when they ended early.
    std::optional<std::string> capture(std::string_view commands);
    /// Ends what runs now, for `.break` and its like.
    void unwind(Unwind why) { unwind_ = why; }
    [[nodiscard]] bool in_loop() const { return loops_ != 0; }
    [[nodiscard]] bool in_catch() const { return catches_ != 0; }

    /// The user broke into the target with Ctrl-C: blocks and scripts end. A typed line goes on behind the command that
    /// let the target run, as in kd.
    void note_break_in();

    /// The name of the command that runs now, as the table has it.
    [[nodiscard]] std::string_view running_command() const { return running_command_; }

  private:
    void run_expanded(Result<std::string> text);
    void run_commands(std::string_view text);
    Result<void> run_command(std::string_view text);
    Result<void> call(const CommandTable::Found& found, std::string_view text);
    void show_error(const Error& error, std::string_view command);
    bool stop_asked();

    Session& session_;
    Unwind unwind_ = Unwind::none;
    unsigned depth_ = 0;
    unsigned loops_ = 0;
    unsigned catches_ = 0;
    bool at_stop_ = false; ///< the commands of a stop run: none of them may resume the target
    std::string resume_;
    std::string repeat_;
    std::vector<std::string> dropped_;
    std::string_view running_command_;
};

} // namespace poolkd::debugger

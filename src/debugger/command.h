#pragma once

#include "base/error.h"
#include "debugger/arguments.h"

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace poolkd::debugger {

class Session;

struct CommandOption {
    std::string_view name; ///< "/p"
    std::string_view text;
};

/// What an empty line does after the command (commands.md section 3).
enum class Repeat {
    same,      ///< the same text again
    continued, ///< the name alone: `u` and `d*` go on where they ended
    never,
};

/// One command: help, completion and documentation come from the same record as the work itself.
struct Command {
    std::vector<std::string_view> names; ///< the main name first; `.name` and `!name` include their sign
    std::string_view family;             ///< heading in the help: "Memory", "Registers", …
    std::string_view summary;            ///< one line, no full stop
    std::string_view syntax;
    std::string_view help = {}; ///< further sentences; may be empty
    std::vector<CommandOption> options = {};
    /// Arguments may follow the name without a blank (`db820f2ba4`, `lmv`, `bc0`).
    bool may_touch = false;
    bool needs_target = true;
    /// The target must stand still; commands that work on a running target say false.
    bool needs_stop = true;
    /// Lets the target run, so it ends the commands of a breakpoint.
    bool resumes = false;
    bool takes_processor = false; ///< a prefix `2k` may name another processor
    bool json = false;            ///< accepts `--json`
    Repeat repeat = Repeat::same;
    std::function<Result<void>(Session&, Arguments&)> run = {};
};

class CommandTable {
  public:
    void add(Command command);

    struct Found {
        const Command* command;
        std::size_t arguments; ///< where they begin in the text
        std::optional<std::uint32_t> processor;
    };
    /// The command that `text` calls, by kd's rules: `.word` and `!word` whole and without regard to case; other names
    /// by the longest that fits, in the exact case before any other. Errors: kind `not_found`.
    [[nodiscard]] Result<Found> find(std::string_view text) const;
    /// By name alone ("db", ".help", "!gflag"; `help` for `.help` too); null when there is none.
    [[nodiscard]] const Command* named(std::string_view name) const;
    /// Names that somebody may have meant, the nearest first, a few at most.
    [[nodiscard]] std::vector<std::string_view> near(std::string_view name) const;

    [[nodiscard]] const std::vector<std::unique_ptr<Command>>& all() const { return commands_; }
    /// Names that begin with `prefix`, sorted.
    [[nodiscard]] std::vector<std::string> completions(std::string_view prefix) const;

  private:
    [[nodiscard]] const Command* exact(std::string_view name) const;
    std::vector<std::unique_ptr<Command>> commands_;
};

/// The help text of one command.
[[nodiscard]] std::string help_text(const Command& command);
/// The same as fields.
[[nodiscard]] nlohmann::json help_json(const Command& command);
/// One line a command, by family.
[[nodiscard]] std::string help_overview(const CommandTable& table);

} // namespace poolkd::debugger

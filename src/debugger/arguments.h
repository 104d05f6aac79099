#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace poolkd::debugger {

/// What stands behind the name of a command, with a cursor. The text is kept as typed, so that blanks inside quotes
/// survive and errors can quote it.
class Arguments {
  public:
    Arguments() = default;
    /// `command` is the whole command as typed; the arguments begin at `start` in it.
    Arguments(std::string_view command, std::size_t start) : command_(command), at_(start), start_(start) {}

    /// The command as typed, name included: positions count in it.
    [[nodiscard]] std::string_view command() const { return command_; }
    [[nodiscard]] std::size_t position() const { return at_; }
    void set_position(std::size_t position) { at_ = std::min(position, command_.size()); }
    /// All arguments, and those not taken yet, without the blanks around them.
    [[nodiscard]] std::string_view all() const;
    [[nodiscard]] std::string_view rest() const;
    [[nodiscard]] bool done() const { return rest().empty(); }
    /// No blank stands between the name and the arguments ("lmv").
    [[nodiscard]] bool touches_name() const;

    /// Skips blanks and commas.
    void skip_blanks();
    /// The next character behind blanks, or 0.
    [[nodiscard]] char peek();
    /// Takes `text` when it comes next (case does not matter).
    bool take(std::string_view text);
    /// Takes the option `/x` or `-x` when it comes next as a whole word.
    bool take_option(std::string_view letters);
    /// The text up to the next blank; empty at the end. A quoted piece inside keeps its blanks and its quotes.
    std::string_view word();
    /// The content of "..." when it comes next, with \" resolved; or nothing. An open quote reaches to the end of the
    /// line.
    std::optional<std::string> quoted();
    /// The same for commands, in which \\ is resolved, too: quotes may stand in quotes, as in bp x ".printf \"a\\n\"".
    std::optional<std::string> quoted_commands();
    /// A quoted text or else a word.
    std::string text();
    /// Everything that is left, taken.
    std::string_view take_rest();

    std::optional<std::uint32_t> processor; ///< of a prefix ("2k")
    bool json = false;                      ///< `--json` was given, or the session is in JSON mode

  private:
    std::optional<std::string_view> quoted_as_typed();

    std::string_view command_;
    std::size_t at_ = 0;
    std::size_t start_ = 0;
};

} // namespace poolkd::debugger

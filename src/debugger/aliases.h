#pragma once

#include "base/error.h"

#include <array>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace poolkd::debugger {

/// Names that stand for a text.
using AliasMap = std::map<std::string, std::string, std::less<>>;

/// The user's aliases: named ones (`as`, `ad`, `al`) and the ten with fixed names (`r $.u0=text`). Rules of
/// replacement: commands.md section 11.
class Aliases {
  public:
    void set(std::string name, std::string text) { aliases_[std::move(name)] = std::move(text); }
    /// False when there is none of that name.
    bool remove(std::string_view name);
    void clear() { aliases_.clear(); }
    [[nodiscard]] const AliasMap& all() const { return aliases_; }

    static constexpr std::size_t fixed_names = 10; ///< `$u0` to `$u9`
    void set_fixed(std::size_t index, std::string text) { fixed_.at(index) = std::move(text); }
    [[nodiscard]] const std::optional<std::string>& fixed(std::size_t index) const { return fixed_.at(index); }

    /// The text of a block as it is run. `$u0` and its like are replaced anywhere. A name is replaced where it stands
    /// alone between blanks, `;` or quotes, and as `${name}` anywhere; `${/d:name}` tells 1 or 0, `${/f:name}` is empty
    /// for a name that is none, `${/n:name}` is the name of one that is, `${/v:name}` stays. `locals` are looked at
    /// first: the variable of a `.foreach`, the arguments of a script.
    /// Error kind `refused`: the result would be longer than `expanded_limit`, as names that hold themselves twice make
    /// it after a few rounds of a loop.
    [[nodiscard]] Result<std::string> expand_block(std::string_view text, const AliasMap& locals = {}) const;
    /// The same for a line as it is typed: names stay when it begins with `as`, `aS`, `ad` or `al`.
    [[nodiscard]] Result<std::string> expand_line(std::string_view line) const;
    static constexpr std::size_t expanded_limit = 8u << 20; ///< bytes; twice the largest script

  private:
    [[nodiscard]] Result<std::string> expand_fixed(std::string_view text) const;
    [[nodiscard]] Result<std::string> expand_names(std::string_view text, const AliasMap& locals) const;
    /// What `${content}` becomes; nothing: it stays.
    [[nodiscard]] std::optional<std::string> expand_token(std::string_view content, const AliasMap& locals) const;
    [[nodiscard]] const std::string* find(std::string_view name, const AliasMap& locals) const;

    AliasMap aliases_;
    std::array<std::optional<std::string>, fixed_names> fixed_;
};

/// The name that a word means for `as` and `ad`: `${/v:name}` is how one is written that must not be replaced.
[[nodiscard]] std::string_view alias_name(std::string_view word);

} // namespace poolkd::debugger

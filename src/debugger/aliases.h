#pragma once

#include <map>
#include <string>
#include <string_view>

namespace poolkd::debugger {

/// The user's aliases (`as`, `ad`, `al`). A name is replaced where it stands alone between blanks, `;` or quotes, and
/// as `${name}` anywhere. Lines that begin with `as`, `ad` or `al` are left alone (commands.md section 11).
class Aliases {
  public:
    void set(std::string name, std::string text) { aliases_[std::move(name)] = std::move(text); }
    /// False when there is none of that name.
    bool remove(std::string_view name);
    void clear() { aliases_.clear(); }
    [[nodiscard]] const std::map<std::string, std::string, std::less<>>& all() const { return aliases_; }
    [[nodiscard]] std::string expand(std::string_view line) const;

  private:
    std::map<std::string, std::string, std::less<>> aliases_;
};

} // namespace poolkd::debugger

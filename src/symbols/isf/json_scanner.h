#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

namespace poolkd::symbols {

/// Walks a JSON text once, from front to back, without building a tree: what is not asked for is only stepped over, and
/// strings are views of the text. A symbol table has millions of characters, of which a session needs a few
/// thousand. Whoever needs a value that was stepped over parses its own text then.
/// After the first mistake every function fails, and `problem` tells it.
class JsonScanner {
  public:
    /// Values inside each other; symbol tables have a dozen.
    static constexpr std::size_t max_depth = 64;

    explicit JsonScanner(std::string_view text) : text_(text) {}

    /// The members of an object: `member(key)` consumes the value and returns whether it could.
    template <class Member>
    bool object(Member member) {
        if (!open('{')) return false;
        for (bool first = true; !close('}'); first = false) {
            if (!first && !expect(',')) return false;
            auto key = string();
            if (!key || !expect(':') || !member(*key)) return false;
        }
        return leave();
    }
    /// The next value's characters, stepped over. Inside it only strings and brackets are looked at.
    std::optional<std::string_view> skip();
    /// Holds as long as the text and this scanner do.
    std::optional<std::string_view> string();
    /// A number from 0 up; nothing, without a mistake, for any other value, which is stepped over.
    std::optional<std::uint64_t> number();
    /// Nothing but white space is left.
    bool at_end();

    [[nodiscard]] bool failed() const { return problem_ != nullptr; }
    [[nodiscard]] std::string problem() const;
    /// Notes a mistake of the table's own kind; returns false.
    bool reject(const char* what);
    /// Strings with escapes, which are no part of the text.
    [[nodiscard]] std::deque<std::string> take_strings() { return std::move(unescaped_); }

  private:
    void blanks();
    bool open(char bracket);
    bool close(char bracket);
    bool leave();
    bool expect(char c);
    std::optional<std::string_view> raw_string();
    std::optional<std::string_view> unescape(std::string_view raw);

    std::string_view text_;
    std::size_t at_ = 0;
    std::size_t depth_ = 0;
    const char* problem_ = nullptr;
    std::deque<std::string> unescaped_;
};

} // namespace poolkd::symbols

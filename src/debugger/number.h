#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace poolkd::debugger {

struct NumberWord {
    enum class Kind { none, number, overflow } kind = Kind::none;
    std::uint64_t value = 0;
};

/// A number as the MASM evaluator reads it: `1f`, `1fh`, `0x1f`, `0n31`, `0t37`, `0y11111`, graves inside skipped.
/// A value from 80000000 to ffffffff written without a grave is sign-extended (commands.md 4.1). `overflow`: the word
/// is a number but does not fit 64 bits.
[[nodiscard]] NumberWord read_number_word(std::string_view word, unsigned radix);

/// One to four characters, the first one in the most significant byte; nothing for any other count.
[[nodiscard]] std::optional<std::uint64_t> character_constant(std::string_view characters);

} // namespace poolkd::debugger

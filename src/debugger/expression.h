#pragma once

#include "base/address.h"
#include "base/error.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace poolkd::debugger {

/// A register as the evaluator takes it: 32-bit ones are sign-extended (commands.md 4.1).
struct RegisterValue {
    std::uint64_t value = 0;
    unsigned bits = 64;
};

struct NamedAddress {
    std::string name; ///< "nt!PoolHitTag"
    VirtAddr address;
};

/// What an expression may ask of the world. Names come as typed; matching without regard to case is the context's job.
/// An error (a lost link, a stop) ends the evaluation as it is.
class ExpressionContext {
  public:
    virtual ~ExpressionContext() = default;
    /// 8, 10 or 16.
    [[nodiscard]] virtual unsigned radix() const = 0;
    /// Bytes, 4 or 8.
    [[nodiscard]] virtual unsigned pointer_size() const = 0;
    /// Nothing: there is no such register.
    virtual Result<std::optional<RegisterValue>> machine_register(std::string_view name) = 0;
    /// `name` begins with `$`. Nothing: there is no such pseudo-register.
    virtual Result<std::optional<std::uint64_t>> pseudo_register(std::string_view name) = 0;
    /// Zero-extended integer of 1, 2, 4 or 8 bytes.
    virtual Result<std::uint64_t> read(VirtAddr address, unsigned size) = 0;
    virtual Result<std::uint64_t> read_physical(PhysAddr address, unsigned size) = 0;
    /// All addresses of that name: "module!name", "name", or a module alone (its base).
    virtual Result<std::vector<NamedAddress>> symbols(std::string_view name) = 0;
};

struct Evaluated {
    std::uint64_t value = 0;
    std::size_t end = 0; ///< where the expression ends in the text
};

/// Evaluates the MASM expression that begins at `start` (blanks before it are skipped) and reaches as far as operators
/// go. Syntax, precedence and error texts: commands.md sections 4 and 16.
[[nodiscard]] Result<Evaluated> evaluate(std::string_view text, std::size_t start, ExpressionContext& context);

} // namespace poolkd::debugger

#pragma once

#include "debugger/expression.h"

#include <string>
#include <string_view>
#include <vector>

namespace poolkd::debugger {

struct FunctionArgument {
    std::string text = {};
    std::uint64_t value = 0;
};

/// True for a function of the MASM evaluator that poolkd has: `$iment`, `$scmp`, `$sicmp`, `$spat`, `$vvalid`.
[[nodiscard]] bool is_function(std::string_view name);

/// Calls one. An error of kind `usage` holds only the words before "at '...'".
[[nodiscard]] Result<std::uint64_t> call_function(std::string_view name, const std::vector<FunctionArgument>& arguments,
                                                  ExpressionContext& context);

} // namespace poolkd::debugger

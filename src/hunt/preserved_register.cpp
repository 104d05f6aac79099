#include "hunt/preserved_register.h"

#include <algorithm>
#include <array>

namespace poolkd::hunt {

bool is_preserved_register(std::string_view name, bool x64) {
    constexpr std::array everywhere{"ebx", "esi", "edi", "ebp", "rbx", "rsi", "rdi", "rbp"};
    constexpr std::array only_x64{"r12d", "r13d", "r14d", "r15d", "r12", "r13", "r14", "r15"};
    return std::ranges::find(everywhere, name) != everywhere.end() ||
           (x64 && std::ranges::find(only_x64, name) != only_x64.end());
}

} // namespace poolkd::hunt

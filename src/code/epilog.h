#pragma once

#include "code/read_code.h"
#include "code/registers.h"
#include "code/unwind_tables.h"

#include <optional>
#include <vector>

namespace poolkd::code {

/// What an epilog still does before it returns.
struct EpilogStep {
    enum class Kind {
        add, ///< rsp += value
        lea, ///< rsp = gpr[reg] + value
        pop, ///< gpr[reg] = [rsp], rsp += 8
    };
    Kind kind = Kind::pop;
    std::uint8_t reg = 0;
    std::int64_t value = 0;
};

/// The steps left when `ip` stands in an epilog of the function; an empty list when only the return or the tail jump
/// is left; nothing when it is no epilog. Version 2 records say where epilogs are; for version 1 the code is decoded
/// forward, as the ABI prescribes: an optional `add rsp` or `lea rsp`, pops, then ret or a jump out of the function.
/// `info` is the record of `function`.
std::optional<std::vector<EpilogStep>> find_epilog(const UnwindTables& tables, const RuntimeFunction& function,
                                                   const UnwindInfo& info, VirtAddr ip, const ReadCode& read);

/// The same by decoding alone. `any_jump`: every jump ends an epilog here.
std::optional<std::vector<EpilogStep>> decode_epilog(const UnwindTables& tables, const RuntimeFunction& function,
                                                     const UnwindInfo& info, VirtAddr ip, const ReadCode& read,
                                                     bool any_jump = false);

} // namespace poolkd::code

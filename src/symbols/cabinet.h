#pragma once

#include "base/error.h"

#include <string>

namespace poolkd::symbols {

/// Unpacks the one file of a cabinet, as symbol stores keep `name.pd_`, to `to`, which is overwritten. libmspack does
/// the work: not packed, MSZIP, Quantum and LZX. Errors: `malformed` for what is no cabinet, holds another number of
/// files than one or is damaged, or states more than `limit` bytes; `io` when `to` cannot be written.
Result<void> unpack_cabinet(const std::string& cabinet, const std::string& to, std::uint64_t limit);

} // namespace poolkd::symbols

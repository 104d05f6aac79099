#pragma once

#include "base/machine.h"
#include "memory/memory.h"

#include <string>

namespace poolkd::nt {

/// The text of the UNICODE_STRING at `address` as UTF-8. Its layout is fixed by the ABI: Length u16 at 0 (bytes),
/// Buffer at 4 or 8. Cut at 1024 characters; unpaired surrogates and control characters
/// become '?'.
Result<std::string> read_unicode_string(memory::AddressSpace& memory, VirtAddr address, const Machine& machine);

/// UTF-16LE bytes as UTF-8.
std::string utf8_from_utf16(Bytes utf16);

} // namespace poolkd::nt

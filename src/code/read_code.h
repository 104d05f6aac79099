#pragma once

#include "base/address.h"
#include "base/bytes.h"

#include <functional>

namespace poolkd::code {

/// Reads code of the target as far as it can be had; returns the number of good bytes.
using ReadCode = std::function<std::size_t(VirtAddr, MutableBytes)>;

} // namespace poolkd::code

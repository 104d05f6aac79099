#pragma once

#include "code/instruction.h"
#include "nt/kernel.h"

namespace poolkd::code {

/// Names addresses by the kernel's modules and their symbols, which are loaded when first needed. The kernel must
/// outlive the namer.
AddressNamer namer_of(nt::Kernel& kernel);

} // namespace poolkd::code

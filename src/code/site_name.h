#pragma once

#include "code/pool_sites.h"

#include <string>
#include <string_view>

namespace poolkd::code {

/// "leaky!LeakyBuildReport+0x16", "nopdb+0x1210" where the function has no name.
[[nodiscard]] std::string site_name(std::string_view module, const PoolSite& site);

} // namespace poolkd::code

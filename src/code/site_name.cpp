#include "code/site_name.h"

#include <fmt/format.h>

namespace poolkd::code {

std::string site_name(std::string_view module, const PoolSite& site) {
    if (site.function.empty()) return fmt::format("{}+{:#x}", module, site.rva);
    if (site.rva == site.function_rva) return fmt::format("{}!{}", module, site.function);
    // A piece of the function may lie before its entry.
    const bool behind = site.rva > site.function_rva;
    return fmt::format("{}!{}{}{:#x}", module, site.function, behind ? '+' : '-',
                       behind ? site.rva - site.function_rva : site.function_rva - site.rva);
}

} // namespace poolkd::code

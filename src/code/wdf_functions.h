#pragma once

#include "code/site_index.h"
#include "pe/image.h"

#include <cstdint>
#include <optional>

namespace poolkd::code {

/// Where an image has the functions of KMDF, which it gets when it is bound to the framework.
struct WdfTable {
    std::uint32_t rva = 0;
    std::uint32_t functions = 0; ///< how many it expects
    bool is_pointer = false;     ///< there lies a pointer to the table; else the table itself
};

/// By the record that every KMDF driver hands to WdfVersionBind. Nothing where that is not found, or more than one is.
std::optional<WdfTable> find_wdf_table(const SiteImage& image, const pe::Image& headers, const Machine& machine);

} // namespace poolkd::code

#pragma once

#include "code/flow_graph.h"
#include "code/pool_routines.h"
#include "code/site_index.h"
#include "pe/exports.h"
#include "pe/image.h"

#include <cstdint>
#include <map>
#include <span>

namespace poolkd::code {

/// Variables of an image that hold a pool routine because its code asks MmGetSystemRoutineAddress for it by name: by
/// RVA. The name is a UNICODE_STRING in the image, or one that RtlInitUnicodeString or the code itself makes of a text
/// in the image; the answer goes straight into the variable. Only where nothing speaks against it: code that names the
/// variable stores nothing else but zero there, its address is taken nowhere, and no function that takes the address of
/// what lies little before it stores so far behind a register. Other stores through pointers are not seen.
std::map<std::uint32_t, const PoolRoutine*> find_named_pointers(const SiteImage& image, const pe::Image& headers,
                                                                const pe::ExportTable& exports, const Machine& machine,
                                                                std::span<const Extent> code, Work& work);

/// What a kernel has to tell the addresses of, beside the pool's routines, so that this is seen in a loaded module.
bool is_routine_of_lookup(std::string_view name);

} // namespace poolkd::code

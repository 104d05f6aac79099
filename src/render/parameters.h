#pragma once

#include "code/parameters.h"

#include <nlohmann/json_fwd.hpp>

#include <span>
#include <string>

namespace poolkd::render {

/// "(unsigned long Tag = 0x20, struct _IRP * Irp = 0xfffff804`12345678)", or each on a line of its own as `kP` has
/// them. A value that is nowhere is `<Value unavailable error>`, one that cannot be read `<Memory access error>`, as in
/// kd.
std::string parameters_text(std::span<const code::Parameter> parameters, bool one_per_line, unsigned pointer_size);

nlohmann::json parameters_json(std::span<const code::Parameter> parameters);

} // namespace poolkd::render

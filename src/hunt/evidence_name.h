#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace poolkd::hunt {

/// The file of a snapshot's evidence: "poolmon.log" of "poolmon.log, line 40".
[[nodiscard]] std::string_view file_of(std::string_view evidence);

/// Adds the file to a list of names unless it is the last one there; of very many only the first are kept.
void note_file(std::vector<std::string>& names, std::string_view evidence);

} // namespace poolkd::hunt

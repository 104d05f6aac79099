#pragma once

#include <string_view>

namespace poolkd::render {

/// What the build makes of the folder report/ (report/report.cmake). The script is empty in a build without it.
[[nodiscard]] std::string_view report_template();
[[nodiscard]] std::string_view report_style();
[[nodiscard]] std::string_view report_script();
/// "sha256-…" of the script: the only one that a browser may run in the report.
[[nodiscard]] std::string_view report_script_hash();

} // namespace poolkd::render

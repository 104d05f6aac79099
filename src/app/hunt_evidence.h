#pragma once

#include "base/error.h"
#include "base/work.h"

#include <filesystem>
#include <string>
#include <vector>

namespace poolkd::app {

/// What the words of `poolkd hunt` name, by what is in the files.
struct HuntEvidence {
    std::vector<std::filesystem::path> all;    ///< files, in the order given
    std::vector<std::filesystem::path> images; ///< those of them that are memory images
};

/// Looks at the beginning of each file.
[[nodiscard]] HuntEvidence sort_evidence(const std::vector<std::string>& words);

/// Where the report goes besides the terminal, and in which form.
enum class ReportForm { html, json, text };

/// By the end of the name. Error `usage` for another.
Result<ReportForm> report_form(const std::filesystem::path& file);

/// Whether `write_report` could make the file, as far as that can be told before. Error `io` if not.
Result<void> can_write_report(const std::filesystem::path& file);

/// Writes a file whole or not at all.
Result<void> write_report(const std::filesystem::path& file, const std::string& content);

} // namespace poolkd::app

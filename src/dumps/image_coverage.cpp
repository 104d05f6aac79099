#include "dumps/image_coverage.h"

#include <fmt/format.h>

namespace poolkd::dumps {

std::string ImageCoverage::sentence() const {
    if (complete()) return {};
    std::string reasons;
    auto reason = [&](std::string_view words, std::uint64_t bytes) {
        if (bytes == 0) return;
        reasons += fmt::format("{}{}: {}", reasons.empty() ? "" : ", ", words, bytes);
    };
    reason("the file ends early", beyond_file);
    reason("told twice", overlapping);
    reason("at impossible addresses", impossible);
    if (limit_reached) reasons += fmt::format("{}more pieces than can be taken", reasons.empty() ? "" : ", ");
    return fmt::format("Partial: {} of {} bytes are not in the file ({}).", stated - twice_the_same - present,
                       stated - twice_the_same, reasons);
}

} // namespace poolkd::dumps

#include "hunt/evidence_name.h"

#include <algorithm>

namespace poolkd::hunt {

namespace {

constexpr std::size_t kept_names = 10'000;

bool is_number(std::string_view text) {
    return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

} // namespace

std::string_view file_of(std::string_view evidence) {
    const std::size_t comma = evidence.rfind(", ");
    if (comma == std::string_view::npos || comma == 0) return evidence;
    const std::string_view place = evidence.substr(comma + 2); // "line 40", "object 3"
    const std::size_t blank = place.find(' ');
    return blank != std::string_view::npos && is_number(place.substr(blank + 1)) ? evidence.substr(0, comma) : evidence;
}

void note_file(std::vector<std::string>& names, std::string_view evidence) {
    const std::string_view file = file_of(evidence);
    if (!file.empty() && (names.empty() || names.back() != file) && names.size() < kept_names) names.emplace_back(file);
}

} // namespace poolkd::hunt

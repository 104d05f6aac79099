#include "render/coverage.h"

#include <fmt/format.h>

namespace poolkd::render {

std::string json_address(VirtAddr address) {
    return fmt::format("{:#018x}", address.value);
}

nlohmann::json to_json(const Coverage& coverage) {
    nlohmann::json json{
        {"complete", coverage.complete()}, {"bytes_read", coverage.read()}, {"bytes_missing", coverage.missing()}};
    if (coverage.complete()) return json;
    json["sentence"] = coverage.sentence();
    json["gaps"] = nlohmann::json::array();
    for (const Gap& gap : coverage.gaps())
        json["gaps"].push_back(
            {{"reason", to_words(gap.reason)}, {"first", json_address(gap.first)}, {"bytes", gap.bytes}});
    return json;
}

} // namespace poolkd::render

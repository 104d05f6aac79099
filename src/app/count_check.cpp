#include "app/count_check.h"

#include <fmt/format.h>

#include <charconv>

namespace poolkd::app {

CLI::Validator count_from(std::size_t least) {
    return CLI::Validator(
        [least](const std::string& text) {
            std::size_t count = 0;
            const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
            const bool good = error == std::errc{} && end == text.data() + text.size() && count >= least;
            return good ? std::string() : fmt::format("'{}' is no number from {} on", text, least);
        },
        "");
}

} // namespace poolkd::app

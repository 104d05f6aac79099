#include "render/csv.h"

#include <fmt/format.h>

#include <string_view>

namespace poolkd::render {

namespace {

std::string csv_field(std::string_view field) {
    const bool plain =
        field.find_first_of(",;\t\"\r\n") == std::string_view::npos && !field.starts_with(' ') && !field.ends_with(' ');
    if (plain) return std::string(field);
    std::string out = "\"";
    for (char c : field) {
        if (c == '"') out += '"';
        out += c;
    }
    return out + '"';
}

} // namespace

std::string csv_line(const std::vector<std::string>& fields) {
    std::string line;
    for (std::size_t i = 0; i < fields.size(); ++i)
        line += (i != 0 ? "," : "") + csv_field(fields[i]);
    return line + "\n";
}

std::string csv_tag(PoolTag tag) {
    return tag.printable() ? tag.text() : fmt::format("{:#010x}", tag.value);
}

} // namespace poolkd::render

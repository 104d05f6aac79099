#include "hunt/import/detect.h"

#include "base/text.h"
#include "hunt/import/csv.h"
#include "hunt/import/poolmon_line.h"
#include "hunt/import/poolused_line.h"
#include "hunt/import/text_lines.h"

#include <algorithm>

namespace poolkd::hunt::import {

namespace {

/// A log of a debugger may be long before its first table.
constexpr std::size_t maximum_lines = 200'000;

std::string shown(std::string_view line) {
    constexpr std::size_t longest = 60;
    std::string text(trim(line).substr(0, longest));
    std::ranges::replace_if(text, [](char c) { return c < 0x20 || c > 0x7e; }, '.');
    return text;
}

/// Not every bracket begins JSON: scripts write "[Wed 11/25/2026 9:43]" over a screen.
bool begins_json(std::string_view line) {
    const std::string_view rest = trim(line.substr(1));
    if (line.front() == '{') return rest.empty() || rest.front() == '"' || rest.front() == '}';
    return line.front() == '[' && (rest.empty() || rest.front() == '{' || rest.front() == '[' || rest.front() == ']');
}

} // namespace

Result<Format> detect_format(const Input& input) {
    POOLKD_TRY(auto stream, input.open());
    {
        constexpr std::string_view sqlite("SQLite format 3\0", 16);
        std::string magic(sqlite.size(), '\0');
        stream->read(magic.data(), static_cast<std::streamsize>(magic.size()));
        if (magic == sqlite && stream->gcount() == static_cast<std::streamsize>(sqlite.size())) return Format::series;
        stream->clear();
        stream->seekg(0);
        if (!*stream) {
            POOLKD_TRY(stream, input.open());
        }
    }
    TextLines lines(std::move(stream), TextForm::narrow);
    std::string first;
    while (auto line = lines.next()) {
        const std::string_view text = trim(*line);
        if (text.empty()) continue;
        if (first.empty()) {
            first = text;
            if (begins_json(text)) return Format::json;
        }
        if (poolmon_header(*line) || poolmon_row(*line)) return Format::poolmon;
        if (poolused_header(*line)) return Format::poolused;
        if (is_csv_header(*line)) return Format::csv;
        if (lines.number() > maximum_lines) break;
    }
    if (lines.failed()) return fail(ErrorKind::io, "{} cannot be read", input.name);
    constexpr std::string_view formats =
        "PoolMon's text, !poolused's text, CSV with a line of names, JSON, or a series that poolkd recorded";
    if (first.empty()) return fail(ErrorKind::malformed, "{} is empty; it could be {}", input.name, formats);
    return fail(ErrorKind::malformed, "{} is none of the formats that poolkd reads ({}). It begins: {}", input.name,
                formats, shown(first));
}

} // namespace poolkd::hunt::import

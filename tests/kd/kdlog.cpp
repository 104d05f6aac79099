#include "kdlog.h"

#include <zlib.h>

#include <cstdlib>

namespace poolkd::kd::test {

namespace {

std::optional<std::string> read_gzip(const std::string& path) {
    gzFile file = ::gzopen(path.c_str(), "rb");
    if (!file) return std::nullopt;
    std::string all;
    char buffer[65536];
    for (int count = 0; (count = ::gzread(file, buffer, sizeof buffer)) > 0;)
        all.append(buffer, static_cast<std::size_t>(count));
    ::gzclose(file);
    return all;
}

} // namespace

std::optional<std::vector<LogRecord>> read_kdlog(const std::string& path) {
    const std::optional<std::string> text = read_gzip(path);
    if (!text) return std::nullopt;
    std::vector<LogRecord> records;
    std::size_t at = 0;
    while (at < text->size()) {
        const std::size_t end = text->find('\n', at);
        if (end == std::string::npos) break;
        LogRecord record;
        record.from_target = (*text)[at] == '<';
        char* rest = nullptr;
        record.seconds = std::strtod(text->c_str() + at + 1, &rest);
        const std::size_t size = std::strtoul(rest, nullptr, 10);
        if (end + 1 + size > text->size()) break;
        for (char c : text->substr(end + 1, size))
            record.bytes.push_back(static_cast<std::byte>(c));
        records.push_back(std::move(record));
        at = end + 1 + size + 1;
    }
    return records;
}

} // namespace poolkd::kd::test

#include "control/journal_file.h"

#include "base/text.h"

#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>

namespace poolkd::control {

namespace {

constexpr std::string_view allocation_word = "allocation", release_word = "free";

std::optional<TagSiteKind> tag_site_of(const std::string& word) {
    if (word == allocation_word) return TagSiteKind::allocation;
    if (word == release_word) return TagSiteKind::release;
    return std::nullopt;
}

std::optional<ByteVector> from_hex(const std::string& text) {
    if (text.size() % 2 != 0 || text.find_first_not_of("0123456789abcdef") != std::string::npos) return std::nullopt;
    ByteVector bytes;
    for (std::size_t i = 0; i < text.size(); i += 2)
        bytes.push_back(static_cast<std::byte>(std::stoul(text.substr(i, 2), nullptr, 16)));
    return bytes;
}

std::optional<JournalEntry> entry_of(const nlohmann::json& line) {
    JournalEntry entry;
    entry.id = line.value("id", 0u);
    entry.address = VirtAddr(line.value("address", std::uint64_t{0}));
    entry.note = line.value("note", std::string{});
    entry.time = std::chrono::system_clock::time_point(std::chrono::seconds(line.value("time", std::int64_t{0})));
    if (line.contains("breakpoint")) {
        entry.breakpoint_handle = line.at("breakpoint").get<std::uint32_t>();
        return entry;
    }
    auto before = from_hex(line.value("before", std::string{}));
    auto after = from_hex(line.value("after", std::string{}));
    if (!before || !after || before->empty() || before->size() != after->size()) return std::nullopt;
    entry.before = std::move(*before);
    entry.after = std::move(*after);
    entry.tag_site = tag_site_of(line.value("tag_site", std::string{}));
    return entry;
}

} // namespace

std::string journal_line(const JournalEntry& entry) {
    nlohmann::json line{{"id", entry.id}, {"address", entry.address.value}, {"note", entry.note}};
    line["time"] = std::chrono::duration_cast<std::chrono::seconds>(entry.time.time_since_epoch()).count();
    if (entry.breakpoint_handle) {
        line["breakpoint"] = *entry.breakpoint_handle;
    } else {
        line["before"] = hex_text(entry.before);
        line["after"] = hex_text(entry.after);
        if (entry.tag_site == TagSiteKind::allocation) line["tag_site"] = allocation_word;
        if (entry.tag_site == TagSiteKind::release) line["tag_site"] = release_word;
    }
    return line.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
}

std::string undo_line(std::uint32_t id) {
    return nlohmann::json{{"undone", id}}.dump();
}

Result<void> append_journal_line(const std::filesystem::path& file, const std::string& line) {
    std::error_code error;
    std::filesystem::create_directories(file.parent_path(), error);
    if (error)
        return fail(ErrorKind::io, "The journal's folder {} cannot be made: {}", file.parent_path().string(),
                    error.message());
    int fd = ::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0) return fail(ErrorKind::io, "The journal {} cannot be opened: {}", file.string(), std::strerror(errno));
    std::string text = line + "\n";
    const ssize_t written = ::write(fd, text.data(), text.size());
    const bool ok = written == static_cast<ssize_t>(text.size()) && ::fdatasync(fd) == 0;
    const int saved = errno;
    ::close(fd);
    if (!ok) return fail(ErrorKind::io, "The journal {} cannot be written: {}", file.string(), std::strerror(saved));
    return {};
}

Result<std::vector<JournalEntry>> read_journal_file(const std::filesystem::path& file) {
    std::vector<JournalEntry> entries;
    std::ifstream stream(file);
    if (!stream) {
        if (std::filesystem::exists(file)) return fail(ErrorKind::io, "The journal {} cannot be read", file.string());
        return entries;
    }
    std::string text;
    while (std::getline(stream, text)) {
        auto line = nlohmann::json::parse(text, nullptr, false);
        if (!line.is_object()) continue;
        try {
            if (line.contains("undone")) {
                auto id = line.at("undone").get<std::uint32_t>();
                for (JournalEntry& entry : entries)
                    if (entry.id == id) entry.undone = true;
            } else if (auto entry = entry_of(line)) {
                entries.push_back(std::move(*entry));
            }
        } catch (const nlohmann::json::exception&) {
            continue; // a damaged line costs that entry, not the others
        }
    }
    return entries;
}

} // namespace poolkd::control

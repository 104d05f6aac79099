#include "app/hunt_evidence.h"

#include "base/text.h"
#include "dumps/recognise.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

namespace poolkd::app {

namespace fs = std::filesystem;

HuntEvidence sort_evidence(const std::vector<std::string>& words) {
    HuntEvidence evidence;
    for (const std::string& word : words) {
        evidence.all.emplace_back(word);
        if (word == "-") continue;
        auto file = dumps::ImageFile::open(word);
        if (file && dumps::looks_like_image(std::move(*file))) evidence.images.emplace_back(word);
    }
    return evidence;
}

Result<ReportForm> report_form(const fs::path& file) {
    const std::string ending = to_lower(std::string_view(file.extension().native()));
    if (ending == ".html" || ending == ".htm") return ReportForm::html;
    if (ending == ".json") return ReportForm::json;
    if (ending == ".txt") return ReportForm::text;
    return fail(ErrorKind::usage, "--report takes a file that ends in .html, .json or .txt, not '{}'", file.string());
}

Result<void> can_write_report(const fs::path& file) {
    const fs::path folder = file.has_parent_path() ? file.parent_path() : fs::path(".");
    std::error_code error;
    if (access(folder.c_str(), W_OK | X_OK) == 0 && !fs::is_directory(file, error)) return {};
    return fail(ErrorKind::io, "{} cannot be written", file.string());
}

Result<void> write_report(const fs::path& file, const std::string& content) {
    const fs::path beside = file.string() + ".part";
    std::FILE* stream = std::fopen(beside.c_str(), "wb");
    if (!stream) return fail(ErrorKind::io, "{} cannot be written", file.string());
    const bool written = std::fwrite(content.data(), 1, content.size(), stream) == content.size();
    const bool closed = std::fclose(stream) == 0;
    std::error_code error;
    if (written && closed) fs::rename(beside, file, error);
    if (written && closed && !error) return {};
    fs::remove(beside, error);
    return fail(ErrorKind::io, "{} cannot be written", file.string());
}

} // namespace poolkd::app

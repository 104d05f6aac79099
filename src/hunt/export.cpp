#include "hunt/export.h"

#include "base/text.h"
#include "hunt/series_file.h"

#include <cerrno>
#include <fstream>
#include <system_error>

namespace poolkd::hunt {

namespace {

class TextWriter final : public SnapshotWriter {
  public:
    TextWriter(std::string name, std::ofstream stream, ExportFormat format)
        : name_(std::move(name)), stream_(std::move(stream)), format_(format) {}

    Result<void> put(std::string_view text) {
        stream_.write(text.data(), static_cast<std::streamsize>(text.size()));
        stream_.flush();
        if (!stream_)
            return fail(ErrorKind::io, "{} cannot be written: {}", name_,
                        std::error_code(errno, std::generic_category()).message());
        return {};
    }

    Result<void> add(const Snapshot& snapshot) override {
        text_.clear();
        switch (format_) {
        case ExportFormat::csv: POOLKD_CHECK(append_csv(text_, snapshot)); break;
        case ExportFormat::json: append_json_line(text_, snapshot); break;
        default: POOLKD_CHECK(append_poolmon(text_, snapshot, true)); break;
        }
        return put(text_);
    }

  private:
    std::string name_;
    std::ofstream stream_;
    ExportFormat format_;
    std::string text_;
};

class SeriesAdapter final : public SnapshotWriter {
  public:
    explicit SeriesAdapter(SeriesWriter writer) : writer_(std::move(writer)) {}
    Result<void> add(const Snapshot& snapshot) override { return writer_.add(snapshot); }

  private:
    SeriesWriter writer_;
};

Result<std::unique_ptr<SnapshotWriter>> open_series(const std::filesystem::path& file, ExportMode mode) {
    std::error_code error;
    if (mode == ExportMode::replace && std::filesystem::exists(file, error)) {
        // Nothing that is not ours is taken away.
        POOLKD_CHECK(SeriesWriter::open(file, SeriesWriter::Safety::program_only));
        if (!std::filesystem::remove(file, error))
            return fail(ErrorKind::io, "{} cannot be replaced: {}", file.string(), error.message());
    }
    POOLKD_TRY(auto writer, SeriesWriter::open(file, SeriesWriter::Safety::program_only));
    return std::make_unique<SeriesAdapter>(std::move(writer));
}

} // namespace

ExportFormat format_by_name(const std::filesystem::path& file) {
    const std::string suffix = to_lower(file.extension().string());
    if (suffix == ".csv") return ExportFormat::csv;
    if (suffix == ".json" || suffix == ".jsonl" || suffix == ".ndjson") return ExportFormat::json;
    if (suffix == ".log" || suffix == ".txt") return ExportFormat::poolmon;
    return ExportFormat::series;
}

Result<std::unique_ptr<SnapshotWriter>> open_writer(const std::filesystem::path& file, ExportFormat format,
                                                    ExportMode mode) {
    if (format == ExportFormat::series) return open_series(file, mode);
    errno = 0;
    std::ofstream stream(file, std::ios::binary | (mode == ExportMode::append ? std::ios::app : std::ios::trunc));
    if (!stream)
        return fail(ErrorKind::io, "{} cannot be written: {}", file.string(),
                    std::error_code(errno, std::generic_category()).message());
    std::error_code error;
    const bool empty = std::filesystem::file_size(file, error) == 0;
    auto writer = std::make_unique<TextWriter>(file.string(), std::move(stream), format);
    if (format == ExportFormat::csv && empty) {
        POOLKD_CHECK(writer->put(csv_header));
    }
    return writer;
}

} // namespace poolkd::hunt

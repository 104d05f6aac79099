#include "app/snapshot_file.h"

#include "base/text.h"
#include "hunt/evidence.h"
#include "hunt/series_file.h"
#include "render/csv.h"
#include "render/snapshot_json.h"

#include <cerrno>
#include <cstdio>
#include <system_error>

namespace poolkd::app {

namespace {

class Series final : public SnapshotFile {
  public:
    explicit Series(hunt::SeriesWriter writer) : writer_(std::move(writer)) {}
    Result<void> add(const hunt::Snapshot& snapshot) override { return writer_.add(snapshot); }

  private:
    hunt::SeriesWriter writer_;
};

/// A text file that grows; each snapshot is handed to the operating system as one piece.
class TextFile : public SnapshotFile {
  public:
    explicit TextFile(std::filesystem::path file) : path_(std::move(file)) {}
    Result<void> open() {
        file_.reset(std::fopen(path_.c_str(), "ab"));
        if (file_) return {};
        return fail(ErrorKind::io, "{} cannot be opened: {}", path_.string(), std::generic_category().message(errno));
    }

  protected:
    Result<void> write(std::string_view text) {
        const bool written =
            std::fwrite(text.data(), 1, text.size(), file_.get()) == text.size() && std::fflush(file_.get()) == 0;
        if (written) return {};
        return fail(ErrorKind::io, "{} cannot be written: {}", path_.string(), std::generic_category().message(errno));
    }
    [[nodiscard]] bool fresh() const {
        std::error_code error;
        return std::filesystem::file_size(path_, error) == 0 || error;
    }

  private:
    struct Close {
        void operator()(std::FILE* file) const { std::fclose(file); }
    };
    std::filesystem::path path_;
    std::unique_ptr<std::FILE, Close> file_;
};

class CsvFile final : public TextFile {
  public:
    using TextFile::TextFile;
    Result<void> add(const hunt::Snapshot& snapshot) override {
        std::string text = fresh() ? render::snapshot_csv_header(true) : std::string();
        for (const hunt::TagCounts& row : snapshot.rows)
            render::add_snapshot_csv_row(text, snapshot, row, true);
        return write(text);
    }
};

class JsonFile final : public TextFile {
  public:
    using TextFile::TextFile;
    Result<void> add(const hunt::Snapshot& snapshot) override {
        return write(render::snapshot_json(snapshot).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) +
                     "\n");
    }
};

/// The first snapshot of what is there tells whose it is; text that names no machine is believed.
Result<void> require_machine(const std::filesystem::path& file, const std::string& machine) {
    std::error_code error;
    if (!std::filesystem::exists(file, error) || std::filesystem::file_size(file, error) == 0) return {};
    Work work;
    POOLKD_TRY(auto source, hunt::open_evidence(file, {}, work));
    hunt::Snapshot first;
    POOLKD_TRY(bool any, source->next(first, work));
    if (!any || first.machine.empty() || first.machine == machine) return {};
    return fail(ErrorKind::mismatch, "{} holds snapshots of {}, not of {}; choose another file", file.string(),
                first.machine, machine);
}

template <class Kind>
Result<std::unique_ptr<SnapshotFile>> open_text(const std::filesystem::path& file) {
    auto made = std::make_unique<Kind>(file);
    POOLKD_CHECK(made->open());
    return made;
}

} // namespace

Result<std::unique_ptr<SnapshotFile>> SnapshotFile::open(const std::filesystem::path& file,
                                                         const std::string& machine) {
    POOLKD_CHECK(require_machine(file, machine));
    const std::string extension = to_lower(file.extension().string());
    if (extension == ".csv") return open_text<CsvFile>(file);
    if (extension == ".json" || extension == ".jsonl") return open_text<JsonFile>(file);
    POOLKD_TRY(auto writer, hunt::SeriesWriter::open(file));
    return std::make_unique<Series>(std::move(writer));
}

} // namespace poolkd::app

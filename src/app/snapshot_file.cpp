#include "app/snapshot_file.h"

#include "hunt/evidence.h"
#include "hunt/series_file.h"

#include <system_error>

namespace poolkd::app {

namespace {

/// `hunt::open_writer` has series for conversions, which are soon made again; a recording is not.
class Recording final : public hunt::SnapshotWriter {
  public:
    explicit Recording(hunt::SeriesWriter writer) : writer_(std::move(writer)) {}
    Result<void> add(const hunt::Snapshot& snapshot) override { return writer_.add(snapshot); }

  private:
    hunt::SeriesWriter writer_;
};

/// The first snapshot of what is there tells whose it is; a format that names no machine is believed.
Result<void> require_machine(const std::filesystem::path& file, const std::string& machine) {
    std::error_code error;
    if (!std::filesystem::exists(file, error) || std::filesystem::file_size(file, error) == 0 || error) return {};
    Work work;
    POOLKD_TRY(auto source, hunt::open_evidence(file, {}, work));
    hunt::Snapshot first;
    POOLKD_TRY(bool any, source->next(first, work));
    if (!any || first.machine.empty() || first.machine == machine) return {};
    return fail(ErrorKind::mismatch, "{} holds snapshots of {}, not of {}; choose another file", file.string(),
                first.machine, machine);
}

} // namespace

Result<std::unique_ptr<hunt::SnapshotWriter>> open_recording(const std::filesystem::path& file,
                                                             const std::string& machine) {
    POOLKD_CHECK(require_machine(file, machine));
    const hunt::ExportFormat format = hunt::format_by_name(file);
    if (format != hunt::ExportFormat::series) return hunt::open_writer(file, format, hunt::ExportMode::append);
    POOLKD_TRY(auto writer, hunt::SeriesWriter::open(file));
    return std::make_unique<Recording>(std::move(writer));
}

} // namespace poolkd::app

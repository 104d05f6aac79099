#include "hunt/evidence.h"

#include "hunt/import/assumed_times.h"
#include "hunt/import/csv.h"
#include "hunt/import/detect.h"
#include "hunt/import/json.h"
#include "hunt/import/merged.h"
#include "hunt/import/poolmon.h"
#include "hunt/import/poolused.h"
#include "hunt/series_file.h"

#include <iterator>
#include <utility>

namespace poolkd::hunt {

namespace {

/// Gives the last snapshot the uptime that the user knows.
class WithUptime final : public SnapshotSource {
  public:
    WithUptime(std::unique_ptr<SnapshotSource> source, std::chrono::milliseconds uptime)
        : source_(std::move(source)), uptime_(uptime) {}

    Result<bool> next(Snapshot& out, Work& work) override {
        if (!std::exchange(started_, true)) {
            POOLKD_TRY(have_next_, source_->next(next_, work));
        }
        if (!have_next_) return false;
        std::swap(out, next_);
        POOLKD_TRY(have_next_, source_->next(next_, work));
        if (!have_next_ && !out.uptime) out.uptime = uptime_;
        return true;
    }
    [[nodiscard]] std::optional<std::size_t> count() const override { return source_->count(); }
    [[nodiscard]] const std::vector<std::string>& notes() const override { return source_->notes(); }

  private:
    std::unique_ptr<SnapshotSource> source_;
    std::chrono::milliseconds uptime_;
    Snapshot next_;
    bool started_ = false, have_next_ = false;
};

std::unique_ptr<SnapshotSource> with_uptime(std::unique_ptr<SnapshotSource> source, const EvidenceOptions& options) {
    if (!options.uptime) return source;
    return std::make_unique<WithUptime>(std::move(source), *options.uptime);
}

class MemorySource final : public SnapshotSource {
  public:
    explicit MemorySource(const std::deque<Snapshot>& snapshots) : snapshots_(snapshots) {}
    explicit MemorySource(std::vector<Snapshot> snapshots)
        : own_(std::move_iterator(snapshots.begin()), std::move_iterator(snapshots.end())), snapshots_(own_) {}
    Result<bool> next(Snapshot& out, Work& work) override {
        if (work.stop_requested()) return fail(ErrorKind::stopped, "Stopped");
        if (next_ == snapshots_.size()) return false;
        out = snapshots_[next_++];
        return true;
    }
    [[nodiscard]] std::optional<std::size_t> count() const override { return snapshots_.size(); }
    [[nodiscard]] const std::vector<std::string>& notes() const override { return notes_; }

  private:
    std::deque<Snapshot> own_; ///< unless they are someone else's
    const std::deque<Snapshot>& snapshots_;
    std::size_t next_ = 0;
    std::vector<std::string> notes_;
};

/// All but a series, which SQLite opens by its name.
Result<std::unique_ptr<SnapshotSource>> open_input(const import::Input& input, import::Format format,
                                                   const EvidenceOptions& options) {
    switch (format) {
    case import::Format::poolmon: return import::with_times(input, import::open_poolmon, options);
    case import::Format::csv: return import::with_times(input, import::open_csv, options);
    case import::Format::poolused: return import::with_times(input, import::open_poolused, options);
    case import::Format::json: return import::with_times(input, import::open_json, options);
    case import::Format::series: break;
    }
    return fail(ErrorKind::unsupported, "{}: a recorded series is read from its file only", input.name);
}

Result<std::unique_ptr<SnapshotSource>> open_file(const std::filesystem::path& file, const EvidenceOptions& options,
                                                  Work& work) {
    if (options.open_other) {
        POOLKD_TRY(auto other, options.open_other(file, work));
        if (other) return other;
    }
    POOLKD_TRY(auto input, import::file_input(file));
    POOLKD_TRY(const import::Format format, import::detect_format(input));
    if (format == import::Format::series) return SeriesSource::open(file);
    return open_input(input, format, options);
}

} // namespace

Result<std::unique_ptr<SnapshotSource>> open_evidence(const std::filesystem::path& file, const EvidenceOptions& options,
                                                      Work& work) {
    POOLKD_TRY(auto source, open_file(file, options, work));
    return with_uptime(std::move(source), options);
}

Result<std::unique_ptr<SnapshotSource>> open_evidence(const std::vector<std::filesystem::path>& files,
                                                      const EvidenceOptions& options, Work& work) {
    if (files.empty()) return fail(ErrorKind::usage, "No evidence is named");
    if (files.size() == 1) return open_evidence(files.front(), options, work);
    std::vector<import::Part> parts;
    parts.reserve(files.size());
    for (const std::filesystem::path& file : files)
        parts.push_back({.name = file.filename().string(),
                         .open = [file, options](Work& w) { return open_file(file, options, w); }});
    POOLKD_TRY(auto source, import::merge(std::move(parts), options.interval, work));
    return with_uptime(std::move(source), options);
}

Result<std::unique_ptr<SnapshotSource>> open_evidence_bytes(std::string name, std::string bytes,
                                                            const EvidenceOptions& options, Work&) {
    const import::Input input = import::memory_input(std::move(name), std::move(bytes));
    POOLKD_TRY(const import::Format format, import::detect_format(input));
    POOLKD_TRY(auto source, open_input(input, format, options));
    return with_uptime(std::move(source), options);
}

std::unique_ptr<SnapshotSource> from_snapshots(std::vector<Snapshot> snapshots) {
    return std::make_unique<MemorySource>(std::move(snapshots));
}

std::unique_ptr<SnapshotSource> view_snapshots(const std::deque<Snapshot>& snapshots) {
    return std::make_unique<MemorySource>(snapshots);
}

Result<std::vector<Snapshot>> read_all(SnapshotSource& source, Work& work) {
    std::vector<Snapshot> snapshots;
    for (;;) {
        Snapshot snapshot;
        POOLKD_TRY(const bool more, source.next(snapshot, work));
        if (!more) return snapshots;
        snapshots.push_back(std::move(snapshot));
    }
}

} // namespace poolkd::hunt

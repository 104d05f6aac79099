#pragma once

#include "hunt/evidence.h"

#include <filesystem>
#include <memory>

namespace poolkd::hunt {

/// A recorded series: one SQLite database with a row and a compressed blob a snapshot (docs/formats.md). The file says
/// that it is ours (application id) and which form it has (user version).
struct SeriesFile {
    static constexpr int application_id = 0x706b6473; ///< "pkds"
    static constexpr int version = 1;
};

/// Adds snapshots to a series. Each is a transaction of its own: what was added stays when the program or the machine
/// is killed the next moment. One file results; while a snapshot is written, SQLite's journal lies beside it.
class SeriesWriter {
  public:
    enum class Safety {
        power_cut,    ///< a snapshot is on the disk when `add` returns
        program_only, ///< faster, for conversions: the operating system may lose the last ones
    };
    /// Creates the file, or opens a series to add to it. Kind `io`; `malformed` when the file is something else, which
    /// stays as it is.
    static Result<SeriesWriter> open(const std::filesystem::path& file, Safety safety = Safety::power_cut);
    SeriesWriter(SeriesWriter&&) noexcept;
    SeriesWriter& operator=(SeriesWriter&&) noexcept;
    ~SeriesWriter();

    /// Kind `io`. Rows by key, as in any snapshot.
    Result<void> add(const Snapshot& snapshot);
    /// How many snapshots the file holds.
    [[nodiscard]] std::size_t count() const;

  private:
    struct State;
    explicit SeriesWriter(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

/// Reads a series from first to last, also while another process adds to it: what comes after the opening is not seen.
class SeriesSource final : public SnapshotSource {
  public:
    /// Kinds `not_found`, `io`, `malformed`.
    static Result<std::unique_ptr<SeriesSource>> open(const std::filesystem::path& file);
    ~SeriesSource() override;

    Result<bool> next(Snapshot& out, Work& work) override;
    [[nodiscard]] std::optional<std::size_t> count() const override;
    [[nodiscard]] const std::vector<std::string>& notes() const override;

  private:
    struct State;
    explicit SeriesSource(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

} // namespace poolkd::hunt

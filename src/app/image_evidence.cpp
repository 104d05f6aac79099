#include "app/image_evidence.h"

#include "debugger/symbol_service.h"
#include "dumps/recognise.h"
#include "hunt/live.h"
#include "nt/image_processors.h"
#include "nt/kernel.h"
#include "nt/open_image.h"

#include <utility>
#include <vector>

namespace poolkd::app {

namespace {

namespace fs = std::filesystem;

/// The one snapshot that an image is.
class ImageSource final : public hunt::SnapshotSource {
  public:
    ImageSource(hunt::Snapshot snapshot, std::vector<std::string> notes)
        : snapshot_(std::move(snapshot)), notes_(std::move(notes)) {}

    Result<bool> next(hunt::Snapshot& out, Work& work) override {
        if (work.stop_requested()) return fail(ErrorKind::stopped, "Stopped");
        if (std::exchange(given_, true)) return false;
        out = std::move(snapshot_);
        return true;
    }
    [[nodiscard]] std::optional<std::size_t> count() const override { return 1; }
    [[nodiscard]] const std::vector<std::string>& notes() const override { return notes_; }

  private:
    hunt::Snapshot snapshot_;
    std::vector<std::string> notes_;
    bool given_ = false;
};

Error named(const fs::path& file, Error error) {
    if (!error.message.contains(file.string())) error.message = fmt::format("{}: {}", file.string(), error.message);
    return error;
}

void note(std::vector<std::string>& notes, const fs::path& file, const std::string& sentence) {
    if (!sentence.empty()) notes.push_back(fmt::format("{}: {}", file.filename().string(), sentence));
}

Result<std::unique_ptr<hunt::SnapshotSource>> read_tables(nt::Kernel& kernel, const dumps::MemoryImage& image,
                                                          const fs::path& file, const Coverage& modules, Work& work) {
    POOLKD_TRY(hunt::Snapshot snapshot, hunt::take_snapshot(kernel, work));
    snapshot.evidence = file.filename().string();
    snapshot.machine.clear(); // the name of the file; an image does not name its machine
    if (!snapshot.uptime && image.facts.up_time)
        snapshot.uptime = std::chrono::milliseconds(*image.facts.up_time / 10'000);
    std::vector<std::string> notes;
    for (const std::string& remark : image.facts.remarks)
        note(notes, file, remark);
    note(notes, file, image.coverage.sentence());
    note(notes, file, modules.complete() ? "" : "the module list: " + modules.sentence());
    if (image.changing)
        note(notes, file,
             "the memory of a machine that may be running: its counters may have changed while they were read.");
    return std::make_unique<ImageSource>(std::move(snapshot), std::move(notes));
}

Result<std::unique_ptr<hunt::SnapshotSource>> read_image(const fs::path& file,
                                                         const std::optional<std::string>& symbol_path, Work& work) {
    POOLKD_TRY(nt::OpenedImage opened, nt::open_image(file.string(), work));
    debugger::SymbolService symbols(symbols::SymbolEnvironment::of_process(), work);
    if (symbol_path) symbols.set_path(*symbol_path);
    nt::Kernel kernel(*opened.target, symbols.loader());
    const auto modules = kernel.reload();
    nt::adopt_decoded_processors(*opened.target, opened.kernel, kernel);
    return read_tables(kernel, opened.target->image(), file, modules.coverage, work);
}

} // namespace

Result<std::unique_ptr<hunt::SnapshotSource>> image_source(debugger::Session& session, const fs::path& file,
                                                           Work& work) {
    const auto* target = dynamic_cast<const target::DumpTarget*>(&session.target());
    if (!target) return fail(ErrorKind::unsupported, "{} is no memory image", file.string());
    return read_tables(session.kernel(), target->image(), file, {}, work);
}

hunt::OpenOther image_evidence(std::optional<std::string> symbol_path) {
    return [symbol_path = std::move(symbol_path)](const fs::path& path,
                                                  Work& work) -> Result<std::unique_ptr<hunt::SnapshotSource>> {
        auto file = dumps::ImageFile::open(path.string());
        if (!file || !dumps::looks_like_image(std::move(*file))) return nullptr;
        auto source = read_image(path, symbol_path, work);
        if (!source) return std::unexpected(named(path, std::move(source).error()));
        return source;
    };
}

} // namespace poolkd::app

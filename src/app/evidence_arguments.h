#pragma once

#include "hunt/evidence.h"
#include "hunt/tag_list.h"

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace CLI {
class App;
}

namespace poolkd::app {

/// The word names a target to connect to, not a file: "com:…", "lab:…", "net:…", "tcp:…", "unix:…".
[[nodiscard]] bool is_connection(std::string_view word);

/// What files of evidence do not say themselves: `--interval`, `--uptime`.
struct EvidenceArguments {
    hunt::EvidenceOptions options;
    void add_to(CLI::App& command);
};

/// The lists that tell which driver a tag belongs to: `--tags FILE`, and `$XDG_CONFIG_HOME/poolkd/tags.txt` behind
/// them.
struct TagListArguments {
    std::vector<std::string> files;
    void add_to(CLI::App& command);
    /// Errors: those of `TagLists::add`. That the user has no list of his own is none.
    [[nodiscard]] Result<hunt::TagLists> read() const;
};

/// Opens files of evidence; a single one may also be a pipe, or "-" for standard input, which is read to its end first.
/// Errors: those of `hunt::open_evidence`, and `io`.
Result<std::unique_ptr<hunt::SnapshotSource>> open_files_or_pipe(const std::vector<std::filesystem::path>& files,
                                                                 const hunt::EvidenceOptions& options, Work& work);

/// One snapshot of a file: "leak.csv" is its last, "leak.csv@first" its first, "leak.csv@12" the twelfth, "@last" again
/// its last. A file whose name itself ends so comes first.
struct SnapshotName {
    std::filesystem::path file;
    std::size_t number = 0; ///< counted from 1; 0: the last
    [[nodiscard]] static SnapshotName parse(std::string_view text);
};

/// Reads it. Errors: those of the evidence; `not_found` when the file holds fewer snapshots.
Result<hunt::Snapshot> read_snapshot(const SnapshotName& name, const hunt::EvidenceOptions& options, Work& work);

} // namespace poolkd::app

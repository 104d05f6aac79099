#pragma once

#include "base/error.h"
#include "base/work.h"
#include "symbols/search_log.h"
#include "symbols/store_key.h"
#include "symbols/symbol_path.h"
#include "symbols/symbol_server.h"

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace poolkd::symbols {

/// What a search may use besides the path; each may be null.
struct SearchOptions {
    SymbolServers* servers = nullptr; ///< null: servers on the path are not asked
    SearchLog* log = nullptr;
    Work* work = nullptr;
};

using PathParts = std::vector<std::string>;

/// `parts` below `root`, each found as written or else without regard to case; nothing when one is not there.
std::optional<std::filesystem::path> resolve_path(const std::filesystem::path& root, const PathParts& parts);

struct WantedFile {
    StoreKey key;
    std::string extension; ///< of the image it belongs to, lower case; plain folders may be sorted by it
    FileCheck check;
};

/// Finds a file along a symbol path. In a plain folder F: F/name, F/symbols/<ext>/name, F/<ext>/name, and F as a
/// store; in a store: name/INDEX/name, with a folder of the first two letters before it when the store has an
/// index2.txt, there also packed (`name` with `_` at its end) or as a pointer (`file.ptr`). Names match without regard
/// to case. A file that does not pass the check is passed over. What is found to the right of a cache is copied into
/// it, and the copy nearest to the start of the path is returned; what is packed is unpacked there, or into the
/// default store.
/// Errors: `not_found` telling where was searched; the check's when only such a file was there, `mismatch` before
/// others; `stopped`.
Result<std::string> find_file(const WantedFile& wanted, const SymbolPath& path, const SearchOptions& options);

} // namespace poolkd::symbols

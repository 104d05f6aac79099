#pragma once

#include "base/error.h"
#include "pe/pdb_identity.h"
#include "symbols/pdb/file.h"
#include "symbols/symbol_path.h"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace poolkd::symbols {

/// What a search tried, a line a try, for `!sym noisy`.
class SearchLog {
  public:
    void add(std::string line) { lines_.push_back(std::move(line)); }
    [[nodiscard]] const std::vector<std::string>& lines() const { return lines_; }

  private:
    std::vector<std::string> lines_;
};

/// Finds and opens the PDB of an image. In a plain folder F: F/name.pdb, F/symbols/<ext>/name.pdb, F/<ext>/name.pdb
/// with the image's extension, and F as a store; in a store: name.pdb/GUIDAGE/name.pdb, or with a folder of the first
/// two letters before it when the store has an index2.txt. Names match without regard to case. A file whose identity
/// differs is passed over. Errors: `not_found` telling where was searched; `mismatch` naming both identities when
/// only such a file was there; `malformed` or `unsupported` when only such a file was there.
Result<std::shared_ptr<PdbFile>> find_pdb(const pe::PdbReference& wanted, std::string_view image_name,
                                          const SymbolPath& path, SearchLog* log = nullptr);

/// Opens a PDB and checks that it belongs to an image. Error `mismatch` names both identities.
Result<std::shared_ptr<PdbFile>> open_matching_pdb(const std::string& path, const pe::PdbIdentity& wanted);

} // namespace poolkd::symbols

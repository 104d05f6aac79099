#pragma once

#include "pe/pdb_identity.h"
#include "symbols/file_search.h"
#include "symbols/isf/isf_table.h"

#include <string>

namespace poolkd::symbols {

struct FoundTable {
    IsfTable table;
    std::string file;
};

/// Opens a table (`.json`, `.json.xz` or `.json.gz`). Errors: those of read_packed_text and IsfTable::parse; `mismatch`
/// when the table was made of another PDB, naming both identities.
Result<FoundTable> open_matching_isf(const std::string& path, const pe::PdbIdentity& wanted);

/// Finds the table that was made of a PDB in the folders and stores of a symbol path; servers have none. In a folder F:
/// F/name.pdb/GUID-AGE.json.xz as Volatility keeps them, the same below F/windows and F/symbols/windows, and
/// F/GUID-AGE.json.xz; each also as .json.gz and .json. Names match without regard to case; the age is decimal.
/// Errors: `not_found`; that of a table of the right name that cannot be used; `stopped`.
Result<FoundTable> find_isf(const pe::PdbReference& wanted, const SymbolPath& path, const SearchOptions& options = {});

} // namespace poolkd::symbols

#pragma once

#include "symbols/module_symbols.h"
#include "symbols/pdb/dbi.h"

#include <optional>

namespace poolkd::symbols {

/// The source line of the code at `place`, from the line table of the compiland that holds it. Nothing when there is
/// none: a public PDB, code without lines, a damaged table.
std::optional<SourceLine> find_line(const PdbFile& file, Dbi& dbi, SegmentOffset place);

} // namespace poolkd::symbols

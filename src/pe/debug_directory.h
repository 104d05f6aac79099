#pragma once

#include "pe/image.h"
#include "pe/pdb_identity.h"

#include <optional>

namespace poolkd::pe {

/// The image's RSDS record: which PDB belongs to it. Nothing when the image has none; debug records of other kinds
/// are passed over. Errors: a debug directory that cannot be read or is damaged.
Result<std::optional<PdbReference>> find_pdb_reference(const Image& image);

} // namespace poolkd::pe

#pragma once

#include "hunt/hunt.h"

namespace poolkd::hunt {

/// The same for two reports of one leak, of whatever machine, boot and kind of evidence: tag, kind of pool, the image
/// that owns it, and the function that leaks (its place in the image where it has no name). No address and no figure.
[[nodiscard]] std::string signature_of(const TagKey& key, const Suspect& suspect);

} // namespace poolkd::hunt

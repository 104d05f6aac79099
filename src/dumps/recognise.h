#pragma once

#include "dumps/image_file.h"

namespace poolkd::dumps {

/// Among files of any kind: whether this one is meant to be a memory image, also of a kind that is refused. Of raw
/// memory, which bears no signature: whole pages, at least a MiB of them, with what no text has at their beginning.
[[nodiscard]] bool looks_like_image(std::shared_ptr<const ImageFile> file);

} // namespace poolkd::dumps

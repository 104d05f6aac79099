#pragma once

#include "base/bytes.h"
#include "code/pool_sites.h"

#include <cstdint>
#include <optional>
#include <string_view>

namespace poolkd::code {

/// To be raised with every change of what the search finds: indexes of another number are made anew.
inline constexpr std::uint32_t site_search_version = 4;

/// An index in a form for a file. `key` tells what it is of. Only complete ones: the coverage is not written but for
/// the number of bytes that were read.
[[nodiscard]] ByteVector write_sites(std::string_view key, const SiteIndex& index);

/// Reads it again. Nothing where the file is damaged, of another version, of another image than `key`, or says what no
/// search can have found.
[[nodiscard]] std::optional<SiteIndex> read_sites(Bytes file, std::string_view key);

/// Makes a damaged file pass the check of its sum, so that a test can reach what lies behind it.
void seal_sites(MutableBytes file);

} // namespace poolkd::code

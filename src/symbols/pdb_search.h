#pragma once

#include "base/bytes.h"
#include "pe/pdb_identity.h"
#include "symbols/file_search.h"
#include "symbols/pdb/file.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace poolkd::symbols {

/// What the kernel says of a loaded image: enough to find its file.
struct ImageIdentity {
    std::string name; ///< "leaky.sys"
    std::uint32_t timestamp = 0;
    std::uint32_t size = 0; ///< bytes in memory

    [[nodiscard]] StoreKey key() const { return StoreKey::of_image(name, timestamp, size); }
};

/// Finds and opens the PDB of an image along the path. Errors: those of find_file; a check that fails is `mismatch`
/// naming both identities, or `malformed` or `unsupported` by PdbFile::open.
Result<std::shared_ptr<PdbFile>> find_pdb(const pe::PdbReference& wanted, std::string_view image_name,
                                          const SymbolPath& path, const SearchOptions& options = {});

/// Finds the file of an image along the path and reads it. Errors: those of find_file; `mismatch` for an image of
/// another build.
Result<ByteVector> find_image(const ImageIdentity& wanted, const SymbolPath& path, const SearchOptions& options = {});

/// Opens a PDB and checks that it belongs to an image. Error `mismatch` names both identities.
Result<std::shared_ptr<PdbFile>> open_matching_pdb(const std::string& path, const pe::PdbIdentity& wanted);

} // namespace poolkd::symbols

#pragma once

#include "pe/pdb_identity.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace poolkd::symbols {

/// How symbol stores and symbol servers name one file: NAME/INDEX/NAME.
struct StoreKey {
    std::string name;  ///< "ntkrnlmp.pdb": one part of a path, never empty for a file that can be looked for
    std::string index; ///< of a PDB its GUID and age, of an image its time stamp and size

    static StoreKey of(const pe::PdbReference& pdb);
    /// The index of an image: TimeDateStamp in eight digits, SizeOfImage in as many as it takes.
    static StoreKey of_image(std::string_view file_name, std::uint32_t timestamp, std::uint32_t size);

    bool operator==(const StoreKey&) const = default;
    [[nodiscard]] std::string folder() const { return name + "/" + index; }
    [[nodiscard]] std::string path() const { return folder() + "/" + name; }
    /// The folder of a store of two levels (it has an index2.txt): the first two letters come before the name.
    [[nodiscard]] std::string two_tier_folder() const;
    /// The file's name when it is packed in a cabinet: its last letter is an underscore.
    [[nodiscard]] std::string packed_name() const;
};

} // namespace poolkd::symbols

#pragma once

#include <array>
#include <cstdint>
#include <string>

namespace poolkd::pe {

/// What ties an image and its PDB together: both carry the same GUID and age.
struct PdbIdentity {
    std::array<std::uint8_t, 16> guid{}; ///< in file order: Data1, Data2 and Data3 little-endian, then eight bytes
    std::uint32_t age = 0;

    bool operator==(const PdbIdentity&) const = default;
    /// As symbol stores name their folders: 32 upper-case hexadecimal digits, then the age in hexadecimal.
    [[nodiscard]] std::string text() const;
};

/// The CodeView record (RSDS) of an image: which PDB belongs to it.
struct PdbReference {
    PdbIdentity identity;
    std::string path; ///< as the linker wrote it, often a full path on the machine that built the image

    /// The last part of `path`, whichever slash it uses, with characters outside 0x20..0x7e as '?'. Empty when the
    /// record names no file ("", ".", "..").
    [[nodiscard]] std::string file_name() const;
};

} // namespace poolkd::pe

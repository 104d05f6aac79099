#pragma once

#include "app/lab_options.h"
#include "base/error.h"
#include "pe/pdb_identity.h"

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace poolkd::app {

/// The files of one build of the practice kernel.
struct LabImages {
    std::filesystem::path directory;            ///< also holds the PDBs: it is the symbol path
    std::filesystem::path loader;               ///< loader.elf
    std::vector<std::filesystem::path> modules; ///< ntoskrnl.exe first, then the drivers by name
};

/// The build of the practice kernel that has this PDB, as a symbol path: of one whose memory is in a file. Nothing when
/// none has it.
[[nodiscard]] std::optional<std::filesystem::path> find_lab_build(const pe::PdbIdentity& kernel);

/// Finds the images of one kernel as <arch>/era<E>/seed<N>: below $POOLKD_LAB_IMAGES, next to the program's build tree,
/// or where an installed program has them. Kind `not_found` names those that are there, or else
/// where it looked.
Result<LabImages> find_lab_images(const LabOptions& options);

} // namespace poolkd::app

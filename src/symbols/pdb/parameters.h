#pragma once

#include "symbols/pdb/address_map.h"
#include "symbols/pdb/stream.h"
#include "symbols/variable.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace poolkd::symbols {

/// A parameter as its records state it.
struct ParameterRecord {
    std::string name;
    std::uint32_t type = 0; ///< type index
    std::optional<VariableHome> home;
};

/// The parameters of the procedure whose record begins at `procedure` in a compiland's symbols (`end` bytes of
/// `symbols`), with their homes at `place`. `declared`: how many its type has; the older kinds of records do not tell
/// parameters from local variables, but put them first. `image_machine`: IMAGE_FILE_MACHINE_*.
std::vector<ParameterRecord> read_parameters(const PdbStream& symbols, std::uint32_t end, std::uint32_t procedure,
                                             SegmentOffset place, std::size_t declared, std::uint16_t image_machine);

} // namespace poolkd::symbols

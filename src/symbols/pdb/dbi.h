#pragma once

#include "symbols/pdb/address_map.h"
#include "symbols/pdb/file.h"

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace poolkd::symbols {

/// One object file that was linked into the image.
struct Compiland {
    std::uint32_t stream = 0xffff;  ///< its private symbols and lines; 0xffff: stripped
    std::uint32_t symbol_bytes = 0; ///< leading part of the stream, with a signature of four bytes
    std::uint32_t old_line_bytes = 0;
    std::uint32_t line_bytes = 0; ///< "C13" subsections, behind the symbols and old lines
};

/// Which bytes of a section came from which compiland.
struct Contribution {
    SegmentOffset place;
    std::uint16_t compiland = 0; ///< counted from 0
    std::uint32_t size = 0;
};

/// What the DBI stream says: machine, sections, compilands.
class Dbi {
  public:
    /// A PDB without a DBI stream (types only) gives an empty one.
    static Result<Dbi> load(const PdbFile& file);

    [[nodiscard]] bool present() const { return present_; }
    [[nodiscard]] std::uint16_t machine() const { return machine_; } ///< IMAGE_FILE_MACHINE_*
    /// Private symbols: some compiland has a symbol stream, and the file is not marked as stripped.
    [[nodiscard]] bool is_private() const { return is_private_; }
    [[nodiscard]] std::uint32_t symbol_record_stream() const { return symbol_records_; }
    /// Frame programs and FPO_DATA records of x86; 0xffff: none.
    [[nodiscard]] std::uint32_t frame_program_stream() const { return frame_programs_; }
    [[nodiscard]] std::uint32_t fpo_stream() const { return fpo_; }
    [[nodiscard]] const AddressMap& addresses() const { return addresses_; }
    [[nodiscard]] std::span<const Compiland> compilands() const { return compilands_; }

    /// All contributions by place, read when first asked for. Ranges of a well-formed file do not overlap.
    std::span<const Contribution> contributions();
    /// The contribution that holds `place`.
    const Contribution* contribution_at(SegmentOffset place);

  private:
    PdbStream stream_;
    std::uint64_t contributions_offset_ = 0;
    std::uint32_t contributions_size_ = 0;
    std::optional<std::vector<Contribution>> contributions_;
    std::vector<Compiland> compilands_;
    AddressMap addresses_;
    std::uint32_t symbol_records_ = 0xffff;
    std::uint32_t frame_programs_ = 0xffff;
    std::uint32_t fpo_ = 0xffff;
    std::uint16_t machine_ = 0;
    bool present_ = false;
    bool is_private_ = false;
};

} // namespace poolkd::symbols

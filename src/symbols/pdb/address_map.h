#pragma once

#include "base/bytes.h"

#include <cstdint>
#include <optional>
#include <vector>

namespace poolkd::symbols {

struct SegmentOffset {
    std::uint16_t segment = 0; ///< section number from 1
    std::uint32_t offset = 0;

    auto operator<=>(const SegmentOffset&) const = default;
};

/// Between the section:offset pairs of a PDB and RVAs. Images whose blocks were moved after linking (the vendor did
/// that to the kernels up to Windows 7) have two layouts; their PDB's pairs mean the original one, and two tables
/// ("OMAP") lead from one to the other.
class AddressMap {
  public:
    struct Section {
        std::uint32_t rva = 0;
        std::uint32_t size = 0; ///< bytes in memory
        bool is_code = false;
    };
    struct Move {
        std::uint32_t from = 0;
        std::uint32_t to = 0; ///< 0: what begins at `from` exists only in the other layout
    };

    AddressMap() = default;
    /// Tables of IMAGE_SECTION_HEADER: of the image, and of the original layout (empty: never moved). OMAP tables are
    /// pairs of RVAs, sorted by the first.
    AddressMap(Bytes section_headers, Bytes original_headers, Bytes omap_to_source, Bytes omap_from_source);

    /// Nothing for segment 0, for one beyond the sections (absolute symbols) and for offsets outside the section.
    [[nodiscard]] std::optional<std::uint32_t> rva(SegmentOffset place) const;
    /// Nothing for the headers and gaps between sections.
    [[nodiscard]] std::optional<SegmentOffset> place(std::uint32_t rva) const;
    /// The RVA in the layout that the pairs mean: the same one where nothing was moved.
    [[nodiscard]] std::optional<std::uint32_t> source_rva(std::uint32_t rva) const;
    [[nodiscard]] bool is_code(std::uint16_t segment) const;
    [[nodiscard]] bool moved() const { return !from_source_.empty(); }
    /// No sections: symbols have no addresses.
    [[nodiscard]] bool empty() const { return sections_.empty(); }

  private:
    std::vector<Section> sections_; ///< in the layout that the pairs mean
    std::vector<Move> to_source_;
    std::vector<Move> from_source_;
};

} // namespace poolkd::symbols

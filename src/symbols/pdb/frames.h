#pragma once

#include "symbols/frame_record.h"
#include "symbols/pdb/dbi.h"

#include <optional>
#include <vector>

namespace poolkd::symbols {

/// The two tables of stack frames that a PDB for x86 may have: frame programs ("new FPO") and FPO_DATA records ("old
/// FPO"). Read when first asked; a table that is damaged counts as far as it is sound.
class Frames {
  public:
    Frames(const PdbFile& file, const Dbi& dbi) : file_(file), dbi_(dbi) {}

    /// The record that covers `rva` most closely, with its own RVA translated back. Handlers of traps are told by the
    /// old table alone, so there it wins; else programs do, which are exact at every instruction.
    std::optional<FrameRecord> at(std::uint32_t rva);

  private:
    struct Entry {
        std::uint32_t start = 0; ///< RVA in the layout before images were rearranged
        std::uint32_t size = 0;
        std::uint32_t offset = 0; ///< of the record in its stream
    };
    struct Table {
        PdbStream stream;
        std::vector<Entry> entries; ///< by start
    };

    static Table load(PdbStream stream, std::uint32_t first, std::uint32_t record_bytes);
    static const Entry* covering(const Table& table, std::uint32_t rva);
    [[nodiscard]] std::optional<FrameRecord> read_program(const Entry& entry) const;
    [[nodiscard]] std::optional<FrameRecord> read_fpo(const Entry& entry) const;
    void load();

    const PdbFile& file_;
    const Dbi& dbi_;
    bool loaded_ = false;
    Table programs_;
    Table fpo_;
};

} // namespace poolkd::symbols

#include "symbols/pdb/frames.h"

#include "symbols/pdb/llvm_error.h"

#include <llvm/DebugInfo/PDB/Native/PDBFile.h>
#include <llvm/DebugInfo/PDB/Native/PDBStringTable.h>

#include <algorithm>

namespace poolkd::symbols {

namespace {

constexpr std::uint32_t program_bytes = 32; // FrameData
constexpr std::uint32_t fpo_bytes = 16;     // FPO_DATA
// Compilers write one record for each push of a prolog, each to the end of the function: the nearest start covers.
// Nested ranges of other shapes are hardly known.
constexpr std::size_t max_steps_back = 64;

} // namespace

Frames::Table Frames::load(PdbStream stream, std::uint32_t first, std::uint32_t record_bytes) {
    Table table;
    table.stream = stream;
    table.entries.reserve(stream.size() / record_bytes);
    ByteVector scratch;
    for (std::uint32_t offset = first; offset + record_bytes <= stream.size(); offset += record_bytes) {
        Bytes record = stream.read(offset, 8, scratch);
        table.entries.push_back({load_or<std::uint32_t>(record, 0), load_or<std::uint32_t>(record, 4), offset});
    }
    std::ranges::stable_sort(table.entries, {}, &Entry::start);
    return table;
}

void Frames::load() {
    if (loaded_) return;
    loaded_ = true;
    PdbStream programs = file_.stream(dbi_.frame_program_stream());
    // Linkers may put a relocation pointer before the records.
    programs_ = load(programs, programs.size() % program_bytes == 4 ? 4 : 0, program_bytes);
    fpo_ = load(file_.stream(dbi_.fpo_stream()), 0, fpo_bytes);
}

const Frames::Entry* Frames::covering(const Table& table, std::uint32_t rva) {
    auto after = std::ranges::upper_bound(table.entries, rva, {}, &Entry::start);
    for (std::size_t steps = 0; after != table.entries.begin() && steps < max_steps_back; ++steps)
        if (const Entry& entry = *--after; rva - entry.start < entry.size) return &entry;
    return nullptr;
}

std::optional<FrameRecord> Frames::read_program(const Entry& entry) const {
    ByteVector scratch;
    Bytes bytes = programs_.stream.read(entry.offset, program_bytes, scratch);
    if (bytes.empty()) return std::nullopt;
    FrameRecord record{.rva = entry.start,
                       .size = entry.size,
                       .kind = FrameRecord::Kind::program,
                       .locals = load_or<std::uint32_t>(bytes, 8),
                       .parameters = load_or<std::uint32_t>(bytes, 12),
                       .saved_registers = load_or<std::uint16_t>(bytes, 26),
                       .prolog = load_or<std::uint16_t>(bytes, 24),
                       .uses_frame_pointer = false,
                       .program = {}};
    auto strings = file_.native().getStringTable();
    if (!strings) {
        take_message(strings.takeError());
        return std::nullopt;
    }
    auto program = strings->getStringForID(load_or<std::uint32_t>(bytes, 20));
    if (!program) {
        take_message(program.takeError());
        return std::nullopt;
    }
    record.program = program->str();
    return record;
}

std::optional<FrameRecord> Frames::read_fpo(const Entry& entry) const {
    ByteVector scratch;
    Bytes bytes = fpo_.stream.read(entry.offset, fpo_bytes, scratch);
    if (bytes.empty()) return std::nullopt;
    constexpr std::uint32_t word = 4;
    constexpr FrameRecord::Kind kinds[] = {FrameRecord::Kind::fpo, FrameRecord::Kind::trap, FrameRecord::Kind::task,
                                           FrameRecord::Kind::frame_pointer};
    const auto bits = load_or<std::uint16_t>(bytes, 14); // prolog 8, registers 3, SEH 1, ebp 1, reserved 1, kind 2
    // A count of locals that does not fit 32 bits of bytes is no frame of this world.
    const auto locals = load_or<std::uint32_t>(bytes, 8);
    if (locals > UINT32_MAX / word) return std::nullopt;
    return FrameRecord{.rva = entry.start,
                       .size = entry.size,
                       .kind = kinds[bits >> 14 & 3],
                       .locals = locals * word,
                       .parameters = load_or<std::uint16_t>(bytes, 12) * word,
                       .saved_registers = (bits >> 8 & 7) * word,
                       .prolog = bits & 0xffu,
                       .uses_frame_pointer = (bits >> 12 & 1) != 0,
                       .program = {}};
}

std::optional<FrameRecord> Frames::at(std::uint32_t rva) {
    load();
    auto source = dbi_.addresses().source_rva(rva);
    if (!source) return std::nullopt;
    std::optional<FrameRecord> found;
    if (const Entry* entry = covering(fpo_, *source)) found = read_fpo(*entry);
    const bool trap = found && (found->kind == FrameRecord::Kind::trap || found->kind == FrameRecord::Kind::task);
    if (!trap)
        if (const Entry* entry = covering(programs_, *source))
            if (auto program = read_program(*entry)) found = std::move(program);
    // Code is moved in one piece at least from the record's start to here, or the record would not hold.
    if (found) found->rva = rva - (*source - found->rva);
    return found;
}

} // namespace poolkd::symbols

#include "dumps/elf_headers.h"

#include <algorithm>

namespace poolkd::dumps {

namespace {

// Offsets of the two classes (System V ABI, chapters 4 and 5).
struct ElfLayout {
    unsigned word;
    std::size_t header_bytes, segment_table, section_table, segment_bytes_at, segment_count_at;
    std::size_t segment_bytes, offset, virtual_address, physical, file_bytes, memory_bytes;
    std::size_t section_info;
};
constexpr ElfLayout elf_32{4, 52, 0x1c, 0x20, 0x2a, 0x2c, 32, 4, 8, 12, 16, 20, 0x1c};
constexpr ElfLayout elf_64{8, 64, 0x20, 0x28, 0x36, 0x38, 56, 8, 16, 24, 32, 40, 0x2c};

constexpr std::uint32_t elf_magic = 0x464c457f;
constexpr std::uint16_t et_core = 4;
constexpr std::uint16_t count_elsewhere = 0xffff; // PN_XNUM: the count stands in section 0

std::uint64_t word_at(Bytes file, const ElfLayout& layout, std::uint64_t at) {
    return load_unsigned(file, at, layout.word).value_or(0);
}

void read_notes(Bytes notes, ElfCore& core) {
    auto aligned = [](std::uint64_t bytes) { return (bytes + 3) & ~std::uint64_t{3}; };
    std::uint64_t at = 0;
    while (at + 12 <= notes.size()) {
        const std::uint64_t name_bytes = load_or<std::uint32_t>(notes, at);
        const std::uint64_t payload_bytes = load_or<std::uint32_t>(notes, at + 4);
        const std::uint64_t name_at = at + 12, payload_at = name_at + aligned(name_bytes);
        if (payload_at + payload_bytes > notes.size() || core.notes.size() == ElfCore::most_notes) {
            core.cut = true;
            return;
        }
        ElfNote note;
        for (std::uint64_t i = 0; i < std::min<std::uint64_t>(name_bytes, 64); ++i) {
            const char c = static_cast<char>(notes[name_at + i]);
            if (c == 0) break;
            note.name += c;
        }
        note.type = load_or<std::uint32_t>(notes, at + 8);
        note.payload = notes.subspan(payload_at, payload_bytes);
        core.notes.push_back(std::move(note));
        at = payload_at + aligned(payload_bytes);
    }
}

} // namespace

bool has_elf_signature(Bytes bytes) {
    return load<std::uint32_t>(bytes, 0) == elf_magic;
}

Result<ElfCore> read_elf_core(Bytes file) {
    const auto elf_class = load_or<std::uint8_t>(file, 4), encoding = load_or<std::uint8_t>(file, 5);
    if (!has_elf_signature(file) || (elf_class != 1 && elf_class != 2))
        return fail(ErrorKind::malformed, "it does not begin as an ELF file");
    if (encoding != 1) return fail(ErrorKind::unsupported, "a big-endian ELF file; Windows runs on no such machine");
    ElfCore core;
    core.is_64 = elf_class == 2;
    const ElfLayout& layout = core.is_64 ? elf_64 : elf_32;
    if (file.size() < layout.header_bytes) return fail(ErrorKind::malformed, "the ELF file ends inside its header");
    if (load<std::uint16_t>(file, 0x10) != et_core)
        return fail(ErrorKind::unsupported, "an ELF file, but no core: it holds no memory of a machine");
    core.machine = load_or<std::uint16_t>(file, 0x12);
    std::uint64_t count = load_or<std::uint16_t>(file, layout.segment_count_at);
    if (count == count_elsewhere)
        count = load_or<std::uint32_t>(file, word_at(file, layout, layout.section_table) + layout.section_info);
    const std::uint64_t stride = load_or<std::uint16_t>(file, layout.segment_bytes_at);
    if (stride < layout.segment_bytes && count != 0)
        return fail(ErrorKind::malformed, "program headers of {} bytes", stride);
    const std::uint64_t table = word_at(file, layout, layout.segment_table);
    for (std::uint64_t i = 0; i < count; ++i) {
        const std::uint64_t at = table + i * stride;
        if (at < table || at > file.size() || file.size() - at < layout.segment_bytes ||
            core.segments.size() == ElfCore::most_segments) {
            core.cut = true;
            break;
        }
        core.segments.push_back({.type = load_or<std::uint32_t>(file, at),
                                 .offset = word_at(file, layout, at + layout.offset),
                                 .virtual_address = word_at(file, layout, at + layout.virtual_address),
                                 .physical = word_at(file, layout, at + layout.physical),
                                 .file_bytes = word_at(file, layout, at + layout.file_bytes),
                                 .memory_bytes = word_at(file, layout, at + layout.memory_bytes)});
    }
    for (const ElfSegment& segment : core.segments) {
        if (segment.type != ElfSegment::note) continue;
        if (segment.offset > file.size()) {
            core.cut = true;
            continue;
        }
        const std::uint64_t bytes = std::min<std::uint64_t>(segment.file_bytes, file.size() - segment.offset);
        core.cut |= bytes < segment.file_bytes;
        read_notes(file.subspan(segment.offset, bytes), core);
    }
    return core;
}

} // namespace poolkd::dumps

#pragma once

#include "base/bytes.h"
#include "base/error.h"

#include <cstdint>
#include <string>
#include <vector>

namespace poolkd::dumps {

/// A program header. For loads, `file_bytes` at `offset` are the memory from `physical` on.
struct ElfSegment {
    std::uint32_t type = 0;
    std::uint64_t offset = 0;
    std::uint64_t virtual_address = 0;
    std::uint64_t physical = 0;
    std::uint64_t file_bytes = 0;
    std::uint64_t memory_bytes = 0;

    static constexpr std::uint32_t load = 1;
    static constexpr std::uint32_t note = 4;
};

struct ElfNote {
    std::string name;
    std::uint32_t type = 0;
    Bytes payload; ///< in the file
};

/// An ELF core of either class, little-endian.
struct ElfCore {
    bool is_64 = false;
    std::uint16_t machine = 0; ///< EM_*
    std::vector<ElfSegment> segments;
    std::vector<ElfNote> notes;
    bool cut = false; ///< headers or notes reach behind the end of the file, or there were too many

    static constexpr std::uint16_t em_386 = 3;
    static constexpr std::uint16_t em_x86_64 = 62;
    static constexpr std::uint16_t em_aarch64 = 183;
    static constexpr std::size_t most_segments = std::size_t{4} << 20; ///< a header for each page of a 16 GB machine
    static constexpr std::size_t most_notes = 0x10000;
};

[[nodiscard]] bool has_elf_signature(Bytes bytes);
/// Errors: `malformed`; `unsupported` for ELF files that are no cores, and for big-endian ones.
Result<ElfCore> read_elf_core(Bytes file);

} // namespace poolkd::dumps

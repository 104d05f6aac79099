#pragma once

#include "base/coverage.h"
#include "code/instruction.h"
#include "nt/kernel.h"

#include <optional>
#include <string>
#include <vector>

namespace poolkd::code {

/// One row of a disassembly.
struct ListingRow {
    VirtAddr address;
    std::string label;                      ///< "nt!ExFreePool+0x12", where a label line goes before the row
    std::optional<Instruction> instruction; ///< nothing: the bytes are no instruction, or not all can be read
    std::optional<std::byte> byte;          ///< without instruction: the byte there, if it can be read
};

struct Listing {
    std::vector<ListingRow> rows;
    VirtAddr next;             ///< where a following listing begins
    unsigned pointer_size = 8; ///< of the target, bytes
};

struct ListingOptions {
    std::size_t count = 8;         ///< instructions
    std::optional<VirtAddr> end{}; ///< stop behind this address (inclusive), whatever the count
    bool past_holes = false;       ///< go on behind bytes that cannot be read (`uu`)
};

/// Decodes forward from `address`. Ends at the first byte that cannot be read, with a row for it and a gap in the
/// coverage, unless told otherwise. `memory` is what the code is read from: the kernel's own sees user addresses as the
/// process that runs does.
Answer<Listing> disassemble(nt::Kernel& kernel, memory::AddressSpace& memory, VirtAddr address,
                            const ListingOptions& options, Work* work = nullptr);

/// The `count` instructions that end right before `address`: decoded from the start of the function where one is
/// known, else along the stream that most starting points agree on. May be fewer rows; kind `not_found` when no stream
/// of instructions ends there.
Result<Answer<Listing>> disassemble_before(nt::Kernel& kernel, memory::AddressSpace& memory, VirtAddr address,
                                           std::size_t count, Work* work = nullptr);

/// Bound on the rows of one listing.
inline constexpr std::size_t max_listing_rows = 1u << 16;

} // namespace poolkd::code

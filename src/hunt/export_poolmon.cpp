#include "hunt/counters.h"
#include "hunt/export.h"
#include "hunt/iso_time.h"

#include <fmt/format.h>

#include <iterator>

namespace poolkd::hunt {

namespace {

/// The bytes as PoolMon writes them, but nothing that would end the line.
std::string plain_tag(PoolTag tag) {
    std::string text(4, '.');
    for (unsigned i = 0; i < 4; ++i)
        if (const std::uint32_t c = (tag.value >> (8 * i)) & 0xff; c >= 0x20 && c != 0x7f)
            text[i] = static_cast<char>(c);
    return text;
}

std::uint64_t kilobytes(const std::optional<std::uint64_t>& bytes) {
    return bytes.value_or(0) / 1024;
}

} // namespace

Result<void> append_poolmon(std::string& out, const Snapshot& snapshot, bool with_time) {
    if (!snapshot.activity)
        return fail(ErrorKind::unsupported, "{} tells only what is in use; PoolMon's text needs allocations and frees",
                    snapshot.evidence);
    auto end = std::back_inserter(out);
    const MemoryFacts& memory = snapshot.memory;
    if (with_time && snapshot.time) fmt::format_to(end, "# {}\n", iso_time(*snapshot.time));
    if (memory != MemoryFacts{}) {
        // Page faults and what of the kernel is in memory are not known; what else is missing is 0 too.
        fmt::format_to(end, " Memory:{:8}K Avail:{:8}K  PageFlts:{:6}   InRam Krnl:{:5}K P:{:6}K\n",
                       kilobytes(memory.physical), kilobytes(memory.available), 0, 0, 0);
        fmt::format_to(end, " Commit:{:7}K Limit:{:7}K Peak:{:7}K            Pool N:{:5}K P:{:6}K\n",
                       kilobytes(memory.commit), kilobytes(memory.commit_limit), kilobytes(memory.commit_peak),
                       kilobytes(memory.nonpaged), kilobytes(memory.paged));
        out += '\n';
    }
    out += " Tag  Type     Allocs         Frees    Diff   Bytes    Per Alloc\n\n";
    for (const TagCounts& row : snapshot.rows) {
        const std::int64_t blocks = blocks_in_use(row);
        fmt::format_to(end, " {} {:<5} {:>9} {:>9} {:>9} {:>8} {:>10}\n", plain_tag(row.key.tag), to_text(row.key.kind),
                       row.allocs, row.frees, blocks, row.bytes, blocks == 0 ? 0 : row.bytes / blocks);
    }
    return {};
}

} // namespace poolkd::hunt

#pragma once

#include "base/coverage.h"
#include "base/work.h"
#include "dumps/crash_header.h"
#include "memory/memory.h"

#include <span>

namespace poolkd::dumps {

/// Where a dump is written to. Errors are those of the file.
class DumpOutput {
  public:
    virtual ~DumpOutput() = default;
    virtual Result<void> write(std::uint64_t offset, Bytes bytes) = 0;
    /// What was written there.
    virtual Result<void> read(std::uint64_t offset, MutableBytes out) = 0;
};

struct WrittenDump {
    DumpType type = DumpType::full;
    std::uint64_t pages = 0;
    std::uint64_t bytes = 0; ///< of the file
    std::size_t runs = 0;
    Coverage coverage; ///< of the memory; gaps bear physical addresses
};

/// Writes a complete dump (Microsoft's, type 1) of the pages `wanted`, which are in order. Pages that cannot be read
/// are left out of its runs. The header has room for 42 runs, or 86 in 32 bits; for more the dump gets a bitmap instead
/// (type 5, as Windows 8 and later write it). `facts` fills the header: machine and page tables must be there.
/// Errors: `unsupported` for a machine that no header is known for, or addresses that do not fit it; `link`,
/// `stopped`; the output's.
Result<WrittenDump> write_crash_dump(const ImageFacts& facts, std::span<const PageRun> wanted,
                                     memory::PhysicalMemory& memory, DumpOutput& output, Work& work);

/// Bytes of such a dump when all of its pages can be read.
[[nodiscard]] std::uint64_t crash_dump_bytes(const ImageFacts& facts, std::span<const PageRun> wanted);

} // namespace poolkd::dumps

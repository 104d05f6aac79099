#pragma once

#include "base/bytes.h"
#include "base/error.h"
#include "dumps/facts.h"

#include <cstdint>
#include <optional>
#include <vector>

namespace poolkd::dumps {

/// DumpType of a crash dump's header (SDK, mindumpdef.h; the last three are dbgeng's, kdmp-parser).
enum class DumpType : std::uint32_t {
    full = 1,
    summary = 2,
    header = 3,
    triage = 4,
    bitmap_full = 5,
    bitmap_kernel = 6,
    automatic = 7,
    ranges_kernel = 8,
    ranges_kernel_active = 9,
    ranges_full = 10,
};

/// A run of PHYSICAL_MEMORY_DESCRIPTOR, in pages.
struct PageRun {
    std::uint64_t first = 0;
    std::uint64_t count = 0;
};

/// DUMP_HEADER32 or DUMP_HEADER64.
struct CrashHeader {
    bool is_64 = false;
    std::size_t size = 0; ///< bytes; what depends on the type begins there
    DumpType type{};
    ImageFacts facts; ///< but for `container`
    std::optional<std::uint64_t> stated_pages;
    std::vector<PageRun> runs;
    std::optional<std::uint32_t> triage_fields; ///< MiniDumpFields: which parts of a triage dump are valid
    bool encrypted = false;
    bool expected_short = false; ///< the writer knew that the file had no room for all
};

/// True for bytes that begin as a crash dump.
[[nodiscard]] bool has_crash_signature(Bytes bytes);
/// Errors: `malformed` for bytes that are shorter than the header or no crash dump.
Result<CrashHeader> read_crash_header(Bytes bytes);

} // namespace poolkd::dumps

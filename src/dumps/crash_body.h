#pragma once

#include "dumps/crash_header.h"
#include "dumps/image.h"

namespace poolkd::dumps {

using PhysicalPlacement = Result<std::unique_ptr<const Placement<PhysAddr>>>;

// What follows the header of a crash dump, one file a kind. All take the whole file; coverage and remarks go into
// `image`. Errors: `malformed`.

/// Pages of the header's runs, one after the other.
PhysicalPlacement place_header_runs(const CrashHeader& header, Bytes file, MemoryImage& image);

/// "SDMP" or "FDMP" at the body: pages with a bitmap, as Windows 8 and later write it.
PhysicalPlacement place_bitmap(const CrashHeader& header, Bytes file, MemoryImage& image);
/// The same as Windows 2000 to 7 wrote it.
PhysicalPlacement place_summary(const CrashHeader& header, Bytes file, MemoryImage& image);

/// "RDMP": ranges of pages, as dbgeng writes it.
PhysicalPlacement place_ranges(const CrashHeader& header, Bytes file, MemoryImage& image);

/// A triage dump: pieces of virtual memory and lists. Fills `pieces` and `triage`.
Result<void> read_triage(const CrashHeader& header, Bytes file, MemoryImage& image);

} // namespace poolkd::dumps

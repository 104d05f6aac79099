#pragma once

#include "base/address.h"
#include "base/bytes.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace poolkd::dumps {

/// A driver as a triage dump lists it.
struct TriageDriver {
    std::string name; ///< as written there: "ntoskrnl.exe"
    VirtAddr base;
    VirtAddr entry_point;
    std::uint32_t size = 0;
    std::uint32_t checksum = 0;
    std::uint32_t timestamp = 0;
};

struct TriageUnloadedDriver {
    std::string name; ///< at most 12 characters are kept
    VirtAddr start, end;
};

/// What the memory manager wrote of itself: all that a triage dump knows of pool. In pages, but for the pool's bytes.
struct TriageMemory {
    std::uint64_t nonpaged_maximum = 0;
    std::uint64_t nonpaged_allocated = 0;
    std::uint64_t paged_maximum = 0;
    std::uint64_t paged_allocated = 0;
    std::uint64_t committed_pages = 0, peak_commit = 0, commit_limit = 0;
};

/// What a triage dump ("minidump") holds beside pieces of virtual memory. It has neither page tables nor pool tables.
struct TriageRecords {
    std::vector<TriageDriver> drivers;
    std::vector<TriageUnloadedDriver> unloaded;
    std::optional<TriageMemory> memory;
    std::string broken_driver;
    VirtAddr stack; ///< the lowest address of the saved part of the stack
    std::uint64_t stack_bytes = 0;
    Bytes processor_block;   ///< KPRCB
    Bytes process;           ///< EPROCESS
    Bytes thread;            ///< ETHREAD
    Bytes debugger_data;     ///< KDBG, decoded
    bool overflowed = false; ///< the writer had more than it could store
};

} // namespace poolkd::dumps

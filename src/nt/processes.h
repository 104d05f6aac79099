#pragma once

#include "base/work.h"
#include "nt/kernel.h"

#include <optional>
#include <string>
#include <vector>

namespace poolkd::nt {

/// What _EPROCESS tells. Members that a kernel does not have are zero, or nothing where zero would mean something.
struct Process {
    VirtAddr address;
    std::uint64_t id = 0;
    std::uint64_t parent_id = 0;
    std::optional<std::uint64_t> session; ///< nothing: in none
    std::uint64_t directory_base = 0;     ///< as CR3 gets it
    VirtAddr peb;
    VirtAddr object_table;
    std::optional<std::uint64_t> handles; ///< nothing: they cannot be read
    std::string name;                     ///< of the image, at most 15 characters
    VirtAddr vad_root;
    std::uint64_t active_threads = 0;
    std::uint64_t create_time = 0; ///< 100 ns since 1601, UTC
    std::uint64_t kernel_ticks = 0, user_ticks = 0;
    std::optional<std::uint64_t> base_priority;
};

/// The process object at an address. Kind `malformed`: there is something else.
Result<Process> read_process(Kernel& kernel, VirtAddr address);

/// All of PsActiveProcessHead, in its order. An entry that cannot be read, or is no process, is a gap of the coverage.
/// Errors: the symbols are missing.
Result<Answer<std::vector<Process>>> list_processes(Kernel& kernel, Work& work);

} // namespace poolkd::nt

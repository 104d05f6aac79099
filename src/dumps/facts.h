#pragma once

#include "base/bytes.h"
#include "base/machine.h"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace poolkd::dumps {

/// The bug check that a container states.
struct BugCheck {
    std::uint32_t code = 0;
    std::array<std::uint64_t, 4> parameters{};

    /// The code of a dump that was taken of a system that went on running (LIVE_SYSTEM_DUMP).
    static constexpr std::uint32_t live_system = 0x161;
};

struct ExceptionRecord {
    std::uint32_t code = 0;
    std::uint32_t flags = 0;
    VirtAddr address;
    std::vector<std::uint64_t> parameters;
};

/// The registers of one processor, as NT's own records lay them out.
struct ProcessorState {
    ByteVector context; ///< CONTEXT
    ByteVector special; ///< KSPECIAL_REGISTERS; empty when the container has none
    std::optional<VirtAddr> gs_base;
    std::optional<VirtAddr> kernel_gs_base; ///< the one that `swapgs` brings in
    std::optional<VirtAddr> fs_base;
};

/// What the container itself states of the machine, nothing of it read from the machine's memory. What it does not
/// state is empty.
struct ImageFacts {
    std::string container; ///< for people: "64-bit kernel dump"
    std::optional<std::uint16_t> image_machine;
    const Machine* machine = nullptr;   ///< of `image_machine`; null also for one that is not known
    std::optional<bool> pae;            ///< of x86
    std::optional<std::uint32_t> major; ///< 0xf free, 0xc checked build
    std::optional<std::uint32_t> build;
    std::optional<std::uint32_t> processor_count;
    std::optional<std::uint64_t> directory_table_base; ///< as it stands there, with the low bits of CR3
    std::optional<VirtAddr> loaded_module_list;        ///< PsLoadedModuleList
    std::optional<VirtAddr> active_process_head;       ///< PsActiveProcessHead
    std::optional<VirtAddr> pfn_database;
    std::optional<VirtAddr> debugger_data; ///< KdDebuggerDataBlock; the block may be encoded
    std::optional<BugCheck> bug_check;
    std::optional<ExceptionRecord> exception;
    ByteVector context;                       ///< CONTEXT of the processor that the container is about
    std::vector<ProcessorState> processors;   ///< in the container's order; often that of NT's numbers
    std::optional<std::uint64_t> system_time; ///< FILETIME: 100 ns since 1601, UTC
    std::optional<std::uint64_t> up_time;     ///< 100 ns
    std::optional<std::uint32_t> product_type, suite_mask;
    std::optional<std::uint32_t> attributes; ///< DUMP_FILE_ATTRIBUTES
    std::string comment;
    std::vector<std::string> remarks; ///< sentences on what is odd about the file
};

} // namespace poolkd::dumps

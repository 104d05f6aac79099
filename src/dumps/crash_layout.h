#pragma once

#include <cstddef>
#include <cstdint>

namespace poolkd::dumps {

/// Offsets of DUMP_HEADER32 and DUMP_HEADER64. Source: Windows SDK, mindumpdef.h.
struct CrashHeaderLayout {
    bool is_64;
    std::size_t size;
    std::size_t directory_table_base, pfn_database, modules, processes, machine, processors;
    std::size_t bug_check, parameters, pae, debugger_data;
    std::size_t memory_block, memory_pages, memory_runs, most_runs;
    std::size_t context, context_room, exception, comment, attributes;
    std::size_t type, system_time, up_time, triage_fields, product_type, suite_mask;

    [[nodiscard]] unsigned pointer() const { return is_64 ? 8 : 4; }
};

inline constexpr std::size_t comment_bytes = 128;
inline constexpr std::size_t most_exception_parameters = 15; ///< EXCEPTION_MAXIMUM_PARAMETERS

inline constexpr CrashHeaderLayout crash_layout_32{
    .is_64 = false,
    .size = 0x1000,
    .directory_table_base = 0x10,
    .pfn_database = 0x14,
    .modules = 0x18,
    .processes = 0x1c,
    .machine = 0x20,
    .processors = 0x24,
    .bug_check = 0x28,
    .parameters = 0x2c,
    .pae = 0x5c,
    .debugger_data = 0x60,
    .memory_block = 0x64,
    .memory_pages = 0x68,
    .memory_runs = 0x6c,
    .most_runs = 86,
    .context = 0x320,
    .context_room = 1200,
    .exception = 0x7d0,
    .comment = 0x820,
    .attributes = 0x8a0,
    .type = 0xf88,
    .system_time = 0xfc0,
    .up_time = 0xfb8,
    .triage_fields = 0xf8c,
    .product_type = 0xf94,
    .suite_mask = 0xf98,
};

inline constexpr CrashHeaderLayout crash_layout_64{
    .is_64 = true,
    .size = 0x2000,
    .directory_table_base = 0x10,
    .pfn_database = 0x18,
    .modules = 0x20,
    .processes = 0x28,
    .machine = 0x30,
    .processors = 0x34,
    .bug_check = 0x38,
    .parameters = 0x40,
    .pae = 0,
    .debugger_data = 0x80,
    .memory_block = 0x88,
    .memory_pages = 0x90,
    .memory_runs = 0x98,
    .most_runs = 43, // the field has room for 42; QEMU also uses what pads it
    .context = 0x348,
    .context_room = 3000,
    .exception = 0xf00,
    .comment = 0xfb0,
    .attributes = 0x1050,
    .type = 0xf98,
    .system_time = 0xfa8,
    .up_time = 0x1030,
    .triage_fields = 0x1038,
    .product_type = 0x1040,
    .suite_mask = 0x1044,
};

inline constexpr std::uint32_t crash_signature = 0x45474150; ///< "PAGE", also what unused fields are filled with
inline constexpr std::uint32_t crash_valid_32 = 0x504d5544;  ///< "DUMP", behind it in a 32-bit dump
inline constexpr std::uint32_t crash_valid_64 = 0x34365544;  ///< "DU64"

} // namespace poolkd::dumps

#pragma once

#include <cstddef>
#include <cstdint>

/// Numbers of the KD protocol as they travel. Sources: the public header windbgkd.h of ReactOS and public captures.
/// Everything is little-endian; structures are read by offset, never by overlay, because the padding differs between
/// compilers and is garbage on the wire.
namespace poolkd::kd {

inline constexpr std::uint8_t data_leader_byte = 0x30;    ///< four of them open a data packet
inline constexpr std::uint8_t control_leader_byte = 0x69; ///< four of them open a control packet
inline constexpr std::uint8_t trailer_byte = 0xaa;        ///< closes a data packet, not counted, not summed
inline constexpr std::uint8_t break_in_byte = 0x62;       ///< outside any packet

// IMAGE_FILE_MACHINE_*, as the version block tells it.
inline constexpr std::uint16_t machine_x86 = 0x014c;
inline constexpr std::uint16_t machine_x64 = 0x8664;
inline constexpr std::uint16_t machine_arm64 = 0xaa64;

inline constexpr std::size_t packet_header_size = 16;
inline constexpr std::size_t max_payload = 4000;
inline constexpr std::uint32_t initial_id = 0x80800000;
inline constexpr std::uint32_t sync_bit = 0x00000800;

enum class PacketType : std::uint16_t {
    state_change_32 = 1,
    manipulate = 2,
    debug_io = 3,
    acknowledge = 4,
    resend = 5,
    reset = 6,
    state_change_64 = 7,
    trace_io = 9,
    control_request = 10,
    file_io = 11,
};

inline constexpr std::size_t manipulate_header_size = 56;
inline constexpr std::size_t state_change_size = 240;
inline constexpr std::size_t debug_io_header_size = 16;
inline constexpr std::size_t file_io_header_size = 64;
inline constexpr std::size_t trace_io_header_size = 64;
inline constexpr std::size_t control_request_size = 12;
/// The most data that one manipulate packet carries.
inline constexpr std::size_t max_manipulate_data = max_payload - manipulate_header_size;

enum class Api : std::uint32_t {
    read_virtual = 0x3130,
    write_virtual = 0x3131,
    get_context = 0x3132,
    set_context = 0x3133,
    write_breakpoint = 0x3134,
    restore_breakpoint = 0x3135,
    continue_ = 0x3136,
    read_control_space = 0x3137,
    write_control_space = 0x3138,
    read_io_space = 0x3139,
    write_io_space = 0x313a,
    reboot = 0x313b,
    continue2 = 0x313c,
    read_physical = 0x313d,
    write_physical = 0x313e,
    get_version = 0x3146,
    cause_bug_check = 0x3149,
    switch_processor = 0x3150,
    read_msr = 0x3152,
    write_msr = 0x3153,
    clear_all_internal_breakpoints = 0x315a,
    query_memory = 0x315c,
    get_context_ex = 0x315f,
    set_context_ex = 0x3160,
};

inline constexpr std::uint32_t state_exception = 0x3030;
inline constexpr std::uint32_t state_load_symbols = 0x3031;
inline constexpr std::uint32_t state_command_string = 0x3032;
inline constexpr std::uint32_t state_alternate_bit = 0x10000;

inline constexpr std::uint32_t print_string = 0x3230;
inline constexpr std::uint32_t get_string = 0x3231;
inline constexpr std::uint32_t create_file = 0x3430;

inline constexpr std::uint32_t dbg_exception_handled = 0x00010001;
inline constexpr std::uint32_t dbg_continue = 0x00010002;
inline constexpr std::uint32_t dbg_exception_not_handled = 0x80010001;

inline constexpr std::uint32_t status_pending = 0x00000103;
inline constexpr std::uint32_t status_unsuccessful = 0xc0000001;
inline constexpr std::uint32_t status_no_such_file = 0xc000000f;

/// NTSTATUS: the sign bit tells failure.
[[nodiscard]] constexpr bool succeeded(std::uint32_t status) {
    return static_cast<std::int32_t>(status) >= 0;
}

} // namespace poolkd::kd

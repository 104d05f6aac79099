#pragma once

#include "base/bytes.h"
#include "kd/wire.h"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace poolkd::kd {

/// What the payload's control report tells; its layout depends on the machine (windbgkd.h of ReactOS).
struct ControlReport {
    std::uint64_t dr6 = 0;
    std::uint64_t dr7 = 0;
    std::uint32_t flags = 0;      ///< EFLAGS
    ByteVector instruction_bytes; ///< at the PC, the target's own breakpoints removed; at most 16
};

struct ExceptionReport {
    std::uint32_t code = 0;
    std::uint32_t flags = 0;
    std::uint64_t address = 0;
    std::vector<std::uint64_t> parameters; ///< at most 15; entries the target does not vouch for are left out
    bool first_chance = true;
    bool operator==(const ExceptionReport&) const = default;
};

struct LoadSymbolsReport {
    std::string path; ///< without NUL; empty when the target gave none
    std::uint64_t base = 0;
    std::uint64_t process_id = 0;
    std::uint32_t checksum = 0;
    std::uint32_t image_size = 0;
    bool unload = false;
    bool operator==(const LoadSymbolsReport&) const = default;

    /// The target goes down or forgets every module (base -1).
    [[nodiscard]] bool forget_all() const { return unload && base == ~std::uint64_t{0}; }
};

struct CommandStringReport {
    std::string name;
    std::string command;
    bool operator==(const CommandStringReport&) const = default;
};

/// A 64-bit state change (packet type 7), the report of a stop.
struct StateChange {
    std::uint32_t new_state = 0; ///< without the alternate-source bit
    std::uint16_t processor = 0;
    std::uint32_t processors = 1;
    std::uint64_t thread = 0;
    std::uint64_t program_counter = 0;
    std::variant<ExceptionReport, LoadSymbolsReport, CommandStringReport> report;
    std::array<std::byte, 48> raw_control_report{};

    [[nodiscard]] ControlReport control_report(std::uint16_t image_machine) const;
    /// True when both tell of one and the same stop (padding and levels may differ between repetitions).
    [[nodiscard]] bool same_stop(const StateChange& other) const;
};

/// Nothing for a payload that is too short or tells an unknown state. Every length in it is checked.
[[nodiscard]] std::optional<StateChange> decode_state_change(Bytes payload);

struct DebugIo {
    bool prompt = false;
    std::uint16_t processor = 0;
    std::string text;
    std::uint32_t longest_answer = 0; ///< prompts only
};
[[nodiscard]] std::optional<DebugIo> decode_debug_io(Bytes payload);
/// The answer to a prompt, cut to what the target can take.
[[nodiscard]] ByteVector encode_prompt_answer(std::uint16_t processor, const std::string& answer,
                                              std::uint32_t longest);

/// "We do not serve this file": the request's header with a failure status. Nothing for a malformed request.
[[nodiscard]] std::optional<ByteVector> refuse_file_io(Bytes payload);
/// Name that a file request asks for, or an empty string when it has none.
[[nodiscard]] std::string file_io_name(Bytes payload);

/// The target asks to borrow a debug register: answered with "not available".
[[nodiscard]] std::optional<ByteVector> refuse_control_request(Bytes payload);

/// DBGKD_GET_VERSION64.
struct Version {
    std::uint16_t major = 0;
    std::uint16_t build = 0;
    std::uint8_t protocol = 0;
    std::uint8_t secondary = 0;
    std::uint16_t flags = 0;
    std::uint16_t machine = 0; ///< IMAGE_FILE_MACHINE_*
    std::uint8_t max_packet_type = 0;
    std::uint8_t max_state_change = 0;
    std::uint8_t max_manipulate = 0;
    std::uint64_t kernel_base = 0;
    std::uint64_t loaded_module_list = 0;
    std::uint64_t debugger_data_list = 0;
    bool operator==(const Version&) const = default;
};
[[nodiscard]] std::optional<Version> decode_version(Bytes manipulate_payload);

/// A manipulate request with zeros in its union; fields are then set with `store` at payload offsets.
[[nodiscard]] ByteVector manipulate_request(Api api, std::uint16_t processor, Bytes data = {});

} // namespace poolkd::kd

#include "kd/messages.h"

#include "base/limits.h"

#include <algorithm>

namespace poolkd::kd {

namespace {

constexpr std::size_t union_at = 32;
constexpr std::size_t control_report_at = 192;
constexpr std::size_t most_parameters = 15;

std::string text_at(Bytes bytes, std::size_t offset, std::size_t length) {
    if (offset >= bytes.size()) return {};
    const Bytes part = bytes.subspan(offset, std::min(length, bytes.size() - offset));
    std::string text;
    text.reserve(part.size());
    for (std::byte b : part)
        text.push_back(static_cast<char>(b));
    return text;
}

std::string until_nul(std::string text) {
    text.resize(std::min(text.size(), text.find('\0')));
    return text;
}

ExceptionReport decode_exception(Bytes payload) {
    ExceptionReport report;
    report.code = load_or<std::uint32_t>(payload, union_at);
    report.flags = load_or<std::uint32_t>(payload, union_at + 4);
    report.address = load_or<std::uint64_t>(payload, union_at + 16);
    const std::size_t count = std::min<std::size_t>(load_or<std::uint32_t>(payload, union_at + 24), most_parameters);
    for (std::size_t i = 0; i < count; ++i)
        report.parameters.push_back(load_or<std::uint64_t>(payload, union_at + 32 + 8 * i));
    report.first_chance = load_or<std::uint32_t>(payload, union_at + 152) != 0;
    return report;
}

LoadSymbolsReport decode_load_symbols(Bytes payload) {
    LoadSymbolsReport report;
    // A ULONG followed by padding: reading 8 bytes here would pick up garbage.
    report.path = until_nul(text_at(payload, state_change_size, load_or<std::uint32_t>(payload, union_at)));
    report.base = load_or<std::uint64_t>(payload, union_at + 8);
    report.process_id = load_or<std::uint64_t>(payload, union_at + 16);
    report.checksum = load_or<std::uint32_t>(payload, union_at + 24);
    report.image_size = load_or<std::uint32_t>(payload, union_at + 28);
    report.unload = load_or<std::uint8_t>(payload, union_at + 32) != 0;
    return report;
}

CommandStringReport decode_command_string(Bytes payload) {
    CommandStringReport report;
    const std::string both = text_at(payload, state_change_size, max_payload);
    report.name = until_nul(both);
    if (report.name.size() + 1 < both.size()) report.command = until_nul(both.substr(report.name.size() + 1));
    return report;
}

} // namespace

ControlReport StateChange::control_report(std::uint16_t image_machine) const {
    const Bytes raw = raw_control_report;
    ControlReport told;
    std::size_t count = 0;
    std::size_t stream_at = 0;
    if (image_machine == machine_x64) {
        told.dr6 = load_or<std::uint64_t>(raw, 0);
        told.dr7 = load_or<std::uint64_t>(raw, 8);
        told.flags = load_or<std::uint32_t>(raw, 16);
        count = load_or<std::uint16_t>(raw, 20);
        stream_at = 24;
    } else if (image_machine == machine_x86) {
        told.dr6 = load_or<std::uint32_t>(raw, 0);
        told.dr7 = load_or<std::uint32_t>(raw, 4);
        told.flags = load_or<std::uint32_t>(raw, 36);
        count = load_or<std::uint16_t>(raw, 8);
        stream_at = 12;
    } else if (image_machine == machine_arm64) {
        count = load_or<std::uint32_t>(raw, 16);
        stream_at = 20;
    }
    const Bytes stream = raw.subspan(stream_at, std::min<std::size_t>(count, 16));
    told.instruction_bytes.assign(stream.begin(), stream.end());
    return told;
}

bool StateChange::same_stop(const StateChange& other) const {
    return new_state == other.new_state && processor == other.processor && thread == other.thread &&
           program_counter == other.program_counter && report == other.report;
}

std::optional<StateChange> decode_state_change(Bytes payload) {
    if (payload.size() < state_change_size) return std::nullopt;
    StateChange change;
    change.new_state = load_or<std::uint32_t>(payload, 0) & ~state_alternate_bit;
    change.processor = load_or<std::uint16_t>(payload, 6);
    change.processors = std::clamp(load_or<std::uint32_t>(payload, 8), 1u, most_processors);
    change.thread = load_or<std::uint64_t>(payload, 16);
    change.program_counter = load_or<std::uint64_t>(payload, 24);
    std::copy_n(payload.begin() + control_report_at, change.raw_control_report.size(),
                change.raw_control_report.begin());
    switch (change.new_state) {
    case state_exception: change.report = decode_exception(payload); break;
    case state_load_symbols: change.report = decode_load_symbols(payload); break;
    case state_command_string: change.report = decode_command_string(payload); break;
    default: return std::nullopt;
    }
    return change;
}

std::optional<DebugIo> decode_debug_io(Bytes payload) {
    const auto api = load<std::uint32_t>(payload, 0);
    const auto length = load<std::uint32_t>(payload, 8);
    if (!api || !length || (*api != print_string && *api != get_string)) return std::nullopt;
    DebugIo io;
    io.prompt = *api == get_string;
    io.processor = load_or<std::uint16_t>(payload, 6);
    if (io.prompt) io.longest_answer = load_or<std::uint32_t>(payload, 12);
    const bool short_header = !io.prompt && payload.size() == 12 + std::size_t{*length};
    io.text = text_at(payload, short_header ? 12 : debug_io_header_size, *length);
    return io;
}

ByteVector encode_prompt_answer(std::uint16_t processor, const std::string& answer, std::uint32_t longest) {
    const std::size_t most = std::min<std::size_t>(longest, max_payload - debug_io_header_size);
    const std::size_t count = std::min(answer.size(), most);
    ByteVector payload(debug_io_header_size + count);
    store(payload, 0, get_string);
    store(payload, 6, processor);
    store(payload, 12, static_cast<std::uint32_t>(count));
    std::transform(answer.begin(), answer.begin() + static_cast<std::ptrdiff_t>(count),
                   payload.begin() + debug_io_header_size, [](char c) { return static_cast<std::byte>(c); });
    return payload;
}

std::optional<ByteVector> refuse_file_io(Bytes payload) {
    if (payload.size() < file_io_header_size) return std::nullopt;
    const Bytes header = payload.first(file_io_header_size);
    ByteVector answer(header.begin(), header.end());
    const bool create = load_or<std::uint32_t>(payload, 0) == create_file;
    store(answer, 4, create ? status_no_such_file : status_unsuccessful);
    return answer;
}

std::string file_io_name(Bytes payload) {
    std::string name;
    if (load_or<std::uint32_t>(payload, 0) != create_file) return name;
    for (std::size_t at = file_io_header_size; at + 1 < payload.size(); at += 2) {
        const auto unit = load_or<std::uint16_t>(payload, at);
        if (unit == 0) break;
        name.push_back(unit >= 0x20 && unit < 0x7f ? static_cast<char>(unit) : '?');
    }
    return name;
}

std::optional<ByteVector> refuse_control_request(Bytes payload) {
    if (payload.size() < control_request_size) return std::nullopt;
    const Bytes header = payload.first(control_request_size);
    ByteVector answer(header.begin(), header.end());
    store(answer, 8, std::uint32_t{0});
    return answer;
}

std::optional<Version> decode_version(Bytes payload) {
    if (payload.size() < manipulate_header_size) return std::nullopt;
    Version version;
    version.major = load_or<std::uint16_t>(payload, 16);
    version.build = load_or<std::uint16_t>(payload, 18);
    version.protocol = load_or<std::uint8_t>(payload, 20);
    version.secondary = load_or<std::uint8_t>(payload, 21);
    version.flags = load_or<std::uint16_t>(payload, 22);
    version.machine = load_or<std::uint16_t>(payload, 24);
    version.max_packet_type = load_or<std::uint8_t>(payload, 26);
    version.max_state_change = load_or<std::uint8_t>(payload, 27);
    version.max_manipulate = load_or<std::uint8_t>(payload, 28);
    version.kernel_base = load_or<std::uint64_t>(payload, 32);
    version.loaded_module_list = load_or<std::uint64_t>(payload, 40);
    version.debugger_data_list = load_or<std::uint64_t>(payload, 48);
    return version;
}

ByteVector manipulate_request(Api api, std::uint16_t processor, Bytes data) {
    ByteVector payload(manipulate_header_size);
    store(payload, 0, static_cast<std::uint32_t>(api));
    store(payload, 6, processor);
    store(payload, 8, status_pending);
    payload.insert(payload.end(), data.begin(), data.end());
    return payload;
}

} // namespace poolkd::kd

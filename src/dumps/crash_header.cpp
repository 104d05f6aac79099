#include "dumps/crash_header.h"

#include "dumps/crash_layout.h"

#include <algorithm>

namespace poolkd::dumps {

namespace {

constexpr std::uint32_t attribute_short = 1u << 2;
constexpr std::uint32_t attribute_encrypted = 1u << 8;

/// Reads fields; those that nobody filled are nothing.
class HeaderReader {
  public:
    HeaderReader(Bytes bytes, const CrashHeaderLayout& layout) : bytes_(bytes), layout_(layout) {}

    [[nodiscard]] std::optional<std::uint64_t> number(std::size_t offset, unsigned size) const {
        auto value = load_unsigned(bytes_, offset, size);
        constexpr std::uint64_t fill = 0x4547415045474150;
        const std::uint64_t mask = size == 8 ? ~0ull : (1ull << (8 * size)) - 1;
        if (value == (fill & mask)) return std::nullopt;
        return value;
    }
    [[nodiscard]] std::optional<std::uint32_t> u32(std::size_t offset) const {
        auto value = number(offset, 4);
        return value ? std::optional(static_cast<std::uint32_t>(*value)) : std::nullopt;
    }
    [[nodiscard]] std::optional<std::uint64_t> pointer(std::size_t offset) const {
        return number(offset, layout_.pointer());
    }
    /// Widened as the machine does it. No variable of the kernel lies at 0.
    [[nodiscard]] std::optional<VirtAddr> address(std::size_t offset) const {
        auto value = pointer(offset);
        if (!value || *value == 0) return std::nullopt;
        return widened(*value);
    }
    [[nodiscard]] VirtAddr widened(std::uint64_t value) const {
        return layout_.is_64 ? VirtAddr(value) : x86_machine().canonical(value);
    }

  private:
    Bytes bytes_;
    const CrashHeaderLayout& layout_;
};

std::optional<ExceptionRecord> read_exception(const HeaderReader& header, const CrashHeaderLayout& layout) {
    const std::size_t at = layout.exception;
    const unsigned pointer = layout.pointer();
    auto code = header.u32(at);
    if (!code || *code == 0) return std::nullopt;
    ExceptionRecord record;
    record.code = *code;
    record.flags = header.u32(at + 4).value_or(0);
    record.address = header.widened(header.pointer(at + 8 + pointer).value_or(0));
    const std::uint32_t count = header.u32(at + 8 + 2 * pointer).value_or(0);
    const std::size_t parameters = at + (layout.is_64 ? 0x20 : 0x14);
    for (std::uint32_t i = 0; i < std::min<std::size_t>(count, most_exception_parameters); ++i)
        record.parameters.push_back(header.pointer(parameters + i * pointer).value_or(0));
    return record;
}

ByteVector read_header_context(Bytes bytes, const CrashHeaderLayout& layout,
                               std::optional<std::uint16_t> image_machine) {
    // Sizes and places of ContextFlags from the public headers; a record whose flags nobody set is none.
    std::size_t size = 0, flags_at = 0;
    switch (image_machine.value_or(0)) {
    case 0x14c: size = 0x2cc; break;
    case 0x8664: size = 0x4d0, flags_at = 0x30; break;
    case 0xaa64: size = 0x390; break;
    default: return {};
    }
    const auto flags = load_or<std::uint32_t>(bytes, layout.context + flags_at, 0);
    if (size > layout.context_room || flags == 0 || flags == crash_signature) return {};
    const Bytes record = bytes.subspan(layout.context, size);
    return {record.begin(), record.end()};
}

std::string read_comment(Bytes bytes, std::size_t offset) {
    std::string text;
    if (load<std::uint32_t>(bytes, offset) == crash_signature) return text;
    for (std::size_t i = 0; i < comment_bytes; ++i) {
        const char c = static_cast<char>(bytes[offset + i]);
        if (c == 0) break;
        text += c >= 0x20 && c < 0x7f ? c : '.';
    }
    return text;
}

void read_memory_block(const HeaderReader& header, const CrashHeaderLayout& layout, CrashHeader& into) {
    auto count = header.u32(layout.memory_block);
    if (!count) return;
    into.stated_pages = header.pointer(layout.memory_pages);
    if (*count > layout.most_runs)
        into.facts.remarks.push_back(
            fmt::format("The header tells of {} runs of memory, and has room for {}.", *count, layout.most_runs));
    for (std::size_t i = 0; i < std::min<std::size_t>(*count, layout.most_runs); ++i) {
        const std::size_t at = layout.memory_runs + i * 2 * layout.pointer();
        into.runs.push_back({header.pointer(at).value_or(0), header.pointer(at + layout.pointer()).value_or(0)});
    }
}

} // namespace

bool has_crash_signature(Bytes bytes) {
    const auto valid = load<std::uint32_t>(bytes, 4);
    return load<std::uint32_t>(bytes, 0) == crash_signature && (valid == crash_valid_32 || valid == crash_valid_64);
}

Result<CrashHeader> read_crash_header(Bytes bytes) {
    if (!has_crash_signature(bytes)) return fail(ErrorKind::malformed, "it does not begin as a crash dump");
    const CrashHeaderLayout& layout =
        load<std::uint32_t>(bytes, 4) == crash_valid_64 ? crash_layout_64 : crash_layout_32;
    if (bytes.size() < layout.size)
        return fail(ErrorKind::malformed, "the crash dump ends inside its header ({} of {} bytes)", bytes.size(),
                    layout.size);
    const HeaderReader header(bytes, layout);
    CrashHeader result;
    result.is_64 = layout.is_64;
    result.size = layout.size;
    result.type = static_cast<DumpType>(header.u32(layout.type).value_or(0));
    result.triage_fields = header.u32(layout.triage_fields);

    ImageFacts& facts = result.facts;
    if (auto machine = header.u32(layout.machine); machine && *machine <= 0xffff) {
        facts.image_machine = static_cast<std::uint16_t>(*machine);
        facts.machine = find_machine(*facts.image_machine);
    }
    if (!layout.is_64)
        if (auto pae = header.number(layout.pae, 1)) facts.pae = *pae != 0;
    facts.major = header.u32(8);
    facts.build = header.u32(0xc);
    facts.processor_count = header.u32(layout.processors);
    if (auto root = header.pointer(layout.directory_table_base); root && *root != 0) facts.directory_table_base = root;
    facts.loaded_module_list = header.address(layout.modules);
    facts.active_process_head = header.address(layout.processes);
    facts.pfn_database = header.address(layout.pfn_database);
    facts.debugger_data = header.address(layout.debugger_data);
    if (auto code = header.u32(layout.bug_check)) {
        facts.bug_check = BugCheck{*code, {}};
        for (std::size_t i = 0; i < 4; ++i)
            facts.bug_check->parameters[i] = header.pointer(layout.parameters + i * layout.pointer()).value_or(0);
    }
    facts.exception = read_exception(header, layout);
    facts.context = read_header_context(bytes, layout, facts.image_machine);
    facts.system_time = header.number(layout.system_time, 8);
    facts.up_time = header.number(layout.up_time, 8);
    facts.product_type = header.u32(layout.product_type);
    facts.suite_mask = header.u32(layout.suite_mask);
    facts.attributes = header.u32(layout.attributes);
    facts.comment = read_comment(bytes, layout.comment);
    const std::uint32_t attributes = facts.attributes.value_or(0);
    result.encrypted = (attributes & attribute_encrypted) != 0;
    result.expected_short = (attributes & attribute_short) != 0;
    read_memory_block(header, layout, result);
    return result;
}

} // namespace poolkd::dumps

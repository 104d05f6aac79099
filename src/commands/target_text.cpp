#include "commands/target_text.h"

#include "commands/memory_rows.h"
#include "nt/strings.h"

#include <algorithm>
#include <array>

namespace poolkd::commands {

using debugger::Session;

namespace {

std::string printable(std::string_view bytes) {
    std::string out;
    for (char c : bytes)
        out += shown(static_cast<unsigned char>(c));
    return out;
}

/// UTF-16 units up to a NUL, read in pieces because the text may end just ahead of a hole.
Result<std::string> read_utf16(memory::AddressSpace& memory, VirtAddr address) {
    constexpr std::size_t piece = 64;
    ByteVector units;
    while (units.size() < 2 * target_text_limit) {
        std::array<std::byte, piece> buffer;
        const memory::ReadResult read = memory.read(address + units.size(), buffer);
        for (std::size_t i = 0; i + 1 < read.bytes; i += 2) {
            if (buffer[i] == std::byte{0} && buffer[i + 1] == std::byte{0}) return nt::utf8_from_utf16(units);
            units.insert(units.end(), {buffer[i], buffer[i + 1]});
        }
        if (read.bytes < piece) POOLKD_CHECK(memory::read_exact(memory, address + units.size(), MutableBytes(buffer)));
    }
    return nt::utf8_from_utf16(units);
}

/// An ANSI_STRING: Length u16 at 0 (bytes), Buffer at 4 or 8, as UNICODE_STRING has them.
Result<std::string> read_ansi_string(Session& session, VirtAddr address) {
    const unsigned pointer = session.pointer_size();
    POOLKD_TRY(ByteVector record, memory::read_exact(session.memory(), address, 2u * pointer));
    const std::size_t length = std::min<std::size_t>(load_or<std::uint16_t>(record, 0), target_text_limit);
    const VirtAddr buffer = session.kernel().machine().canonical(load_unsigned(record, pointer, pointer).value_or(0));
    if (length == 0) return std::string();
    POOLKD_TRY(ByteVector text, memory::read_exact(session.memory(), buffer, length));
    return printable(std::string_view(reinterpret_cast<const char*>(text.data()), text.size()));
}

} // namespace

bool is_target_text(std::string_view letters) {
    return letters == "ma" || letters == "mu" || letters == "msa" || letters == "msu";
}

Result<std::string> read_target_text(Session& session, std::string_view letters, VirtAddr address) {
    if (!session.has_target()) return fail_at(address, ErrorKind::unreadable, "There is no target");
    if (letters == "ma") {
        POOLKD_TRY(std::string text, memory::read_c_string(session.memory(), address, target_text_limit));
        return printable(text);
    }
    if (letters == "mu") return read_utf16(session.memory(), address);
    if (letters == "msa") return read_ansi_string(session, address);
    return nt::read_unicode_string(session.memory(), address, session.kernel().machine());
}

} // namespace poolkd::commands

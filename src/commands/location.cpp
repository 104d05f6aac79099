#include "commands/location.h"

#include "code/decoder.h"
#include "code/effective_address.h"
#include "code/namer.h"

namespace poolkd::commands {

namespace {

constexpr std::size_t note_column = 71; // where kd puts it, unless the operands reach further

std::string instruction_row(debugger::Session& session, VirtAddr ip, const RegisterFile* registers) {
    std::array<std::byte, code::max_instruction_bytes> buffer;
    std::size_t have = session.memory().read(ip, buffer).bytes;
    const auto name = code::namer_of(session.kernel());
    auto decoded = code::decode(session.kernel().machine(), Bytes(buffer).first(have), ip, name);
    if (!decoded) {
        std::string raw = have == 0 ? "??" : fmt::format("{:02x}", std::to_integer<unsigned>(buffer[0]));
        return fmt::format("{} {:<15} ???\n", session.address_text(ip), raw);
    }
    std::string raw;
    for (std::byte b : decoded->bytes())
        raw += fmt::format("{:02x}", std::to_integer<unsigned>(b));
    std::string row =
        fmt::format("{} {:<15} {:<7} {}", session.address_text(ip), raw, decoded->mnemonic, decoded->operands);
    if (registers)
        if (std::string note = code::operand_note(*decoded, *registers, session.memory(), name); !note.empty())
            row = fmt::format("{:<{}} {}", row, note_column, note);
    row.resize(trim(row).size());
    return row + "\n";
}

} // namespace

std::string location_text(debugger::Session& session, VirtAddr ip, const RegisterFile* registers) {
    std::string symbol = session.symbol_text(ip);
    return (symbol.empty() ? std::string() : symbol + ":\n") + instruction_row(session, ip, registers);
}

} // namespace poolkd::commands

#include "commands/location.h"

#include "code/decoder.h"
#include "code/namer.h"

namespace poolkd::commands {

namespace {

std::string instruction_row(debugger::Session& session, VirtAddr ip) {
    std::array<std::byte, code::max_instruction_bytes> buffer;
    std::size_t have = session.memory().read(ip, buffer).bytes;
    auto decoded = code::decode_x64(Bytes(buffer).first(have), ip, code::namer_of(session.kernel()));
    if (!decoded) {
        std::string raw = have == 0 ? "??" : fmt::format("{:02x}", std::to_integer<unsigned>(buffer[0]));
        return fmt::format("{} {:<15} ???\n", session.address_text(ip), raw);
    }
    std::string raw;
    for (std::byte b : decoded->bytes())
        raw += fmt::format("{:02x}", std::to_integer<unsigned>(b));
    std::string row =
        fmt::format("{} {:<15} {:<7} {}", session.address_text(ip), raw, decoded->mnemonic, decoded->operands);
    row.resize(trim(row).size());
    return row + "\n";
}

} // namespace

std::string location_text(debugger::Session& session, VirtAddr ip) {
    std::string symbol = session.symbol_text(ip);
    return (symbol.empty() ? std::string() : symbol + ":\n") + instruction_row(session, ip);
}

} // namespace poolkd::commands

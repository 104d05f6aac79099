#include "commands/location.h"

#include "base/text.h"
#include "code/decoder.h"
#include "code/effective_address.h"
#include "code/namer.h"
#include "render/code.h"
#include "target/segments.h"

namespace poolkd::commands {

namespace {

constexpr std::size_t note_column = 71; // where kd puts it, unless the operands reach further

code::SegmentBase bases(debugger::Session& session, const RegisterFile& registers) {
    return [&](std::string_view segment) -> std::optional<VirtAddr> {
        auto base = target::segment_base(session.target(), session.processor(), registers, segment);
        return base ? std::optional(*base) : std::nullopt;
    };
}

std::string row_at(debugger::Session& session, VirtAddr ip, const RegisterFile* registers) {
    std::array<std::byte, code::max_instruction_bytes> buffer;
    std::size_t have = session.memory().read(ip, buffer).bytes;
    const auto name = code::namer_of(session.kernel());
    auto decoded = code::decode(session.kernel().machine(), Bytes(buffer).first(have), ip, name);
    if (!decoded) {
        std::string raw = have == 0 ? "??" : hex_text(Bytes(buffer).first(1));
        return fmt::format("{} {:<15} ???\n", session.address_text(ip), raw);
    }
    std::string row = render::instruction_row(*decoded);
    if (registers)
        if (std::string note =
                code::operand_note(*decoded, *registers, session.memory(), name, bases(session, *registers));
            !note.empty())
            row = fmt::format("{:<{}} {}", row, note_column, note);
    return row + "\n";
}

} // namespace

std::string location_text(debugger::Session& session, VirtAddr ip, const RegisterFile* registers) {
    std::string symbol = session.symbol_text(ip);
    return (symbol.empty() ? std::string() : symbol + ":\n") + row_at(session, ip, registers);
}

} // namespace poolkd::commands

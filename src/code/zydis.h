#pragma once

// Internal to this folder: Zydis' decoder behind the fewest names.

#include "base/machine.h"

#include <Zydis/Zydis.h>

#include <array>
#include <cstring>
#include <string>
#include <string_view>

namespace poolkd::code::zydis {

struct Decoded {
    ZydisDecodedInstruction instruction{};
    std::array<ZydisDecodedOperand, ZYDIS_MAX_OPERAND_COUNT> operands{};
};

enum class Outcome { good, malformed, truncated };

Outcome decode(const Machine& machine, Bytes bytes, Decoded& out);

/// The instruction without its operands, and those operands: all, or the visible ones. In two steps, since most of the
/// time goes into operands.
struct Partial {
    ZydisDecoderContext context{};
    Decoded decoded;
};
Outcome decode_instruction(const Machine& machine, Bytes bytes, Partial& out);
bool decode_operands(const Machine& machine, Partial& out, bool all);

/// "rax"; empty for none.
std::string_view register_name(ZydisRegister reg);

/// Number of a general register of the machine's full width in its encoding (rax 0 … r15 15, eax 0 … edi 7), or -1.
int gpr_number(const Machine& machine, ZydisRegister reg);

/// movs, stos and their like: kd prints their memory operands, Zydis only the size in the mnemonic.
bool names_its_memory(const ZydisDecodedInstruction& instruction);

/// Operands as kd prints them, joined by commas.
std::string format_operands(const Machine& machine, const Decoded& decoded, std::uint64_t address, const void* namer);

} // namespace poolkd::code::zydis

#include "code/zydis.h"

namespace poolkd::code::zydis {

namespace {

ZydisDecoder make_decoder(ZydisMachineMode mode, ZydisStackWidth width) {
    ZydisDecoder decoder;
    ZydisDecoderInit(&decoder, mode, width);
    return decoder;
}

const ZydisDecoder& decoder_of(const Machine& machine) {
    static const ZydisDecoder x64 = make_decoder(ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    static const ZydisDecoder x86 = make_decoder(ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32);
    return machine.pointer_size == 8 ? x64 : x86;
}

} // namespace

Outcome decode(const Machine& machine, Bytes bytes, Decoded& out) {
    if (bytes.empty()) return Outcome::truncated; // Zydis takes this for a misuse
    ZyanStatus status =
        ZydisDecoderDecodeFull(&decoder_of(machine), bytes.data(), bytes.size(), &out.instruction, out.operands.data());
    if (ZYAN_SUCCESS(status)) return Outcome::good;
    return status == ZYDIS_STATUS_NO_MORE_DATA ? Outcome::truncated : Outcome::malformed;
}

Outcome decode_instruction(const Machine& machine, Bytes bytes, Partial& out) {
    if (bytes.empty()) return Outcome::truncated;
    const ZyanStatus status = ZydisDecoderDecodeInstruction(&decoder_of(machine), &out.context, bytes.data(),
                                                            bytes.size(), &out.decoded.instruction);
    if (ZYAN_SUCCESS(status)) return Outcome::good;
    return status == ZYDIS_STATUS_NO_MORE_DATA ? Outcome::truncated : Outcome::malformed;
}

bool decode_operands(const Machine& machine, Partial& out, bool all) {
    const ZydisDecodedInstruction& raw = out.decoded.instruction;
    const std::uint8_t count = all ? raw.operand_count : raw.operand_count_visible;
    return ZYAN_SUCCESS(
        ZydisDecoderDecodeOperands(&decoder_of(machine), &out.context, &raw, out.decoded.operands.data(), count));
}

std::string_view register_name(ZydisRegister reg) {
    if (reg == ZYDIS_REGISTER_NONE) return {};
    const char* name = ZydisRegisterGetString(reg);
    return name ? std::string_view(name) : std::string_view();
}

int gpr_number(const Machine& machine, ZydisRegister reg) {
    const bool wide = machine.pointer_size == 8;
    const ZydisRegister first = wide ? ZYDIS_REGISTER_RAX : ZYDIS_REGISTER_EAX;
    const ZydisRegister last = wide ? ZYDIS_REGISTER_R15 : ZYDIS_REGISTER_EDI;
    return reg < first || reg > last ? -1 : static_cast<int>(reg) - static_cast<int>(first);
}

} // namespace poolkd::code::zydis

#include "code/zydis.h"

namespace poolkd::code::zydis {

Outcome decode(Bytes bytes, Decoded& out) {
    if (bytes.empty()) return Outcome::truncated; // Zydis takes this for a misuse
    static const ZydisDecoder decoder = [] {
        ZydisDecoder fresh;
        ZydisDecoderInit(&fresh, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
        return fresh;
    }();
    ZyanStatus status =
        ZydisDecoderDecodeFull(&decoder, bytes.data(), bytes.size(), &out.instruction, out.operands.data());
    if (ZYAN_SUCCESS(status)) return Outcome::good;
    return status == ZYDIS_STATUS_NO_MORE_DATA ? Outcome::truncated : Outcome::malformed;
}

std::string_view register_name(ZydisRegister reg) {
    if (reg == ZYDIS_REGISTER_NONE) return {};
    const char* name = ZydisRegisterGetString(reg);
    return name ? std::string_view(name) : std::string_view();
}

int gpr_number(ZydisRegister reg) {
    if (reg < ZYDIS_REGISTER_RAX || reg > ZYDIS_REGISTER_R15) return -1;
    return static_cast<int>(reg) - static_cast<int>(ZYDIS_REGISTER_RAX);
}

} // namespace poolkd::code::zydis

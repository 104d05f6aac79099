#include "code/registers.h"

namespace poolkd::code {

namespace {

constexpr std::string_view names[gpr_count] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                               "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
constexpr std::uint16_t volatile_registers =
    1u << rax | 1u << rcx | 1u << rdx | 1u << r8 | 1u << r9 | 1u << r10 | 1u << r11;

} // namespace

std::string_view gpr_name(std::size_t number) {
    return number < gpr_count ? names[number] : std::string_view();
}

void X64Registers::forget_volatile() {
    known = static_cast<std::uint16_t>(known & ~volatile_registers);
}

X64Registers X64Registers::from(const RegisterFile& file) {
    X64Registers out;
    for (std::size_t i = 0; i < gpr_count; ++i)
        out.gpr[i] = file.get(names[i]).value_or(0);
    out.rip = file.get("rip").value_or(0);
    return out;
}

RegisterFile X64Registers::applied_to(const RegisterFile& base) const {
    RegisterFile out = base;
    for (std::size_t i = 0; i < gpr_count; ++i)
        out.set(names[i], gpr[i]);
    out.set("rip", rip);
    return out;
}

} // namespace poolkd::code

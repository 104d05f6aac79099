#include "code/registers.h"

#include <algorithm>
#include <span>

namespace poolkd::code {

namespace {

constexpr std::string_view names_64[] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                         "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
constexpr std::string_view names_32[] = {"eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"};
constexpr std::uint16_t volatile_registers =
    1u << rax | 1u << rcx | 1u << rdx | 1u << r8 | 1u << r9 | 1u << r10 | 1u << r11;

std::span<const std::string_view> names_of(const Machine& machine) {
    return machine.pointer_size == 8 ? std::span(names_64) : std::span<const std::string_view>(names_32);
}

} // namespace

std::string_view gpr_name(const Machine& machine, std::size_t number) {
    const auto names = names_of(machine);
    return number < names.size() ? names[number] : std::string_view();
}

void GeneralRegisters::forget_volatile() {
    known = static_cast<std::uint16_t>(known & ~volatile_registers);
}

GeneralRegisters GeneralRegisters::from(const RegisterFile& file) {
    GeneralRegisters out;
    out.machine = &file.machine();
    const auto names = names_of(file.machine());
    for (std::size_t i = 0; i < names.size(); ++i)
        out.gpr[i] = file.get(names[i]).value_or(0);
    out.pc = file.get(file.machine().instruction_pointer).value_or(0);
    return out;
}

RegisterFile GeneralRegisters::applied_to(const RegisterFile& base) const {
    RegisterFile out = base;
    const auto names = names_of(base.machine());
    for (std::size_t i = 0; i < names.size(); ++i)
        out.set(names[i], gpr[i]);
    out.set(base.machine().instruction_pointer, pc);
    return out;
}

} // namespace poolkd::code

#pragma once

#include "base/machine.h"

#include <array>
#include <cstdint>
#include <string_view>

namespace poolkd::code {

/// General registers by their number in the instruction encoding and in the unwind codes. x86 has the first eight, as
/// eax … edi.
enum Gpr : std::uint8_t { rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15 };
inline constexpr std::size_t gpr_count = 16;
/// Empty where the machine has no such register.
std::string_view gpr_name(const Machine& machine, std::size_t number);

/// The registers that unwinding follows. XMM registers are not followed: no return address depends on them.
struct GeneralRegisters {
    const Machine* machine = &x64_machine();
    std::array<std::uint64_t, gpr_count> gpr{}; ///< on x86 the lower 32 bits count
    std::uint64_t pc = 0;                       ///< rip, eip
    std::uint16_t known = 0xffff; ///< bit n: gpr[n] is the frame's own value, not a leftover of a function it called

    [[nodiscard]] VirtAddr ip() const { return machine->canonical(pc); }
    [[nodiscard]] VirtAddr sp() const { return address_in(rsp); }
    /// The address that a register holds.
    [[nodiscard]] VirtAddr address_in(std::size_t number) const { return machine->canonical(gpr[number]); }
    void set(std::size_t number, std::uint64_t value) {
        gpr[number] = value;
        known = static_cast<std::uint16_t>(known | (1u << number));
    }
    /// After a return: what the callee may have changed is no longer known.
    void forget_volatile();

    static GeneralRegisters from(const RegisterFile& file);
    /// A copy of `base` (a CONTEXT of the same machine) with these registers.
    [[nodiscard]] RegisterFile applied_to(const RegisterFile& base) const;
};

} // namespace poolkd::code

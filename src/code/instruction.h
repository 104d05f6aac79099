#pragma once

#include "base/address.h"
#include "base/bytes.h"
#include "base/machine.h"

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace poolkd::code {

enum class InstructionKind {
    other,
    call,
    jump,             ///< unconditional
    conditional_jump, ///< also loop and jrcxz
    ret,              ///< ret, iretq, sysret
    breakpoint,       ///< int3 (CC) or int 3 (CD 03)
};
std::string_view to_words(InstructionKind kind);

/// A memory operand as the instruction states it. Register names are lower case as in Machine; empty when absent.
/// `rip` as base stands for the address after the instruction.
struct MemoryOperand {
    std::string_view segment;
    std::string_view base;
    std::string_view index;
    std::uint8_t scale = 1;
    std::int64_t displacement = 0;
    std::uint16_t size = 0;    ///< bytes that are read or written
    bool only_address = false; ///< lea, nop: nothing is read or written there
};

/// A constant inside the instruction's bytes.
struct Immediate {
    std::uint64_t value = 0; ///< extended to the operand's size, and cut there
    std::uint8_t offset = 0; ///< bytes from the start of the instruction
    std::uint8_t size = 0;   ///< bytes in the instruction
};

/// One decoded instruction with its text as kd prints it.
struct Instruction {
    const Machine* machine = nullptr; ///< whose; never null in what the decoder gives
    VirtAddr address;
    std::uint8_t length = 0; ///< 1 to 15
    std::array<std::byte, 15> raw{};
    std::string mnemonic; ///< with prefixes: "mov", "lock xadd"
    std::string operands; ///< "r8d,20636241h"; empty when there are none
    InstructionKind kind = InstructionKind::other;
    /// Where a direct call or jump goes.
    std::optional<VirtAddr> target;
    /// Address of a memory operand that depends on no register (but rip): an import slot, a global variable.
    std::optional<VirtAddr> slot;
    std::optional<MemoryOperand> memory;
    std::optional<Immediate> immediate; ///< not of branches

    [[nodiscard]] Bytes bytes() const { return Bytes(raw).first(length); }
    [[nodiscard]] VirtAddr next() const { return address + length; }
    /// Control does not simply go on to the next instruction.
    [[nodiscard]] bool ends_block() const {
        return kind == InstructionKind::jump || kind == InstructionKind::conditional_jump ||
               kind == InstructionKind::ret;
    }
};

/// Gives "nt!ExFreePool+0x12" for an address, or an empty text when nothing is known of it.
using AddressNamer = std::function<std::string(VirtAddr)>;

} // namespace poolkd::code

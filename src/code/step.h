#pragma once

#include "base/bytes.h"
#include "base/machine.h"

#include <cstdint>
#include <optional>

namespace poolkd::code {

/// What an instruction does to values, as far as value flow follows it.
enum class Action : std::uint8_t {
    nothing, ///< changes no general register and no memory that is followed
    move,
    move_signed, ///< movsx, movsxd
    address,     ///< lea
    add,
    subtract,
    bit_and,
    bit_or,
    bit_xor,
    shift_left,
    select, ///< cmov: the source or what was there
    push,
    pop,
    leave,
    call,
    jump,
    branch, ///< conditional
    ret,
    stop,  ///< int3, ud2: what follows is not reached
    other, ///< `clobbered` registers and `to` hold something new
};

/// An operand.
struct Place {
    enum class Kind : std::uint8_t { none, reg, memory, immediate };
    static constexpr std::uint8_t no_register = 0xff;

    Kind kind = Kind::none;
    std::uint8_t size = 0;            ///< bytes; of an immediate those of what it goes to
    std::uint8_t reg = no_register;   ///< in its encoding: rax 0 … r15 15
    bool high_byte = false;           ///< ah, ch, dh, bh
    std::uint8_t base = no_register;  ///< of memory
    std::uint8_t index = no_register; ///< of memory
    std::uint8_t scale = 0;
    bool fixed = false;      ///< memory that depends on no register but `index`: `value` is its address
    bool elsewhere = false;  ///< memory of another segment (gs:, fs:)
    std::uint8_t offset = 0; ///< where in the instruction an immediate of four bytes lies; 0: there is none
    std::uint64_t value = 0; ///< immediate, displacement, or address

    bool operator==(const Place&) const = default;
};

/// One instruction. Addresses are RVAs, or 64-bit addresses where an operand states one.
struct Step {
    std::uint32_t rva = 0;
    std::uint8_t length = 0;
    Action action = Action::nothing;
    std::uint16_t clobbered = 0; ///< bit per register that is written beside `to`
    std::uint16_t popped = 0;    ///< bytes that `ret n` removes
    bool writes_memory = false;  ///< of `other`: `to` is written
    bool direct = false;         ///< of branches: `target` is set
    bool filler = false;         ///< nop
    std::uint64_t target = 0;    ///< address that a direct call or jump goes to
    Place to, from;

    bool operator==(const Step&) const = default;
    [[nodiscard]] std::uint32_t next() const { return rva + length; }
    [[nodiscard]] bool goes_on() const {
        return action != Action::jump && action != Action::ret && action != Action::stop;
    }
};

/// What a step is decoded for.
enum class Detail : std::uint8_t {
    all,
    control, ///< where control goes: `to` and `from` of other instructions may stay empty
};

/// The instruction at the start of `code`, which lies at `rva` of an image at `base`. Nothing where there is none.
std::optional<Step> decode_step(const Machine& machine, Bytes code, std::uint64_t base, std::uint32_t rva,
                                Detail detail = Detail::all);

} // namespace poolkd::code

#include "code/common_step.h"

#include "code/decoder.h"

#include <cstring>

namespace poolkd::code {

namespace {

/// One instruction: its opcode behind at most a REX prefix, what ModRM and SIB state, and an immediate.
class CommonDecoder {
  public:
    CommonDecoder(const Machine& machine, Bytes code, std::uint64_t base, Step& step)
        : code_(code), wide_machine_(machine.pointer_size == 8), address_(base + step.rva), step_(step) {}

    bool decode() {
        unsigned opcode = next();
        if (wide_machine_ && (opcode & 0xf0) == 0x40) {
            rex_ = opcode;
            opcode = next();
        }
        size_ = (rex_ & 8) != 0 ? 8 : 4;
        if (!(opcode == 0x0f ? long_opcode(next()) : short_opcode(opcode))) return false;
        step_.length = static_cast<std::uint8_t>(at_);
        if (step_.direct) {
            step_.target += address_ + at_;
            if (!wide_machine_) step_.target = static_cast<std::uint32_t>(step_.target);
        }
        for (Place* place : {&step_.to, &step_.from})
            if (place == relative_) place->value += address_ + at_;
        return true;
    }

  private:
    unsigned next() { return std::to_integer<unsigned>(code_[at_++]); }
    template <class T>
    T number() {
        T value;
        std::memcpy(&value, code_.data() + at_, sizeof value);
        at_ += sizeof value;
        return value;
    }

    bool short_opcode(unsigned opcode) {
        if (opcode < 0x40) return arithmetic(opcode);
        switch (opcode & 0xf8) {
        case 0x40:
        case 0x48: // inc, dec; on x64 a second REX
            return !wide_machine_ && count(bit(opcode & 7));
        case 0x50: return finish(Action::push, step_.from, general((opcode & 7) | rex_b(), pointer()));
        case 0x58: return finish(Action::pop, step_.to, general((opcode & 7) | rex_b(), pointer()));
        case 0x70:
        case 0x78: return branch(Action::branch, number<std::int8_t>());
        case 0xb8:
            step_.from = size_ == 8 ? immediate(number<std::uint64_t>(), 8) : signed_word();
            return finish(Action::move, step_.to, general((opcode & 7) | rex_b(), size_));
        default: break;
        }
        switch (opcode) {
        case 0x63: // movsxd, on x64
            if (!wide_machine_ || size_ != 8) return false;
            return load(Action::move_signed, 4);
        case 0x68: return finish(Action::push, step_.from, signed_word());
        case 0x6a: return finish(Action::push, step_.from, signed_byte());
        case 0x80:
        case 0x81:
        case 0x83: return arithmetic_with_immediate(opcode);
        case 0x84:
        case 0x85: return compare(opcode == 0x84 ? 1 : size_); // test
        case 0x88:
        case 0x89: return store(opcode == 0x88 ? 1 : size_);
        case 0x8a:
        case 0x8b: size_ = opcode == 0x8a ? 1 : size_; return load(Action::move, size_);
        case 0x8d: return address();
        case 0x90:
            if (rex_ != 0) return false;
            step_.filler = true;
            return true;
        case 0xa8: next(); return true; // test al
        case 0xa9: number<std::uint32_t>(); return true;
        case 0xc1: return shift();
        case 0xc2: step_.popped = number<std::uint16_t>(); [[fallthrough]];
        case 0xc3: step_.action = Action::ret; return true;
        case 0xc6:
        case 0xc7: return store_immediate(opcode);
        case 0xc9: step_.action = Action::leave; return true;
        case 0xcc: step_.action = Action::stop; return true;
        case 0xe8: return branch(Action::call, number<std::int32_t>());
        case 0xe9: return branch(Action::jump, number<std::int32_t>());
        case 0xeb: return branch(Action::jump, number<std::int8_t>());
        case 0xf6:
        case 0xf7: return unary(opcode);
        case 0xff: return group_of_ff();
        default: return false;
        }
    }

    bool long_opcode(unsigned opcode) {
        switch (opcode & 0xf0) {
        case 0x40: return load(Action::select, size_);
        case 0x80: return branch(Action::branch, number<std::int32_t>());
        case 0x90: // setcc
            mod_rm();
            if ((reg_ & 7) != 0) return false;
            return change(1);
        default: break;
        }
        switch (opcode) {
        case 0x10:
        case 0x28:
        case 0x57: // loads of and arithmetic in xmm registers
            mod_rm();
            skip_rm();
            return true;
        case 0x11:
        case 0x29: // stores of them
            mod_rm();
            if (mod_ == 3) return true;
            return change(16);
        case 0x1f:
            mod_rm();
            skip_rm();
            step_.filler = true;
            return true;
        case 0xaf: // imul
            mod_rm();
            skip_rm();
            return count(bit(reg_));
        case 0xb6: return load(Action::move, 1);
        case 0xb7: return load(Action::move, 2);
        case 0xbe: return load(Action::move_signed, 1);
        case 0xbf: return load(Action::move_signed, 2);
        default: return false;
        }
    }

    static Action action_of(unsigned number) {
        switch (number) {
        case 0: return Action::add;
        case 1: return Action::bit_or;
        case 4: return Action::bit_and;
        case 5: return Action::subtract;
        case 6: return Action::bit_xor;
        case 7: return Action::nothing; // cmp
        default: return Action::other;  // adc, sbb: they read the carry
        }
    }

    bool arithmetic(unsigned opcode) {
        const Action action = action_of(opcode >> 3);
        const unsigned form = opcode & 7;
        if (action == Action::other || form > 5) return false;
        const unsigned size = (form & 1) != 0 ? size_ : 1;
        if (form >= 4) {
            step_.from = form == 4 ? signed_byte() : signed_word();
            step_.to = general(0, size);
        } else {
            mod_rm();
            Place& in_rm = form < 2 ? step_.to : step_.from;
            (form < 2 ? step_.from : step_.to) = general(reg_, size);
            rm(in_rm, size);
        }
        return settle(action);
    }

    bool arithmetic_with_immediate(unsigned opcode) {
        mod_rm();
        const Action action = action_of(reg_ & 7);
        if (action == Action::other) return false;
        const unsigned size = opcode == 0x80 ? 1 : size_;
        rm(step_.to, size);
        step_.from = opcode == 0x81 ? signed_word() : signed_byte();
        return settle(action);
    }

    /// An action that has `to` and `from`; of a comparison nothing is left.
    bool settle(Action action) {
        step_.action = action;
        if (step_.from.kind == Place::Kind::immediate) step_.from.size = step_.to.size;
        if (action != Action::nothing) return true;
        step_.to = step_.from = {};
        relative_ = nullptr;
        return true;
    }

    bool compare(unsigned size) {
        mod_rm();
        rm(step_.to, size);
        return settle(Action::nothing);
    }

    bool store(unsigned size) {
        mod_rm();
        step_.from = general(reg_, size);
        rm(step_.to, size);
        return settle(Action::move);
    }

    bool store_immediate(unsigned opcode) {
        mod_rm();
        if ((reg_ & 7) != 0) return false;
        const unsigned size = opcode == 0xc6 ? 1 : size_;
        rm(step_.to, size);
        step_.from = opcode == 0xc6 ? signed_byte() : signed_word();
        return settle(Action::move);
    }

    bool load(Action action, unsigned from_size) {
        mod_rm();
        step_.to = general(reg_, size_);
        rm(step_.from, from_size);
        return settle(action);
    }

    bool address() {
        mod_rm();
        if (mod_ == 3) return false;
        step_.to = general(reg_, size_);
        rm(step_.from, pointer());
        return settle(Action::address);
    }

    bool shift() {
        mod_rm();
        const unsigned kind = reg_ & 7;
        if (kind == 4) {
            rm(step_.to, size_);
            step_.from = immediate(next(), 1);
            return settle(Action::shift_left);
        }
        if (kind != 5 && kind != 7) return false; // shr, sar
        const bool done = change(size_);
        next();
        return done;
    }

    bool unary(unsigned opcode) {
        mod_rm();
        const unsigned size = opcode == 0xf6 ? 1 : size_;
        switch (reg_ & 7) {
        case 0: // test
            rm(step_.to, size);
            at_ += opcode == 0xf6 ? 1 : 4;
            return settle(Action::nothing);
        case 2:
        case 3: return change(size); // not, neg
        default: return false;
        }
    }

    bool group_of_ff() {
        mod_rm();
        switch (reg_ & 7) {
        case 0:
        case 1: return change(size_); // inc, dec
        case 2: rm(step_.from, pointer()); return settle(Action::call);
        case 4: rm(step_.from, pointer()); return settle(Action::jump);
        case 6: rm(step_.from, pointer()); return settle(Action::push);
        default: return false;
        }
    }

    /// Something that nobody follows is written to ModRM's operand.
    bool change(unsigned size) {
        step_.action = Action::other;
        if (mod_ == 3) {
            const Place place = general(rm_ | rex_b(), size);
            return count(bit(place.reg));
        }
        rm(step_.to, size);
        step_.writes_memory = true;
        return true;
    }

    bool count(std::uint16_t clobbered) {
        step_.action = Action::other;
        step_.clobbered = clobbered;
        return true;
    }

    bool branch(Action action, std::int64_t distance) {
        step_.action = action;
        step_.direct = true;
        step_.target = static_cast<std::uint64_t>(distance);
        return true;
    }

    bool finish(Action action, Place& place, Place operand) {
        step_.action = action;
        place = operand;
        return true;
    }

    static std::uint16_t bit(unsigned reg) { return static_cast<std::uint16_t>(1u << reg); }
    [[nodiscard]] unsigned pointer() const { return wide_machine_ ? 8 : 4; }
    [[nodiscard]] unsigned rex_b() const { return (rex_ & 1) << 3; }

    [[nodiscard]] Place general(unsigned reg, unsigned size) const {
        const bool high = size == 1 && rex_ == 0 && reg >= 4; // ah, ch, dh, bh
        return {.kind = Place::Kind::reg,
                .size = static_cast<std::uint8_t>(size),
                .reg = static_cast<std::uint8_t>(high ? reg - 4 : reg),
                .high_byte = high};
    }

    static Place immediate(std::uint64_t value, unsigned size) {
        return {.kind = Place::Kind::immediate, .size = static_cast<std::uint8_t>(size), .value = value};
    }
    Place signed_word() {
        Place out = immediate(extended(number<std::int32_t>()), 4);
        out.offset = static_cast<std::uint8_t>(at_ - 4);
        return out;
    }
    Place signed_byte() { return immediate(extended(number<std::int8_t>()), 1); }
    static std::uint64_t extended(std::int64_t value) { return static_cast<std::uint64_t>(value); }

    void mod_rm() {
        const unsigned byte = next();
        mod_ = byte >> 6;
        reg_ = (byte >> 3 & 7) | (rex_ & 4) << 1;
        rm_ = byte & 7;
    }

    void skip_rm() {
        Place unused;
        rm(unused, 0);
        relative_ = nullptr;
    }

    /// What ModRM states beside `reg_`: a register or memory.
    void rm(Place& out, unsigned size) {
        if (mod_ == 3) {
            out = general(rm_ | rex_b(), size);
            return;
        }
        out.kind = Place::Kind::memory;
        out.size = static_cast<std::uint8_t>(size);
        unsigned base = rm_;
        if (rm_ == 4) {
            const unsigned sib = next();
            const unsigned index = (sib >> 3 & 7) | (rex_ & 2) << 2;
            base = sib & 7;
            if (index != 4) {
                out.index = static_cast<std::uint8_t>(index);
                out.scale = static_cast<std::uint8_t>(1u << (sib >> 6));
            }
        }
        const bool without_base = mod_ == 0 && base == 5;
        if (!without_base) out.base = static_cast<std::uint8_t>(base | rex_b());
        if (mod_ == 1) {
            out.value = extended(number<std::int8_t>());
        } else if (mod_ == 2 || without_base) {
            out.value = extended(number<std::int32_t>());
        }
        if (!without_base) return;
        out.fixed = true;
        if (!wide_machine_)
            out.value = static_cast<std::uint32_t>(out.value);
        else if (rm_ == 5)
            relative_ = &out;
    }

    Bytes code_;
    bool wide_machine_;
    std::uint64_t address_;
    Step& step_;
    std::size_t at_ = 0;
    unsigned rex_ = 0, mod_ = 0, reg_ = 0, rm_ = 0;
    unsigned size_ = 4;               ///< of operands
    const Place* relative_ = nullptr; ///< the operand that counts from the end of the instruction
};

} // namespace

bool decode_common_step(const Machine& machine, Bytes code, std::uint64_t base, std::uint32_t rva, Step& step) {
    if (code.size() < max_instruction_bytes) return false;
    step = {};
    step.rva = rva;
    return CommonDecoder(machine, code, base, step).decode();
}

} // namespace poolkd::code

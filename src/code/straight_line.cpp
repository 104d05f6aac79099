#include "code/straight_line.h"

#include "code/registers.h"
#include "code/zydis.h"

#include <algorithm>

namespace poolkd::code {

namespace {

constexpr std::int64_t push_bytes = 4;

/// Code of one stretch, read at once: mostly it is shorter.
class Stretch {
  public:
    Stretch(VirtAddr start, std::size_t size, const ReadCode& read) : start_(start), bytes_(size) {
        std::size_t have = 0;
        while (have < size) {
            const std::size_t got = read(start + have, MutableBytes(bytes_).subspan(have));
            if (got == 0) break;
            have += got;
        }
        bytes_.resize(have);
    }
    [[nodiscard]] std::size_t offset() const { return offset_; }
    bool next(zydis::Decoded& out) {
        if (zydis::decode(x86_machine(), Bytes(bytes_).subspan(offset_), out) != zydis::Outcome::good) return false;
        offset_ += out.instruction.length;
        return true;
    }

  private:
    VirtAddr start_;
    ByteVector bytes_;
    std::size_t offset_ = 0;
};

/// What one instruction does to the stack.
class Simulation {
  public:
    explicit Simulation(std::optional<std::int64_t> ebp) : ebp_(ebp) {}

    [[nodiscard]] const StackMoves& moves() const { return moves_; }

    /// False when the instruction's effect cannot be followed.
    bool step(const zydis::Decoded& decoded) {
        const ZydisDecodedInstruction& instruction = decoded.instruction;
        const ZydisDecodedOperand& first = decoded.operands[0];
        switch (instruction.mnemonic) {
        case ZYDIS_MNEMONIC_PUSH:
            if (instruction.operand_width != 32) return false;
            moves_.esp -= push_bytes;
            if (int reg = register_of(first); reg >= 0 && !touched_[index(reg)] && !moves_.saved[index(reg)])
                moves_.saved[index(reg)] = moves_.esp;
            return true;
        case ZYDIS_MNEMONIC_POP:
            if (instruction.operand_width != 32) return false;
            if (int reg = register_of(first); reg >= 0) {
                if (reg == rsp) return false;
                load(index(reg));
            }
            moves_.esp += push_bytes;
            return true;
        case ZYDIS_MNEMONIC_PUSHFD: moves_.esp -= push_bytes; return true;
        case ZYDIS_MNEMONIC_POPFD: moves_.esp += push_bytes; return true;
        case ZYDIS_MNEMONIC_LEAVE:
            if (!ebp_) return false;
            moves_.esp = *ebp_;
            load(rbp);
            moves_.esp += push_bytes;
            return true;
        case ZYDIS_MNEMONIC_ADD:
        case ZYDIS_MNEMONIC_SUB:
            if (register_of(first) == rsp) return add_to_esp(decoded);
            break;
        case ZYDIS_MNEMONIC_MOV:
        case ZYDIS_MNEMONIC_LEA:
            if (int reg = register_of(first); reg == rsp || reg == rbp) return set(reg, source_of(decoded));
            break;
        default: break;
        }
        return leaves_stack_alone(decoded);
    }

  private:
    static std::size_t index(int reg) { return static_cast<std::size_t>(reg); }

    static int register_of(const ZydisDecodedOperand& operand) {
        if (operand.type != ZYDIS_OPERAND_TYPE_REGISTER) return -1;
        return zydis::gpr_number(x86_machine(), operand.reg.value);
    }

    [[nodiscard]] std::optional<std::int64_t> offset_of(ZydisRegister reg) const {
        if (reg == ZYDIS_REGISTER_ESP) return moves_.esp;
        return reg == ZYDIS_REGISTER_EBP ? ebp_ : std::nullopt;
    }

    /// The value of `mov reg, esp`, `lea reg, [ebp-10h]` and their like.
    [[nodiscard]] std::optional<std::int64_t> source_of(const zydis::Decoded& decoded) const {
        const ZydisDecodedOperand& from = decoded.operands[1];
        if (decoded.instruction.mnemonic == ZYDIS_MNEMONIC_MOV)
            return from.type == ZYDIS_OPERAND_TYPE_REGISTER ? offset_of(from.reg.value) : std::nullopt;
        if (from.mem.index != ZYDIS_REGISTER_NONE) return std::nullopt;
        auto base = offset_of(from.mem.base);
        return base ? std::optional(*base + from.mem.disp.value) : std::nullopt;
    }

    bool add_to_esp(const zydis::Decoded& decoded) {
        const ZydisDecodedOperand& amount = decoded.operands[1];
        if (amount.type != ZYDIS_OPERAND_TYPE_IMMEDIATE) return false;
        const auto value = static_cast<std::int32_t>(amount.imm.value.s);
        moves_.esp += decoded.instruction.mnemonic == ZYDIS_MNEMONIC_ADD ? value : -std::int64_t{value};
        return true;
    }

    bool set(int reg, std::optional<std::int64_t> value) {
        if (reg == rsp) {
            if (value) moves_.esp = *value;
            return value.has_value();
        }
        ebp_ = value;
        touched_[rbp] = true;
        return true;
    }

    void load(std::size_t reg) {
        moves_.loaded[reg] = moves_.esp;
        touched_[reg] = true;
        if (reg == rbp) ebp_.reset();
    }

    /// Any other instruction, as long as control goes on behind it and esp stays.
    bool leaves_stack_alone(const zydis::Decoded& decoded) {
        const ZydisDecodedInstruction& instruction = decoded.instruction;
        switch (instruction.meta.category) {
        case ZYDIS_CATEGORY_CALL:
        case ZYDIS_CATEGORY_UNCOND_BR:
        case ZYDIS_CATEGORY_COND_BR:
        case ZYDIS_CATEGORY_RET:
        case ZYDIS_CATEGORY_SYSRET:
        case ZYDIS_CATEGORY_SYSCALL:
        case ZYDIS_CATEGORY_INTERRUPT: return false;
        default: break;
        }
        for (std::size_t i = 0; i < instruction.operand_count; ++i) {
            const ZydisDecodedOperand& operand = decoded.operands[i];
            if (operand.type != ZYDIS_OPERAND_TYPE_REGISTER || !(operand.actions & ZYDIS_OPERAND_ACTION_MASK_WRITE))
                continue;
            const int reg = zydis::gpr_number(
                x86_machine(), ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LEGACY_32, operand.reg.value));
            if (reg == rsp) return false;
            if (reg == rbp) ebp_.reset();
            if (reg >= 0) {
                touched_[index(reg)] = true;
                moves_.loaded[index(reg)].reset();
            }
        }
        return true;
    }

    StackMoves moves_;
    std::optional<std::int64_t> ebp_; ///< as an offset like the others; nothing: it points elsewhere
    std::array<bool, 8> touched_{};   ///< holds something else than at the start
};

} // namespace

std::optional<StackMoves> moves_of_prolog(VirtAddr start, VirtAddr end, const ReadCode& read) {
    const std::uint64_t size = end - start;
    if (size > max_straight_line) return std::nullopt;
    Stretch code(start, size, read);
    Simulation simulation(std::nullopt);
    zydis::Decoded decoded;
    while (code.offset() < size)
        if (!code.next(decoded) || !simulation.step(decoded)) return std::nullopt;
    return simulation.moves();
}

std::optional<std::int64_t> place_of_saved_ebp(VirtAddr start, const ReadCode& read) {
    Stretch code(start, max_straight_line, read);
    Simulation simulation(std::nullopt);
    zydis::Decoded decoded;
    while (!simulation.moves().saved[rbp] && code.next(decoded) && simulation.step(decoded)) {
    }
    return simulation.moves().saved[rbp];
}

std::optional<StackMoves> moves_to_return(VirtAddr start, std::int64_t ebp_from_esp, const ReadCode& read) {
    Stretch code(start, max_straight_line, read);
    Simulation simulation(ebp_from_esp);
    zydis::Decoded decoded;
    for (bool first = true; code.next(decoded); first = false) {
        if (decoded.instruction.mnemonic == ZYDIS_MNEMONIC_RET) return simulation.moves();
        // Where a breakpoint of the kernel's own stopped it.
        if (first && decoded.instruction.mnemonic == ZYDIS_MNEMONIC_INT3) continue;
        if (!simulation.step(decoded)) return std::nullopt;
    }
    return std::nullopt;
}

} // namespace poolkd::code

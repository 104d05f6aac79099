#include "code/step.h"

#include "code/common_step.h"
#include "code/zydis.h"

namespace poolkd::code {

namespace {

Action action_of(const ZydisDecodedInstruction& raw) {
    switch (raw.mnemonic) {
    case ZYDIS_MNEMONIC_MOV:
    case ZYDIS_MNEMONIC_MOVZX: return Action::move;
    case ZYDIS_MNEMONIC_MOVSX:
    case ZYDIS_MNEMONIC_MOVSXD: return Action::move_signed;
    case ZYDIS_MNEMONIC_LEA: return Action::address;
    case ZYDIS_MNEMONIC_ADD: return Action::add;
    case ZYDIS_MNEMONIC_SUB: return Action::subtract;
    case ZYDIS_MNEMONIC_AND: return Action::bit_and;
    case ZYDIS_MNEMONIC_OR: return Action::bit_or;
    case ZYDIS_MNEMONIC_XOR: return Action::bit_xor;
    case ZYDIS_MNEMONIC_SHL: return Action::shift_left;
    case ZYDIS_MNEMONIC_PUSH: return Action::push;
    case ZYDIS_MNEMONIC_POP: return Action::pop;
    case ZYDIS_MNEMONIC_LEAVE: return Action::leave;
    case ZYDIS_MNEMONIC_CALL: return Action::call;
    case ZYDIS_MNEMONIC_JMP: return Action::jump;
    case ZYDIS_MNEMONIC_RET:
    case ZYDIS_MNEMONIC_IRETD:
    case ZYDIS_MNEMONIC_IRETQ:
    case ZYDIS_MNEMONIC_SYSRET: return Action::ret;
    case ZYDIS_MNEMONIC_INT3:
    case ZYDIS_MNEMONIC_UD2:
    case ZYDIS_MNEMONIC_HLT: return Action::stop;
    case ZYDIS_MNEMONIC_INT:
        // __fastfail and an assertion of the kernel do not come back.
        return raw.raw.imm[0].value.u == 0x29 || raw.raw.imm[0].value.u == 0x2c ? Action::stop : Action::other;
    case ZYDIS_MNEMONIC_CMP:
    case ZYDIS_MNEMONIC_TEST:
    case ZYDIS_MNEMONIC_NOP:
    case ZYDIS_MNEMONIC_BT: return Action::nothing;
    default: break;
    }
    switch (raw.meta.category) {
    case ZYDIS_CATEGORY_COND_BR: return Action::branch;
    case ZYDIS_CATEGORY_CMOV: return Action::select;
    default: return Action::other;
    }
}

/// Reads a general register or a part of one; false for any other kind. By the order of Zydis' numbers, which is that
/// of the encoding: asking its tables takes longer.
bool general(ZydisRegister reg, Place& out) {
    struct Range {
        ZydisRegister first, last;
        std::uint8_t number, size;
    };
    static constexpr Range ranges[] = {
        {ZYDIS_REGISTER_RAX, ZYDIS_REGISTER_R15, 0, 8}, {ZYDIS_REGISTER_EAX, ZYDIS_REGISTER_R15D, 0, 4},
        {ZYDIS_REGISTER_AX, ZYDIS_REGISTER_R15W, 0, 2}, {ZYDIS_REGISTER_AL, ZYDIS_REGISTER_BL, 0, 1},
        {ZYDIS_REGISTER_AH, ZYDIS_REGISTER_BH, 0, 1},   {ZYDIS_REGISTER_SPL, ZYDIS_REGISTER_R15B, 4, 1}};
    for (const Range& range : ranges) {
        if (reg < range.first || reg > range.last) continue;
        out.reg = static_cast<std::uint8_t>(range.number + (reg - range.first));
        out.size = range.size;
        out.high_byte = range.first == ZYDIS_REGISTER_AH;
        return true;
    }
    return false;
}

Place place_of(const Machine& machine, const ZydisDecodedInstruction& raw, const ZydisDecodedOperand& operand,
               std::uint64_t address) {
    Place out;
    switch (operand.type) {
    case ZYDIS_OPERAND_TYPE_REGISTER:
        if (general(operand.reg.value, out)) out.kind = Place::Kind::reg;
        break;
    case ZYDIS_OPERAND_TYPE_IMMEDIATE:
        out.kind = Place::Kind::immediate;
        out.size = static_cast<std::uint8_t>(operand.size / 8);
        out.value = operand.imm.value.u;
        if (raw.raw.imm[0].size == 32) out.offset = raw.raw.imm[0].offset;
        break;
    case ZYDIS_OPERAND_TYPE_MEMORY: {
        out.kind = Place::Kind::memory;
        out.size = static_cast<std::uint8_t>(std::min(operand.size / 8, 64));
        out.value = static_cast<std::uint64_t>(operand.mem.disp.value);
        out.scale = operand.mem.scale;
        out.elsewhere = operand.mem.segment == ZYDIS_REGISTER_GS || operand.mem.segment == ZYDIS_REGISTER_FS;
        Place part;
        if (operand.mem.index != ZYDIS_REGISTER_NONE)
            out.index = general(operand.mem.index, part) ? part.reg : std::uint8_t{0xfe};
        if (operand.mem.base == ZYDIS_REGISTER_RIP) {
            out.fixed = true;
            out.value += address + raw.length;
        } else if (operand.mem.base == ZYDIS_REGISTER_NONE) {
            out.fixed = true;
            if (machine.pointer_size == 4) out.value = static_cast<std::uint32_t>(out.value);
        } else if (general(operand.mem.base, part)) {
            out.base = part.reg;
        } else {
            out.elsewhere = true;
        }
        break;
    }
    default: break;
    }
    return out;
}

std::uint16_t bit(std::uint8_t reg) {
    return static_cast<std::uint16_t>(1u << reg);
}

} // namespace

std::optional<Step> decode_step(const Machine& machine, Bytes code, std::uint64_t base, std::uint32_t rva,
                                Detail detail) {
    std::optional<Step> step(std::in_place);
    if (decode_common_step(machine, code, base, rva, *step)) return step;
    return decode_any_step(machine, code, base, rva, detail);
}

std::optional<Step> decode_any_step(const Machine& machine, Bytes code, std::uint64_t base, std::uint32_t rva,
                                    Detail detail) {
    thread_local zydis::Partial partial;
    if (zydis::decode_instruction(machine, code, partial) != zydis::Outcome::good) return std::nullopt;
    zydis::Decoded& decoded = partial.decoded;
    const ZydisDecodedInstruction& raw = decoded.instruction;
    Step step;
    step.rva = rva;
    step.length = raw.length;
    step.action = action_of(raw);
    step.filler = raw.mnemonic == ZYDIS_MNEMONIC_NOP;
    if (step.action == Action::nothing || step.action == Action::leave || step.action == Action::stop) return step;
    const bool moves_control = step.action == Action::call || step.action == Action::jump ||
                               step.action == Action::branch || step.action == Action::ret;
    if (detail == Detail::control && !moves_control) return step;
    // What an instruction writes beside its visible operands matters only where nothing better is known of it.
    if (!zydis::decode_operands(machine, partial, step.action == Action::other)) return std::nullopt;
    const std::uint64_t address = base + rva;
    const auto& first = decoded.operands[0];
    const auto& second = decoded.operands[1];
    switch (step.action) {
    case Action::nothing:
    case Action::leave:
    case Action::stop: return step;
    case Action::ret:
        if (raw.operand_count_visible != 0) step.popped = static_cast<std::uint16_t>(first.imm.value.u);
        return step;
    case Action::call:
    case Action::jump:
    case Action::branch:
        if (first.type == ZYDIS_OPERAND_TYPE_IMMEDIATE && first.imm.is_relative) {
            step.direct = true;
            step.target = address + raw.length + first.imm.value.u;
            if (machine.pointer_size == 4) step.target = static_cast<std::uint32_t>(step.target);
        } else if (raw.operand_count_visible != 0) {
            step.from = place_of(machine, raw, first, address);
            if (first.type == ZYDIS_OPERAND_TYPE_POINTER) step.from = {}; // far: of another segment
        }
        if (raw.mnemonic == ZYDIS_MNEMONIC_LOOP || raw.mnemonic == ZYDIS_MNEMONIC_LOOPE ||
            raw.mnemonic == ZYDIS_MNEMONIC_LOOPNE)
            step.clobbered = bit(1);
        return step;
    case Action::push: step.from = place_of(machine, raw, first, address); return step;
    case Action::pop: step.to = place_of(machine, raw, first, address); return step;
    case Action::move:
    case Action::move_signed:
    case Action::address:
    case Action::add:
    case Action::subtract:
    case Action::bit_and:
    case Action::bit_or:
    case Action::bit_xor:
    case Action::shift_left:
    case Action::select:
        step.to = place_of(machine, raw, first, address);
        step.from = place_of(machine, raw, second, address);
        // With a segment or control register on one side it is a value that nobody knows.
        if (step.to.kind == Place::Kind::none) step.action = Action::nothing;
        // Shorter immediates are extended by their sign.
        if (step.from.kind == Place::Kind::immediate) step.from.size = step.to.size;
        if (step.from.kind == Place::Kind::none) {
            step.action = Action::other;
            step.writes_memory = step.to.kind == Place::Kind::memory;
            if (step.to.kind == Place::Kind::reg) step.clobbered = bit(step.to.reg);
        }
        return step;
    case Action::other: break;
    }
    for (std::size_t i = 0; i < raw.operand_count; ++i) {
        const ZydisDecodedOperand& operand = decoded.operands[i];
        if ((operand.actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) == 0) continue;
        const Place place = place_of(machine, raw, operand, address);
        if (place.kind == Place::Kind::reg) {
            step.clobbered |= bit(place.reg);
        } else if (place.kind == Place::Kind::memory && !step.writes_memory) {
            step.writes_memory = true;
            step.to = place;
        }
    }
    if (step.clobbered == 0 && !step.writes_memory) step.action = Action::nothing;
    return step;
}

} // namespace poolkd::code

#include "code/decoder.h"

#include "base/text.h"
#include "code/zydis.h"

#include <algorithm>

namespace poolkd::code {

std::string_view to_words(InstructionKind kind) {
    switch (kind) {
    case InstructionKind::other: return "other";
    case InstructionKind::call: return "call";
    case InstructionKind::jump: return "jump";
    case InstructionKind::conditional_jump: return "conditional jump";
    case InstructionKind::ret: return "return";
    case InstructionKind::breakpoint: return "breakpoint";
    }
    return "other";
}

namespace {

/// kd names conditions by the comparison ("jne", "jae"), Zydis by the flags ("jnz", "jnb").
std::string_view condition_as_kd(std::string_view condition) {
    struct Pair {
        std::string_view zydis, kd;
    };
    static constexpr Pair pairs[] = {{"z", "e"},   {"nz", "ne"}, {"nb", "ae"}, {"nbe", "a"},
                                     {"nl", "ge"}, {"nle", "g"}, {"np", "np"}, {"p", "p"}};
    for (const Pair& pair : pairs)
        if (pair.zydis == condition) return pair.kd;
    return condition;
}

std::string mnemonic_text(const ZydisDecodedInstruction& instruction) {
    const char* raw = ZydisMnemonicGetString(instruction.mnemonic);
    std::string name = raw ? raw : "???";
    switch (instruction.meta.category) {
    case ZYDIS_CATEGORY_COND_BR:
        if (name.front() == 'j') name = "j" + std::string(condition_as_kd(std::string_view(name).substr(1)));
        break;
    case ZYDIS_CATEGORY_SETCC: name = "set" + std::string(condition_as_kd(std::string_view(name).substr(3))); break;
    case ZYDIS_CATEGORY_CMOV: name = "cmov" + std::string(condition_as_kd(std::string_view(name).substr(4))); break;
    default: break;
    }
    if (instruction.mnemonic == ZYDIS_MNEMONIC_INT3) name = "int";
    if (zydis::names_its_memory(instruction)) name.pop_back();

    std::string prefix;
    if (instruction.attributes & ZYDIS_ATTRIB_HAS_LOCK) prefix += "lock ";
    if (instruction.attributes & ZYDIS_ATTRIB_HAS_REP) prefix += "rep ";
    if (instruction.attributes & ZYDIS_ATTRIB_HAS_REPE) prefix += "repe ";
    if (instruction.attributes & ZYDIS_ATTRIB_HAS_REPNE) prefix += "repne ";
    if (instruction.attributes & ZYDIS_ATTRIB_HAS_BND) prefix += "bnd ";
    return prefix + name;
}

InstructionKind kind_of(const zydis::Decoded& decoded) {
    const ZydisDecodedInstruction& instruction = decoded.instruction;
    switch (instruction.meta.category) {
    case ZYDIS_CATEGORY_CALL: return InstructionKind::call;
    case ZYDIS_CATEGORY_UNCOND_BR: return InstructionKind::jump;
    case ZYDIS_CATEGORY_COND_BR: return InstructionKind::conditional_jump;
    case ZYDIS_CATEGORY_RET: return InstructionKind::ret;
    case ZYDIS_CATEGORY_SYSRET: return InstructionKind::ret;
    default: break;
    }
    switch (instruction.mnemonic) {
    case ZYDIS_MNEMONIC_INT3: return InstructionKind::breakpoint;
    case ZYDIS_MNEMONIC_INT:
        return decoded.operands[0].imm.value.u == 3 ? InstructionKind::breakpoint : InstructionKind::other;
    case ZYDIS_MNEMONIC_IRET:
    case ZYDIS_MNEMONIC_IRETD:
    case ZYDIS_MNEMONIC_IRETQ: return InstructionKind::ret;
    default: return InstructionKind::other;
    }
}

MemoryOperand memory_operand(const ZydisDecodedInstruction& instruction, const ZydisDecodedOperand& operand) {
    MemoryOperand memory;
    memory.segment = zydis::register_name(operand.mem.segment);
    memory.base = zydis::register_name(operand.mem.base);
    memory.index = zydis::register_name(operand.mem.index);
    memory.scale = std::max<std::uint8_t>(operand.mem.scale, 1);
    memory.displacement = operand.mem.disp.has_displacement ? operand.mem.disp.value : 0;
    memory.size = static_cast<std::uint16_t>(operand.size / 8);
    memory.only_address = operand.mem.type == ZYDIS_MEMOP_TYPE_AGEN || instruction.mnemonic == ZYDIS_MNEMONIC_NOP;
    return memory;
}

std::uint64_t cut(std::uint64_t value, unsigned bits) {
    return bits == 0 || bits >= 64 ? value : value & ((std::uint64_t{1} << bits) - 1);
}

} // namespace

Result<Instruction> decode(const Machine& machine, Bytes bytes, VirtAddr address, const AddressNamer& name) {
    zydis::Decoded decoded;
    switch (zydis::decode(machine, bytes, decoded)) {
    case zydis::Outcome::good: break;
    case zydis::Outcome::truncated:
        return fail_at(address, ErrorKind::unreadable,
                       fmt::format("The instruction at {} cannot be read to its end",
                                   format_address(address.value, machine.pointer_size)));
    case zydis::Outcome::malformed:
        return fail_at(
            address, ErrorKind::malformed,
            fmt::format("There is no instruction at {}", format_address(address.value, machine.pointer_size)));
    }
    const ZydisDecodedInstruction& raw = decoded.instruction;
    Instruction out;
    out.machine = &machine;
    out.address = address;
    out.length = raw.length;
    std::ranges::copy(bytes.first(raw.length), out.raw.begin());
    out.kind = kind_of(decoded);
    out.mnemonic = mnemonic_text(raw);
    out.operands =
        raw.mnemonic == ZYDIS_MNEMONIC_INT3 ? "3" : zydis::format_operands(machine, decoded, address.value, &name);

    bool branch = out.kind == InstructionKind::call || out.kind == InstructionKind::jump ||
                  out.kind == InstructionKind::conditional_jump;
    for (std::size_t i = 0; i < raw.operand_count; ++i) {
        const ZydisDecodedOperand& operand = decoded.operands[i];
        // Of the hidden operands only those of the string instructions are the instruction's own memory.
        bool own = operand.visibility != ZYDIS_OPERAND_VISIBILITY_HIDDEN || zydis::names_its_memory(raw);
        if (!own) continue;
        if (operand.type == ZYDIS_OPERAND_TYPE_MEMORY && !out.memory) {
            out.memory = memory_operand(raw, operand);
            ZyanU64 where = 0;
            bool flat = out.memory->segment != "gs" && out.memory->segment != "fs" && out.memory->index.empty() &&
                        (out.memory->base.empty() || out.memory->base == "rip" || out.memory->base == "eip");
            if (flat && ZYAN_SUCCESS(ZydisCalcAbsoluteAddress(&raw, &operand, address.value, &where)))
                out.slot = machine.canonical(where);
        } else if (operand.type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
            ZyanU64 where = 0;
            if (branch && operand.imm.is_relative) {
                if (ZYAN_SUCCESS(ZydisCalcAbsoluteAddress(&raw, &operand, address.value, &where)))
                    out.target = machine.canonical(where);
            } else if (!branch && !out.immediate && raw.raw.imm[0].size != 0) {
                out.immediate = Immediate{cut(operand.imm.value.u, raw.operand_width), raw.raw.imm[0].offset,
                                          static_cast<std::uint8_t>(raw.raw.imm[0].size / 8)};
            }
        }
    }
    return out;
}

} // namespace poolkd::code

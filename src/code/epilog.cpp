#include "code/epilog.h"

#include "code/zydis.h"

#include <array>

namespace poolkd::code {

namespace {

constexpr std::size_t max_epilog_instructions = 24; // 16 registers, the stack pointer, the return

/// Code from one address on, fetched in pieces: mostly the first decides.
class EpilogCode {
  public:
    EpilogCode(VirtAddr start, const ReadCode& read) : start_(start), read_(read) {}

    bool decode(std::size_t offset, zydis::Decoded& out) {
        while (true) {
            Bytes rest = Bytes(bytes_).subspan(std::min(offset, bytes_.size()));
            if (!rest.empty()) {
                switch (zydis::decode(x64_machine(), rest, out)) {
                case zydis::Outcome::good: return true;
                case zydis::Outcome::malformed: return false;
                case zydis::Outcome::truncated: break;
                }
            }
            if (!fetch()) return false;
        }
    }

  private:
    bool fetch() {
        constexpr std::size_t piece = 16, limit = 256;
        if (bytes_.size() >= limit) return false;
        std::array<std::byte, piece> more{};
        std::size_t got = read_(start_ + bytes_.size(), more);
        bytes_.insert(bytes_.end(), more.begin(), more.begin() + static_cast<std::ptrdiff_t>(std::min(got, piece)));
        return got != 0;
    }

    VirtAddr start_;
    const ReadCode& read_;
    ByteVector bytes_;
};

bool leaves_function(const UnwindTables& tables, const RuntimeFunction& function, const UnwindInfo& info,
                     VirtAddr target) {
    std::uint64_t rva = target - tables.base();
    if (rva > UINT32_MAX) return true;
    auto primary = tables.primary(function);
    if (!primary) return false;
    // Back to the very start is a tail call of itself, unless there is no prolog that such a call would have to undo.
    if (rva == primary->begin) return info.prolog_size != 0 || primary->begin != function.begin;
    if (function.contains(static_cast<std::uint32_t>(rva))) return false;
    auto other = tables.find(static_cast<std::uint32_t>(rva));
    if (!other || !*other) return true;
    auto other_primary = tables.primary(**other);
    return !other_primary || !(*other_primary == *primary);
}

bool jump_ends_epilog(const UnwindTables& tables, const RuntimeFunction& function, const UnwindInfo& info,
                      const zydis::Decoded& decoded, VirtAddr address) {
    const ZydisDecodedOperand& operand = decoded.operands[0];
    if (operand.type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
        ZyanU64 target = 0;
        if (!ZYAN_SUCCESS(ZydisCalcAbsoluteAddress(&decoded.instruction, &operand, address.value, &target)))
            return false;
        return leaves_function(tables, function, info, VirtAddr(target));
    }
    if (operand.type == ZYDIS_OPERAND_TYPE_MEMORY && operand.mem.base == ZYDIS_REGISTER_RIP) return true;
    // By convention a tail jump through a register or table carries REX.W; the jump of a `switch` does not.
    return decoded.instruction.raw.rex.W != 0;
}

/// A step that frees the local area, if the instruction is one.
std::optional<EpilogStep> as_release(const zydis::Decoded& decoded, const UnwindInfo& info) {
    const auto& to = decoded.operands[0];
    if (to.type != ZYDIS_OPERAND_TYPE_REGISTER || to.reg.value != ZYDIS_REGISTER_RSP) return std::nullopt;
    const auto& from = decoded.operands[1];
    if (decoded.instruction.mnemonic == ZYDIS_MNEMONIC_ADD && from.type == ZYDIS_OPERAND_TYPE_IMMEDIATE)
        return EpilogStep{EpilogStep::Kind::add, rsp, from.imm.value.s};
    if (decoded.instruction.mnemonic == ZYDIS_MNEMONIC_LEA && from.type == ZYDIS_OPERAND_TYPE_MEMORY &&
        from.mem.index == ZYDIS_REGISTER_NONE) {
        int base = zydis::gpr_number(x64_machine(), from.mem.base);
        if (base < 0 || info.frame_register == 0 || base != info.frame_register) return std::nullopt;
        return EpilogStep{EpilogStep::Kind::lea, static_cast<std::uint8_t>(base), from.mem.disp.value};
    }
    return std::nullopt;
}

/// The pops that version 2 implies: the pushes of the whole chain, last push first. Nothing when something else lies
/// between the pushes, so that the codes do not tell the instructions.
std::optional<std::vector<std::uint8_t>> pops_of_chain(const UnwindTables& tables, const UnwindInfo& info) {
    std::vector<std::uint8_t> pops;
    UnwindInfo here = info;
    for (int i = 0; i < UnwindTables::max_chain; ++i) {
        for (const UnwindCode& code : here.codes) {
            if (code.op == UnwindOp::push_nonvol) {
                pops.push_back(code.info);
            } else if (!pops.empty() && (code.op == UnwindOp::alloc_large || code.op == UnwindOp::alloc_small ||
                                         code.op == UnwindOp::push_machframe)) {
                return std::nullopt;
            }
        }
        if (!here.chained) return pops;
        auto next = tables.info(*here.chained);
        if (!next) return std::nullopt;
        here = std::move(*next);
    }
    return std::nullopt;
}

} // namespace

std::optional<std::vector<EpilogStep>> decode_epilog(const UnwindTables& tables, const RuntimeFunction& function,
                                                     const UnwindInfo& info, VirtAddr ip, const ReadCode& read,
                                                     bool any_jump) {
    EpilogCode code(ip, read);
    std::vector<EpilogStep> steps;
    std::size_t offset = 0;
    zydis::Decoded decoded;
    for (std::size_t i = 0; i < max_epilog_instructions && code.decode(offset, decoded); ++i) {
        const ZydisDecodedInstruction& instruction = decoded.instruction;
        if (auto release = i == 0 ? as_release(decoded, info) : std::nullopt) {
            steps.push_back(*release);
        } else if (instruction.mnemonic == ZYDIS_MNEMONIC_POP) {
            int reg = decoded.operands[0].type == ZYDIS_OPERAND_TYPE_REGISTER
                          ? zydis::gpr_number(x64_machine(), decoded.operands[0].reg.value)
                          : -1;
            if (reg < 0 || reg == rsp) return std::nullopt;
            steps.push_back({EpilogStep::Kind::pop, static_cast<std::uint8_t>(reg), 0});
        } else if (instruction.mnemonic == ZYDIS_MNEMONIC_RET) {
            return steps;
        } else if (instruction.mnemonic == ZYDIS_MNEMONIC_JMP) {
            if (any_jump || jump_ends_epilog(tables, function, info, decoded, ip + offset)) return steps;
            return std::nullopt;
        } else {
            return std::nullopt;
        }
        offset += instruction.length;
    }
    return std::nullopt;
}

std::optional<std::vector<EpilogStep>> find_epilog(const UnwindTables& tables, const RuntimeFunction& function,
                                                   const UnwindInfo& info, VirtAddr ip, const ReadCode& read) {
    if (info.version < 2 || !info.epilogs) return decode_epilog(tables, function, info, ip, read);
    auto rva = static_cast<std::uint32_t>(ip - tables.base());
    for (std::uint32_t distance : info.epilogs->from_end) {
        if (distance > function.end - function.begin) continue;
        std::uint32_t start = function.end - distance;
        if (rva < start || rva - start >= info.epilogs->size) continue;
        std::uint32_t left = rva - start;
        auto pops = pops_of_chain(tables, info);
        if (!pops) return decode_epilog(tables, function, info, ip, read, true);
        std::vector<EpilogStep> steps;
        for (std::uint8_t reg : *pops) {
            std::uint32_t length = reg >= r8 ? 2 : 1;
            if (left == 0)
                steps.push_back({EpilogStep::Kind::pop, reg, 0});
            else if (left < length)
                return decode_epilog(tables, function, info, ip, read, true);
            else
                left -= length;
        }
        return steps;
    }
    return std::nullopt;
}

} // namespace poolkd::code

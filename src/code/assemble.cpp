#include "code/assemble.h"

#include "base/text.h"
#include "code/assembly_request.h"
#include "code/decoder.h"
#include "code/llvm_encoder.h"
#include "code/zydis.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

namespace poolkd::code {

namespace {

using Kind = AssemblyOperand::Kind;

constexpr std::int64_t rip_reach = (std::int64_t{1} << 31) - 16; // the longest instruction may lie between

std::string hex(std::uint64_t value) {
    const auto number = static_cast<std::int64_t>(value);
    // The smallest number has no positive twin.
    return number < 0 && number != INT64_MIN ? fmt::format("-{:#x}", -number) : fmt::format("{:#x}", value);
}

bool fits_signed(std::uint64_t value, unsigned bits) {
    if (bits >= 64) return true;
    const auto high = static_cast<std::int64_t>(value) >> (bits - 1);
    return high == 0 || high == -1;
}

bool fits(std::uint64_t value, unsigned bits) {
    return bits >= 64 || value >> bits == 0 || fits_signed(value, bits);
}

bool equal_in(std::uint64_t a, std::uint64_t b, unsigned bits) {
    return bits >= 64 ? a == b : ((a ^ b) & ((std::uint64_t{1} << bits) - 1)) == 0;
}

/// How memory without a register is reached.
bool is_rip_relative(const Machine& machine, const AssemblyOperand& operand, VirtAddr address) {
    if (machine.pointer_size != 8 || operand.kind != Kind::memory) return false;
    if (!operand.base.empty() || !operand.index.empty()) return false;
    if (operand.segment == "gs" || operand.segment == "fs") return false;
    const auto distance = static_cast<std::int64_t>(operand.value - address.value);
    return distance > -rip_reach && distance < rip_reach;
}

std::string memory_for_llvm(const AssemblyOperand& operand, bool rip_relative) {
    std::string text(size_words(operand.size));
    if (!operand.segment.empty()) text += operand.segment + ":";
    if (rip_relative) return text + fmt::format("[rip+{}]", distant_name);
    text += "[" + operand.base;
    if (!operand.index.empty())
        text += fmt::format("{}{}*{}", operand.base.empty() ? "" : "+", operand.index, operand.scale);
    const std::string displacement = hex(operand.value);
    if (operand.base.empty() && operand.index.empty()) return text + displacement + "]";
    if (operand.value == 0) return text + "]";
    return text + (displacement.front() == '-' ? "" : "+") + displacement + "]";
}

std::string operand_for_llvm(const AssemblyOperand& operand, bool distant) {
    switch (operand.kind) {
    case Kind::reg:
        return operand.reg.starts_with("st") && operand.reg.size() == 3 ? fmt::format("st({})", operand.reg[2])
                                                                        : operand.reg;
    case Kind::memory: return memory_for_llvm(operand, distant);
    case Kind::immediate: break;
    }
    return distant ? std::string(distant_name) : hex(operand.value);
}

/// Two names of one instruction: conditions by flag and by comparison, and a few others.
std::string canonical_mnemonic(const std::string& name) {
    static constexpr std::array<std::pair<std::string_view, std::string_view>, 14> conditions{{{"z", "e"},
                                                                                               {"nz", "ne"},
                                                                                               {"c", "b"},
                                                                                               {"nae", "b"},
                                                                                               {"nc", "ae"},
                                                                                               {"nb", "ae"},
                                                                                               {"na", "be"},
                                                                                               {"nbe", "a"},
                                                                                               {"nge", "l"},
                                                                                               {"nl", "ge"},
                                                                                               {"ng", "le"},
                                                                                               {"nle", "g"},
                                                                                               {"pe", "p"},
                                                                                               {"po", "np"}}};
    static constexpr std::array<std::pair<std::string_view, std::string_view>, 12> others{{{"sal", "shl"},
                                                                                           {"retn", "ret"},
                                                                                           {"int3", "int"},
                                                                                           {"wait", "fwait"},
                                                                                           {"loopz", "loope"},
                                                                                           {"loopnz", "loopne"},
                                                                                           {"repz", "rep"},
                                                                                           {"repe", "rep"},
                                                                                           {"repnz", "repne"},
                                                                                           {"movabs", "mov"},
                                                                                           {"xlatb", "xlat"},
                                                                                           {"movsxd", "movsx"}}};
    for (const auto& [from, to] : others)
        if (name == from) return std::string(to);
    for (std::string_view stem : {"cmov", "set", "j"}) {
        if (!name.starts_with(stem)) continue;
        for (const auto& [from, to] : conditions)
            if (std::string_view(name).substr(stem.size()) == from) return std::string(stem) + std::string(to);
        break;
    }
    return name;
}

/// The decoded instruction against the one that was asked for.
class Comparison {
  public:
    Comparison(const Machine& machine, const AssemblyRequest& request, const zydis::Decoded& decoded, VirtAddr address)
        : machine_(machine), request_(request), decoded_(decoded), address_(address) {}

    [[nodiscard]] bool agree(const Instruction& instruction) const {
        return same_mnemonic(instruction) && same_operands() && full_width();
    }

  private:
    /// Nothing turned a push of the machine's word into one of 16 bits without being asked to.
    [[nodiscard]] bool full_width() const {
        const auto category = decoded_.instruction.meta.category;
        const bool on_stack = category == ZYDIS_CATEGORY_PUSH || category == ZYDIS_CATEGORY_POP;
        if (!on_stack || decoded_.instruction.operand_width != 16) return true;
        return std::ranges::any_of(request_.operands, [&](const AssemblyOperand& operand) {
            return operand.size == 2 || (operand.kind == Kind::reg && decoded_.operands[0].size == 16 &&
                                         std::ranges::find(segment_names, operand.reg) == segment_names.end());
        });
    }

    [[nodiscard]] bool same_mnemonic(const Instruction& instruction) const {
        std::vector<std::string_view> words = split_blanks(instruction.mnemonic);
        const std::string last = canonical_mnemonic(std::string(words.back()));
        words.pop_back();
        const std::string prefix = words.empty() ? "" : canonical_mnemonic(std::string(words.front()));
        if (words.size() > 1 || canonical_mnemonic(request_.prefix) != prefix) return false;
        std::string wanted = canonical_mnemonic(request_.mnemonic);
        // movsb, scasq: listings show the size by the operands.
        if (zydis::names_its_memory(decoded_.instruction) && request_.operands.empty()) {
            if (operand_bytes() != size_of_letter(wanted.back())) return false;
            wanted.pop_back();
        }
        return wanted == last;
    }

    [[nodiscard]] unsigned operand_bytes() const { return decoded_.instruction.operand_width / 8u; }
    static unsigned size_of_letter(char letter) {
        return letter == 'b' ? 1 : letter == 'w' ? 2 : letter == 'd' ? 4 : letter == 'q' ? 8 : 0;
    }

    [[nodiscard]] bool same_operands() const {
        std::vector<const ZydisDecodedOperand*> shown;
        for (std::size_t i = 0; i < decoded_.instruction.operand_count; ++i)
            if (decoded_.operands[i].visibility != ZYDIS_OPERAND_VISIBILITY_HIDDEN)
                shown.push_back(&decoded_.operands[i]);
        // Zydis gives the long nop a register that nobody writes.
        if (decoded_.instruction.mnemonic == ZYDIS_MNEMONIC_NOP && shown.size() == 2) shown.pop_back();
        std::vector<const AssemblyOperand*> asked;
        for (const AssemblyOperand& operand : request_.operands)
            asked.push_back(&operand);
        if (zydis::names_its_memory(decoded_.instruction)) return same_string_operands(asked);
        if (decoded_.instruction.mnemonic == ZYDIS_MNEMONIC_INT3) return is_int3(asked);
        // imul r,n is short for imul r,r,n.
        if (decoded_.instruction.mnemonic == ZYDIS_MNEMONIC_IMUL && asked.size() == 2 && shown.size() == 3)
            asked.insert(asked.begin(), asked.front());
        if (same_sequence(shown, asked)) return true;
        const bool either_order = decoded_.instruction.mnemonic == ZYDIS_MNEMONIC_XCHG ||
                                  decoded_.instruction.mnemonic == ZYDIS_MNEMONIC_TEST;
        if (!either_order || asked.size() != 2) return false;
        std::swap(asked[0], asked[1]);
        return same_sequence(shown, asked);
    }

    [[nodiscard]] bool same_sequence(const std::vector<const ZydisDecodedOperand*>& shown,
                                     const std::vector<const AssemblyOperand*>& asked) const {
        return std::ranges::equal(shown, asked, [&](const auto* a, const auto* b) { return same(*a, *b); });
    }

    [[nodiscard]] static bool is_int3(const std::vector<const AssemblyOperand*>& asked) {
        return asked.empty() || (asked.size() == 1 && asked[0]->kind == Kind::immediate && asked[0]->value == 3);
    }

    /// movs, stos: their memory is that of rsi and rdi, and their register that of rax, whatever was written.
    [[nodiscard]] bool same_string_operands(const std::vector<const AssemblyOperand*>& asked) const {
        return std::ranges::all_of(asked, [&](const AssemblyOperand* operand) {
            return std::ranges::any_of(decoded_.operands,
                                       [&](const ZydisDecodedOperand& raw) { return same(raw, *operand); });
        });
    }

    [[nodiscard]] bool same(const ZydisDecodedOperand& raw, const AssemblyOperand& asked) const {
        switch (asked.kind) {
        case Kind::reg:
            return raw.type == ZYDIS_OPERAND_TYPE_REGISTER && zydis::register_name(raw.reg.value) == asked.reg;
        case Kind::immediate: return raw.type == ZYDIS_OPERAND_TYPE_IMMEDIATE && same_immediate(raw, asked);
        case Kind::memory: return raw.type == ZYDIS_OPERAND_TYPE_MEMORY && same_memory(raw, asked);
        }
        return false;
    }

    [[nodiscard]] bool same_immediate(const ZydisDecodedOperand& raw, const AssemblyOperand& asked) const {
        if (raw.imm.is_relative) {
            ZyanU64 target = 0;
            return ZYAN_SUCCESS(ZydisCalcAbsoluteAddress(&decoded_.instruction, &raw, address_.value, &target)) &&
                   equal_in(target, asked.value, machine_.pointer_size * 8u);
        }
        const unsigned width = std::max<unsigned>(decoded_.instruction.operand_width, raw.size);
        // A byte operand of a wider instruction (shl eax,1f; int 2d) is not extended.
        const unsigned bits = raw.imm.is_signed || raw.size >= width ? width : std::max<unsigned>(raw.size, 8);
        return fits(asked.value, bits) && equal_in(raw.imm.value.u, asked.value, bits);
    }

    [[nodiscard]] bool same_memory(const ZydisDecodedOperand& raw, const AssemblyOperand& asked) const {
        const std::string_view segment = zydis::register_name(raw.mem.segment);
        if (asked.segment.empty() ? (segment == "fs" || segment == "gs") : segment != asked.segment) return false;
        const bool only_address = raw.mem.type == ZYDIS_MEMOP_TYPE_AGEN;
        if (asked.size != 0 && !only_address && raw.size != asked.size * 8) return false;
        const std::string_view base = zydis::register_name(raw.mem.base), index = zydis::register_name(raw.mem.index);
        const std::uint64_t displacement = static_cast<std::uint64_t>(raw.mem.disp.value);
        if (asked.base.empty() && asked.index.empty()) {
            ZyanU64 where = 0;
            const bool fixed = index.empty() && (base.empty() || base == "rip");
            return fixed &&
                   ZYAN_SUCCESS(ZydisCalcAbsoluteAddress(&decoded_.instruction, &raw, address_.value, &where)) &&
                   equal_in(where, asked.value, machine_.pointer_size * 8u);
        }
        if (!equal_in(displacement, asked.value, decoded_.instruction.address_width)) return false;
        if (base == asked.base && index == asked.index) return index.empty() || raw.mem.scale == asked.scale;
        // Without a scale the two registers may change places, and one alone may be either.
        return raw.mem.scale <= 1 && asked.scale == 1 && base == asked.index && index == asked.base;
    }

    const Machine& machine_;
    const AssemblyRequest& request_;
    const zydis::Decoded& decoded_;
    VirtAddr address_;
};

} // namespace

Result<Instruction> assemble(const Machine& machine, std::string_view text, VirtAddr address,
                             const OperandEvaluator& evaluate) {
    POOLKD_TRY(AssemblyRequest request, parse_assembly(text, evaluate));
    std::string line = request.prefix.empty() ? request.mnemonic : request.prefix + " " + request.mnemonic;
    std::optional<VirtAddr> there;
    for (std::size_t i = 0; i < request.operands.size(); ++i) {
        const AssemblyOperand& operand = request.operands[i];
        const bool distant = request.is_direct_branch() || is_rip_relative(machine, operand, address);
        if (distant) there = machine.canonical(operand.value);
        line += (i == 0 ? " " : ", ") + operand_for_llvm(operand, distant);
    }
    POOLKD_TRY(ByteVector bytes, encode_with_llvm(machine, line, address, there));

    zydis::Decoded decoded;
    if (zydis::decode(machine, bytes, decoded) != zydis::Outcome::good || decoded.instruction.length != bytes.size())
        return fail(ErrorKind::refused, "'{}' was encoded as something that is not one instruction", trim(text));
    POOLKD_TRY(Instruction instruction, decode(machine, bytes, address));
    if (!Comparison(machine, request, decoded, address).agree(instruction))
        return fail(ErrorKind::refused, "'{}' would be encoded as '{} {}', which is something else", trim(text),
                    instruction.mnemonic, instruction.operands);
    return instruction;
}

} // namespace poolkd::code

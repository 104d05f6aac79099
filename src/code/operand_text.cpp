#include "base/text.h"
#include "code/instruction.h"
#include "code/zydis.h"

#include <fmt/format.h>

namespace poolkd::code::zydis {

namespace {

/// What the formatter's hooks need besides Zydis' own context.
struct HookData {
    const Machine& machine;
    const AddressNamer* name = nullptr;
};

bool is_32_bit(const ZydisFormatterContext* context) {
    return context->instruction->machine_mode == ZYDIS_MACHINE_MODE_LEGACY_32;
}

/// "nt!PoolHitTag (8054f3a0)", the address alone without a name.
std::string named_address(const HookData& data, VirtAddr address) {
    std::string name = data.name && *data.name ? (*data.name)(address) : std::string();
    std::string text = format_address(address.value, data.machine.pointer_size);
    // Zydis writes into a buffer of fixed size: a C++ name of kilobytes must not make the operand vanish.
    constexpr std::size_t longest_name = 400;
    if (name.size() > longest_name) name = name.substr(0, longest_name) + "...";
    return name.empty() ? text : fmt::format("{} ({})", name, text);
}

ZyanStatus append(ZydisFormatterBuffer* buffer, ZydisTokenType token, std::string_view text) {
    ZYAN_CHECK(ZydisFormatterBufferAppend(buffer, token));
    ZyanString* string = nullptr;
    ZYAN_CHECK(ZydisFormatterBufferGetString(buffer, &string));
    ZyanStringView view;
    ZYAN_CHECK(ZyanStringViewInsideBufferEx(&view, text.data(), text.size()));
    return ZyanStringAppend(string, &view);
}

/// kd's numbers: decimal digits stand alone, anything larger is hexadecimal with an `h`, never starting with a letter.
std::string number(std::uint64_t value) {
    if (value < 10) return fmt::format("{}", value);
    std::string digits = fmt::format("{:X}", value);
    return (digits.front() > '9' ? "0" : "") + digits + "h";
}

ZyanStatus print_immediate(const ZydisFormatter*, ZydisFormatterBuffer* buffer, ZydisFormatterContext* context) {
    std::uint64_t value = context->operand->imm.value.u;
    // 32-bit code holds addresses as constants: "push offset nt!PoolHitTag (8054f3a0)".
    const auto& data = *static_cast<const HookData*>(context->user_data);
    if (is_32_bit(context) && context->instruction->raw.imm[0].size == 32 && data.name && *data.name) {
        const VirtAddr address = data.machine.canonical(value);
        if (!(*data.name)(address).empty())
            return append(buffer, ZYDIS_TOKEN_SYMBOL, "offset " + named_address(data, address));
    }
    // A sign-extended constant is shown in the size of the operation.
    unsigned width = context->instruction->operand_width;
    if (context->operand->imm.is_signed && width != 0 && width < 64) value &= (std::uint64_t{1} << width) - 1;
    return append(buffer, ZYDIS_TOKEN_IMMEDIATE, number(value));
}

ZyanStatus print_displacement(const ZydisFormatter*, ZydisFormatterBuffer* buffer, ZydisFormatterContext* context) {
    const ZydisDecodedOperandMem& memory = context->operand->mem;
    std::int64_t value = memory.disp.value;
    bool alone = memory.base == ZYDIS_REGISTER_NONE && memory.index == ZYDIS_REGISTER_NONE;
    if (alone) return append(buffer, ZYDIS_TOKEN_DISPLACEMENT, number(static_cast<std::uint64_t>(value)));
    if (value == 0) return ZYAN_STATUS_SUCCESS;
    std::string text = value < 0 ? "-" + number(0 - static_cast<std::uint64_t>(value))
                                 : "+" + number(static_cast<std::uint64_t>(value));
    return append(buffer, ZYDIS_TOKEN_DISPLACEMENT, text);
}

ZyanStatus print_address(const ZydisFormatter*, ZydisFormatterBuffer* buffer, ZydisFormatterContext* context) {
    ZyanU64 address = 0;
    ZYAN_CHECK(ZydisCalcAbsoluteAddress(context->instruction, context->operand, context->runtime_address, &address));
    bool in_memory = context->operand->type == ZYDIS_OPERAND_TYPE_MEMORY;
    ZydisRegister segment = in_memory ? context->operand->mem.segment : ZYDIS_REGISTER_NONE;
    if (segment == ZYDIS_REGISTER_GS || segment == ZYDIS_REGISTER_FS)
        return append(buffer, ZYDIS_TOKEN_ADDRESS_ABS,
                      is_32_bit(context) ? fmt::format("{:08X}h", address) : number(address));
    const auto& data = *static_cast<const HookData*>(context->user_data);
    return append(buffer, ZYDIS_TOKEN_SYMBOL, named_address(data, data.machine.canonical(address)));
}

/// In 64-bit mode only fs and gs differ from a flat segment; in 32-bit mode kd shows every one that the instruction
/// does not take by default.
ZyanStatus print_segment(const ZydisFormatter*, ZydisFormatterBuffer* buffer, ZydisFormatterContext* context) {
    ZydisRegister segment = context->operand->mem.segment;
    bool shown = segment == ZYDIS_REGISTER_FS || segment == ZYDIS_REGISTER_GS;
    if (is_32_bit(context))
        shown = shown || segment == ZYDIS_REGISTER_ES || segment == ZYDIS_REGISTER_CS ||
                (context->instruction->attributes & (ZYDIS_ATTRIB_HAS_SEGMENT_DS | ZYDIS_ATTRIB_HAS_SEGMENT_SS)) != 0;
    if (!shown) return ZYAN_STATUS_SUCCESS;
    return append(buffer, ZYDIS_TOKEN_REGISTER, std::string(register_name(segment)) + ":");
}

/// The table that a 32-bit operand like [ecx*4+8054F3A0h] is about; nothing when the displacement is no known address.
std::optional<VirtAddr> table_of(const HookData& data, const ZydisDecodedOperand& operand) {
    const ZydisDecodedOperandMem& memory = operand.mem;
    if (data.machine.pointer_size != 4 || operand.type != ZYDIS_OPERAND_TYPE_MEMORY || !data.name || !*data.name)
        return std::nullopt;
    const bool alone = memory.base == ZYDIS_REGISTER_NONE && memory.index == ZYDIS_REGISTER_NONE;
    if (alone || memory.segment == ZYDIS_REGISTER_FS || memory.segment == ZYDIS_REGISTER_GS) return std::nullopt;
    const VirtAddr address = data.machine.canonical(static_cast<std::uint64_t>(memory.disp.value));
    return (*data.name)(address).empty() ? std::nullopt : std::optional(address);
}

/// Eight bytes that go to or from a vector register are an "mmword".
bool moves_vector(const Decoded& decoded) {
    for (std::size_t i = 0; i < decoded.instruction.operand_count_visible; ++i) {
        const ZydisDecodedOperand& operand = decoded.operands[i];
        if (operand.type != ZYDIS_OPERAND_TYPE_REGISTER) continue;
        ZydisRegisterClass kind = ZydisRegisterGetClass(operand.reg.value);
        if (kind == ZYDIS_REGCLASS_XMM || kind == ZYDIS_REGCLASS_MMX) return true;
    }
    return false;
}

ZydisFormatter make_formatter() {
    ZydisFormatter formatter;
    ZydisFormatterInit(&formatter, ZYDIS_FORMATTER_STYLE_INTEL);
    ZydisFormatterSetProperty(&formatter, ZYDIS_FORMATTER_PROP_FORCE_SIZE, ZYAN_TRUE);
    ZydisFormatterSetProperty(&formatter, ZYDIS_FORMATTER_PROP_FORCE_SCALE_ONE, ZYAN_FALSE);
    auto hook = [&](ZydisFormatterFunction which, ZydisFormatterFunc function) {
        const void* pointer = nullptr;
        static_assert(sizeof(pointer) == sizeof(function));
        std::memcpy(&pointer, &function, sizeof(pointer));
        ZydisFormatterSetHook(&formatter, which, &pointer);
    };
    hook(ZYDIS_FORMATTER_FUNC_PRINT_IMM, print_immediate);
    hook(ZYDIS_FORMATTER_FUNC_PRINT_DISP, print_displacement);
    hook(ZYDIS_FORMATTER_FUNC_PRINT_ADDRESS_ABS, print_address);
    hook(ZYDIS_FORMATTER_FUNC_PRINT_SEGMENT, print_segment);
    return formatter;
}

/// "[rax+rcx*1]" is "[rax+rcx]" in kd, and lists have no blank after the comma.
std::string tidy(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text.substr(i, 2) == "*1" && i + 2 < text.size() && std::string_view("]+-").contains(text[i + 2])) {
            ++i;
            continue;
        }
        out += text[i];
        if (text[i] == ',' && i + 1 < text.size() && text[i + 1] == ' ') ++i;
    }
    return out;
}

bool is_string_operation(const ZydisDecodedInstruction& instruction) {
    switch (instruction.mnemonic) {
    case ZYDIS_MNEMONIC_MOVSB:
    case ZYDIS_MNEMONIC_MOVSW:
    case ZYDIS_MNEMONIC_MOVSQ:
    case ZYDIS_MNEMONIC_STOSB:
    case ZYDIS_MNEMONIC_STOSW:
    case ZYDIS_MNEMONIC_STOSD:
    case ZYDIS_MNEMONIC_STOSQ:
    case ZYDIS_MNEMONIC_LODSB:
    case ZYDIS_MNEMONIC_LODSW:
    case ZYDIS_MNEMONIC_LODSD:
    case ZYDIS_MNEMONIC_LODSQ:
    case ZYDIS_MNEMONIC_SCASB:
    case ZYDIS_MNEMONIC_SCASW:
    case ZYDIS_MNEMONIC_SCASD:
    case ZYDIS_MNEMONIC_SCASQ:
    case ZYDIS_MNEMONIC_CMPSB:
    case ZYDIS_MNEMONIC_CMPSW:
    case ZYDIS_MNEMONIC_CMPSQ: return true;
    // These two mnemonics also name SSE instructions.
    case ZYDIS_MNEMONIC_MOVSD:
    case ZYDIS_MNEMONIC_CMPSD: return instruction.meta.category == ZYDIS_CATEGORY_STRINGOP;
    default: return false;
    }
}

} // namespace

bool names_its_memory(const ZydisDecodedInstruction& instruction) {
    return is_string_operation(instruction);
}

std::string format_operands(const Machine& machine, const Decoded& decoded, std::uint64_t address, const void* namer) {
    static const ZydisFormatter formatter = make_formatter();
    HookData data{machine, static_cast<const AddressNamer*>(namer)};
    const ZydisDecodedInstruction& instruction = decoded.instruction;
    bool string_operation = is_string_operation(instruction);
    std::string out;
    for (std::size_t i = 0; i < instruction.operand_count; ++i) {
        ZydisDecodedOperand operand = decoded.operands[i];
        bool shown = string_operation ? operand.type == ZYDIS_OPERAND_TYPE_MEMORY
                                      : operand.visibility != ZYDIS_OPERAND_VISIBILITY_HIDDEN;
        // A long nop has one operand in kd's eyes.
        if (instruction.mnemonic == ZYDIS_MNEMONIC_NOP && i > 0) shown = false;
        if (!shown) continue;
        // kd writes a table's name before the brackets: "dword ptr nt!Table (8054f3a0)[ecx*4]".
        const std::optional<VirtAddr> table = table_of(data, operand);
        if (table) operand.mem.disp.value = 0;
        char text[1024];
        if (!ZYAN_SUCCESS(
                ZydisFormatterFormatOperand(&formatter, &instruction, &operand, text, sizeof(text), address, &data)))
            continue;
        if (!out.empty()) out += ',';
        std::string piece = text;
        if (table) piece.insert(std::min(piece.find('['), piece.size()), named_address(data, *table));
        constexpr std::string_view qword = "qword ptr";
        if (piece.starts_with(qword) && moves_vector(decoded)) piece.replace(0, 1, "mm");
        // Names of C++ symbols may hold anything, so only operands without a name are rewritten.
        out += piece.contains('!') ? piece : tidy(piece);
    }
    return out;
}

} // namespace poolkd::code::zydis

#include "code/effective_address.h"

#include "base/text.h"

#include <fmt/format.h>

namespace poolkd::code {

std::optional<VirtAddr> effective_address(const Instruction& instruction, const RegisterFile& registers) {
    if (!instruction.memory || instruction.memory->only_address) return std::nullopt;
    const MemoryOperand& memory = *instruction.memory;
    auto value_of = [&](std::string_view name) -> std::optional<std::uint64_t> {
        if (name.empty()) return 0;
        if (name == "rip") return instruction.next().value;
        return registers.get(name);
    };
    auto base = value_of(memory.base);
    auto index = value_of(memory.index);
    if (!base || !index) return std::nullopt;
    std::uint64_t address = *base + *index * memory.scale + static_cast<std::uint64_t>(memory.displacement);
    // 32-bit addressing (eax in brackets) wraps at 4 GiB.
    bool narrow =
        (!memory.base.empty() && memory.base.front() == 'e') || (!memory.index.empty() && memory.index.front() == 'e');
    return instruction.machine->canonical(narrow ? address & 0xffffffff : address);
}

std::optional<bool> branch_taken(const Instruction& instruction, const RegisterFile& registers) {
    if (instruction.kind != InstructionKind::conditional_jump) return std::nullopt;
    Bytes bytes = instruction.bytes();
    std::optional<unsigned> condition;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        auto byte = std::to_integer<unsigned>(bytes[i]);
        if (byte == 0x2e || byte == 0x3e || byte == 0xf2 || byte == 0x66 || (byte & 0xf0) == 0x40) continue; // prefixes
        if ((byte & 0xf0) == 0x70) condition = byte & 15;
        if (byte == 0x0f && i + 1 < bytes.size()) condition = std::to_integer<unsigned>(bytes[i + 1]) & 15;
        if (byte == 0xe3) return registers.get(instruction.machine->pointer_size == 8 ? "rcx" : "ecx").value_or(0) == 0;
        break;
    }
    if (!condition) return std::nullopt; // loop and its relatives
    std::uint64_t flags = registers.get("efl").value_or(0);
    bool carry = flags & 1, parity = flags & 4, zero = flags & 0x40, sign = flags & 0x80, overflow = flags & 0x800;
    bool result = false;
    switch (*condition >> 1) {
    case 0: result = overflow; break;
    case 1: result = carry; break;
    case 2: result = zero; break;
    case 3: result = carry || zero; break;
    case 4: result = sign; break;
    case 5: result = parity; break;
    case 6: result = sign != overflow; break;
    default: result = zero || sign != overflow; break;
    }
    return result != ((*condition & 1) != 0);
}

std::string operand_note(const Instruction& instruction, const RegisterFile& registers, memory::AddressSpace& memory,
                         const AddressNamer& name, const SegmentBase& base) {
    if (auto taken = branch_taken(instruction, registers)) return *taken ? "[br=1]" : "[br=0]";
    auto address = effective_address(instruction, registers);
    if (!address) return {};
    const MemoryOperand& operand = *instruction.memory;
    const unsigned pointer_size = instruction.machine->pointer_size;
    std::string_view segment = operand.segment.empty() ? "ds" : operand.segment;
    std::string text = fmt::format("{}:{:04x}:{}=", segment, registers.get(segment).value_or(0),
                                   format_address(address->value, pointer_size));
    bool number = operand.size == 1 || operand.size == 2 || operand.size == 4 || operand.size == 8;
    unsigned size = number ? operand.size : pointer_size;
    std::optional<VirtAddr> place = address;
    if (segment == "gs" || segment == "fs") {
        place = base ? base(segment) : std::nullopt;
        if (place) place = instruction.machine->canonical(place->value + address->value);
    }
    auto value = place ? memory::read_unsigned(memory, *place, size)
                       : Result<std::uint64_t>(fail(ErrorKind::unreadable, "The base of the segment is not known"));
    if (!value) return text + std::string(std::size_t{2} * size, '?');
    bool branch = instruction.kind == InstructionKind::call || instruction.kind == InstructionKind::jump;
    if (branch && name)
        if (std::string target = name(instruction.machine->canonical(*value)); !target.empty())
            return fmt::format("{}{{{} ({})}}", text, target, format_address(*value, pointer_size));
    return fmt::format("{}{:0{}x}", text, *value, 2 * size);
}

} // namespace poolkd::code

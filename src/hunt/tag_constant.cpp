#include "hunt/tag_constant.h"

#include "code/decoder.h"
#include "hunt/preserved_register.h"

#include <optional>

namespace poolkd::hunt {

namespace {

constexpr std::size_t constant_bytes = 4;
constexpr std::uint32_t longest_function = 0x10000; // bytes of one that are decoded to find an instruction in it
constexpr std::uint32_t furthest_call = 0x200;      // bytes between a constant and its call

bool ends_with_constant(const code::Instruction& instruction, VirtAddr constant) {
    return instruction.next() == constant + constant_bytes && instruction.immediate &&
           instruction.immediate->size == constant_bytes &&
           instruction.address + instruction.immediate->offset == constant;
}

/// Decodes from the beginning of the function on: the bytes before the constant alone are ambiguous.
std::optional<code::Instruction> from_beginning(nt::Kernel& kernel, VirtAddr begin, VirtAddr constant) {
    if (constant < begin || constant - begin > longest_function) return std::nullopt;
    ByteVector bytes(constant - begin + constant_bytes);
    if (kernel.memory().read(begin, bytes).bytes != bytes.size()) return std::nullopt;
    for (std::size_t at = 0; at < bytes.size();) {
        auto instruction = code::decode(kernel.machine(), Bytes(bytes).subspan(at), begin + at);
        if (!instruction) return std::nullopt;
        if (ends_with_constant(*instruction, constant)) return *std::move(instruction);
        at += instruction->length;
    }
    return std::nullopt;
}

/// The longest instruction that ends with the constant: a prefix belongs to what follows it.
std::optional<code::Instruction> from_behind(nt::Kernel& kernel, VirtAddr constant) {
    constexpr std::size_t most = code::max_instruction_bytes - constant_bytes;
    for (std::size_t before = most; before >= 1; --before) {
        ByteVector bytes(before + constant_bytes);
        if (kernel.memory().read(constant - before, bytes).bytes != bytes.size()) continue;
        auto instruction = code::decode(kernel.machine(), bytes, constant - before);
        if (instruction && ends_with_constant(*instruction, constant)) return *std::move(instruction);
    }
    return std::nullopt;
}

/// The tag is put where it outlives a call.
bool is_kept(const code::Instruction& instruction, bool x64) {
    // Arguments on the stack are the callee's; on x64 a tag is among the first four, which are in registers.
    if (instruction.memory) return x64 || instruction.memory->base != "esp";
    return is_preserved_register(std::string_view(instruction.operands).substr(0, instruction.operands.find(',')), x64);
}

/// No other call lies between the constant and the call that gets it.
bool goes_straight(nt::Kernel& kernel, VirtAddr behind, VirtAddr call) {
    if (call < behind || call - behind > furthest_call) return false;
    ByteVector bytes(call - behind);
    if (kernel.memory().read(behind, bytes).bytes != bytes.size()) return false;
    for (std::size_t at = 0; at < bytes.size();) {
        auto instruction = code::decode(kernel.machine(), Bytes(bytes).subspan(at), behind + at);
        if (!instruction || instruction->kind == code::InstructionKind::call) return false;
        at += instruction->length;
    }
    return true;
}

} // namespace

std::string why_not_patched(nt::Kernel& kernel, VirtAddr module, const code::PoolSite& site) {
    const VirtAddr constant = module + site.tag_rva.value_or(0);
    auto instruction = from_beginning(kernel, module + site.function_rva, constant);
    if (!instruction) instruction = from_behind(kernel, constant);
    if (!instruction) return "its tag is not the constant of an instruction";
    if (is_kept(*instruction, kernel.machine().pointer_size == 8) ||
        !goes_straight(kernel, instruction->next(), module + site.rva))
        return "its function keeps the tag across calls, so a thread inside would go on with the old one";
    return {};
}

} // namespace poolkd::hunt

#include "hunt/tag_variable.h"

#include "code/decoder.h"
#include "hunt/image_uses.h"
#include "hunt/preserved_register.h"

#include <algorithm>
#include <optional>

namespace poolkd::hunt {

namespace {

constexpr std::size_t reference_bytes = 4;
constexpr std::size_t longest_before = 4; // prefix, opcode and operand bytes before the reference of a load

/// The instruction that ends with the reference at `rva`; the longest, since a prefix belongs to what follows it.
std::optional<code::Instruction> using_instruction(const code::FlatImage& image, const Machine& machine, VirtAddr base,
                                                   std::uint32_t rva, VirtAddr variable) {
    for (std::uint32_t before = longest_before; before >= 1; --before) {
        if (rva < before) continue;
        const Bytes bytes = image.at(rva - before, before + reference_bytes);
        auto instruction = code::decode(machine, bytes, base + (rva - before));
        if (instruction && instruction->length == bytes.size() && instruction->slot == variable)
            return *std::move(instruction);
    }
    return std::nullopt;
}

/// Loads the variable into a register that the next call clobbers, or pushes it.
bool loads_for_a_call(const code::Instruction& instruction, bool x64) {
    if (instruction.mnemonic == "push") return true;
    const std::string_view first = std::string_view(instruction.operands).substr(0, instruction.operands.find(','));
    return instruction.mnemonic == "mov" && first.find('[') == std::string_view::npos &&
           !is_preserved_register(first, x64);
}

} // namespace

std::string why_variable_not_patched(nt::Kernel& kernel, const code::ModuleSites& module, std::uint32_t variable_rva,
                                     std::size_t sites, Work& work) {
    auto uses = ImageUses::of(kernel, module, work);
    if (!uses) return "its tag is in a variable, and who else uses that could not be looked up";
    const std::vector<std::uint32_t> users = uses->in_code(variable_rva, work);
    for (std::uint32_t rva : users) {
        auto instruction =
            using_instruction(uses->image(), kernel.machine(), module.base, rva, module.base + variable_rva);
        if (!instruction || !loads_for_a_call(*instruction, kernel.machine().pointer_size == 8))
            return "its tag is in a variable, which is used otherwise as well";
    }
    return users.size() <= sites ? std::string() : "its tag is in a variable, which other code uses as well";
}

} // namespace poolkd::hunt

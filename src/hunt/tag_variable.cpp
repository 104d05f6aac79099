#include "hunt/tag_variable.h"

#include "hunt/image_uses.h"
#include "hunt/preserved_register.h"

#include <algorithm>

namespace poolkd::hunt {

namespace {

/// Loads the variable into a register that the next call clobbers, or pushes it.
bool loads_for_a_call(const code::Instruction& instruction, bool x64) {
    if (instruction.mnemonic == "push") return true;
    const std::string_view first = std::string_view(instruction.operands).substr(0, instruction.operands.find(','));
    return instruction.mnemonic == "mov" && first.find('[') == std::string_view::npos &&
           !is_preserved_register(first, x64);
}

} // namespace

std::vector<VirtAddr> loads_of_variable(nt::Kernel& kernel, const code::ModuleSites& module, std::uint32_t variable_rva,
                                        Work& work) {
    std::vector<VirtAddr> loads;
    if (auto uses = ImageUses::of(kernel, module, work))
        for (const ImageUses::Use& use : uses->in_code(variable_rva, work))
            if (use.instruction) loads.push_back(use.instruction->next());
    std::ranges::sort(loads);
    return loads;
}

std::string why_variable_not_patched(nt::Kernel& kernel, const code::ModuleSites& module, std::uint32_t variable_rva,
                                     std::size_t sites, Work& work) {
    auto uses = ImageUses::of(kernel, module, work);
    if (!uses) return "its tag is in a variable, and who else uses that could not be looked up";
    const std::vector<ImageUses::Use> users = uses->in_code(variable_rva, work);
    for (const ImageUses::Use& use : users)
        if (!use.instruction || !loads_for_a_call(*use.instruction, kernel.machine().pointer_size == 8))
            return "its tag is in a variable, which is used otherwise as well";
    return users.size() <= sites ? std::string() : "its tag is in a variable, which other code uses as well";
}

} // namespace poolkd::hunt

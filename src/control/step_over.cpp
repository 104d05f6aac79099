#include "control/step_over.h"

#include "code/decoder.h"

namespace poolkd::control {

Result<std::optional<VirtAddr>> end_of_call(nt::Kernel& kernel, VirtAddr ip) {
    ByteVector bytes(code::max_instruction_bytes);
    bytes.resize(kernel.memory().read(ip, bytes).bytes);
    auto instruction = code::decode(kernel.machine(), bytes, ip);
    // What cannot be read or decoded is traced: the processor knows better.
    if (!instruction) return std::optional<VirtAddr>{};
    const bool repeats = instruction->mnemonic.starts_with("rep");
    if (instruction->kind != code::InstructionKind::call && !repeats) return std::optional<VirtAddr>{};
    return std::optional(instruction->next());
}

} // namespace poolkd::control

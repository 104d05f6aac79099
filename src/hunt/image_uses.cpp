#include "hunt/image_uses.h"

#include "code/code_references.h"
#include "pe/exports.h"

#include <algorithm>

namespace poolkd::hunt {

Result<ImageUses> ImageUses::of(nt::Kernel& kernel, const code::ModuleSites& module, Work& work) {
    const nt::Module* loaded = kernel.modules().containing(module.base);
    if (!loaded) return fail(ErrorKind::not_found, "{} is not loaded any more", module.module);
    POOLKD_TRY(code::FlatImage image, code::FlatImage::of_module(kernel, *loaded, work));
    const std::uint64_t base =
        kernel.machine().pointer_size == 8 ? module.base.value : static_cast<std::uint32_t>(module.base.value);
    ImageUses uses(kernel.machine(), std::move(image), base);
    POOLKD_TRY(const pe::Image headers, pe::Image::open(uses.image_, pe::ImageLayout::memory));
    const std::uint32_t size = uses.image_.size();
    for (const pe::Section& section : headers.sections())
        if (section.is_code() && section.rva < size)
            uses.code_.push_back({section.rva, section.rva + std::min(section.size(), size - section.rva)});
    if (auto exports = pe::ExportTable::read(headers))
        for (const pe::Export& entry : exports->all())
            uses.exported_.push_back(entry.rva);
    return uses;
}

std::vector<std::uint32_t> ImageUses::in_code(std::uint32_t rva, Work& work) const {
    code::ReferenceTargets targets;
    targets.slots = {rva};
    code::CodeReferences found = code::find_code_references(image_, machine_, base_, code_, targets, work);
    // On x64 the distance of a call or jump looks the same; its opcode has one byte or two.
    for (const code::CodeReferences::Branch& branch : found.to(rva))
        std::erase_if(found.slots, [&](std::uint32_t at) { return at - branch.from == 1 || at - branch.from == 2; });
    return std::move(found.slots);
}

bool ImageUses::address_is_known(std::uint32_t rva, Work& work) const {
    if (std::ranges::find(exported_, rva) != exported_.end() || !in_code(rva, work).empty()) return true;
    const Bytes all = image_.all();
    const std::size_t pointer = machine_.pointer_size;
    for (std::size_t at = 0; at + pointer <= all.size(); at += pointer) {
        const std::uint64_t value = pointer == 8 ? load_or<std::uint64_t>(all, at) : load_or<std::uint32_t>(all, at);
        if (value == base_ + rva) return true;
    }
    return false;
}

} // namespace poolkd::hunt

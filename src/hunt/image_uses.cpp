#include "hunt/image_uses.h"

#include "code/code_references.h"
#include "code/decoder.h"
#include "pe/exports.h"

#include <algorithm>

namespace poolkd::hunt {

namespace {

constexpr std::uint32_t reference_bytes = 4;
constexpr std::uint32_t longest_before = 6; // bytes of an instruction before an address in it

} // namespace

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

std::vector<ImageUses::Use> ImageUses::in_code(std::uint32_t rva, Work& work) const {
    const bool x64 = machine_.pointer_size == 8;
    // On x64 the distance counts from the end of the instruction, and a constant may stand before that.
    const std::vector<std::uint32_t> constants =
        x64 && rva >= 4 ? std::vector<std::uint32_t>{4, 2, 1, 0} : std::vector<std::uint32_t>{0};
    code::ReferenceTargets targets;
    for (std::uint32_t bytes : constants)
        targets.slots.push_back(rva - bytes);
    code::CodeReferences found = code::find_code_references(image_, machine_, base_, code_, targets, work);
    // The distance of a call or jump looks the same; its opcode has one byte or two.
    for (const code::CodeReferences::Branch& branch : found.to(rva))
        std::erase_if(found.slots, [&](std::uint32_t at) { return at - branch.from == 1 || at - branch.from == 2; });
    std::vector<Use> uses;
    for (std::uint32_t at : found.slots)
        if (auto use = use_at(at, rva)) uses.push_back(*std::move(use));
    return uses;
}

std::optional<ImageUses::Use> ImageUses::use_at(std::uint32_t at, std::uint32_t rva) const {
    const VirtAddr base = machine_.canonical(base_), place = base + rva;
    bool another = false;
    for (std::uint32_t before = std::min(at, longest_before); before >= 1; --before) {
        const Bytes bytes = image_.from(at - before, code::max_instruction_bytes);
        auto instruction = code::decode(machine_, bytes, base + (at - before));
        if (!instruction || instruction->length < before + reference_bytes) continue;
        if (instruction->slot == place) return Use{at, *std::move(instruction)};
        another = another || instruction->slot.has_value();
    }
    // Bytes that happen to look so, in an instruction that means another place; or it is not known what they are. Zeros
    // right before the place are the end of a long nop.
    const bool x64 = machine_.pointer_size == 8;
    const bool exact = !x64 || (reached(at) == rva && at + reference_bytes != rva);
    return another || !exact ? std::nullopt : std::optional(Use{at, std::nullopt});
}

std::uint32_t ImageUses::reached(std::uint32_t at) const {
    return load_or<std::uint32_t>(image_.at(at, reference_bytes), 0) + at + reference_bytes;
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

#include "base/machine.h"

#include "base/text.h"

namespace poolkd {

namespace {

constexpr std::uint64_t mask_of(unsigned bits) {
    return bits >= 64 ? ~0ull : (1ull << bits) - 1;
}

} // namespace

const RegisterSlot* Machine::find_register(std::string_view lower_case_name) const {
    for (const RegisterSlot& slot : registers)
        if (slot.name == lower_case_name) return &slot;
    return nullptr;
}

const SubRegister* Machine::find_sub_register(std::string_view lower_case_name) const {
    for (const SubRegister& part : sub_registers)
        if (part.name == lower_case_name) return &part;
    return nullptr;
}

const RegisterSlot* Machine::find_special(std::string_view lower_case_name) const {
    for (const RegisterSlot& slot : special_registers)
        if (slot.name == lower_case_name) return &slot;
    return nullptr;
}

VirtAddr Machine::canonical(std::uint64_t value) const {
    if (pointer_size == 8) return VirtAddr(value);
    return VirtAddr(static_cast<std::uint64_t>(static_cast<std::int64_t>(static_cast<std::int32_t>(value))));
}

std::optional<std::uint64_t> Machine::special(Bytes record, std::string_view lower_case_name) const {
    const RegisterSlot* slot = find_special(lower_case_name);
    return slot ? load_unsigned(record, slot->offset, slot->size) : std::nullopt;
}

const Machine* find_machine(std::uint16_t image_machine) {
    // Another machine is a file of its own beside machine_x64.cpp, and a name here.
    for (const Machine* machine : {&x64_machine(), &x86_machine()})
        if (machine->image_machine == image_machine) return machine;
    return nullptr;
}

std::optional<std::uint64_t> RegisterFile::get(std::string_view name) const {
    if (!machine_) return std::nullopt;
    std::string lower = to_lower(name);
    if (const RegisterSlot* slot = machine_->find_register(lower))
        return load_unsigned(context_, slot->offset, slot->size);
    if (const SubRegister* part = machine_->find_sub_register(lower)) {
        auto whole = get(part->parent);
        if (!whole) return std::nullopt;
        return (*whole >> part->shift) & mask_of(part->bits);
    }
    return std::nullopt;
}

bool RegisterFile::set(std::string_view name, std::uint64_t value) {
    if (!machine_) return false;
    std::string lower = to_lower(name);
    if (const RegisterSlot* slot = machine_->find_register(lower))
        return store_unsigned(context_, slot->offset, slot->size, value);
    if (const SubRegister* part = machine_->find_sub_register(lower)) {
        auto whole = get(part->parent);
        if (!whole) return false;
        std::uint64_t mask = mask_of(part->bits) << part->shift;
        return set(part->parent, (*whole & ~mask) | ((value << part->shift) & mask));
    }
    return false;
}

} // namespace poolkd

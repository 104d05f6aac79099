#include "code/site_targets.h"

#include "code/named_pointers.h"
#include "code/wdf_functions.h"
#include "pe/imports.h"

#include <algorithm>

namespace poolkd::code {

namespace {

constexpr const char* wdf_call = "Called through KMDF's table of functions.";

Value place_of_argument(const PoolRoutine& routine, const Machine& machine, unsigned number) {
    if (number == 0) return {};
    if (machine.pointer_size == 8 && number <= 4) {
        constexpr std::uint8_t in_registers[] = {1, 2, 8, 9};
        return Value::entry(in_registers[number - 1]);
    }
    const unsigned word = machine.pointer_size == 8 ? number : stack_word(routine, number);
    return {.kind = Value::Kind::entry_stack, .number = std::uint64_t{word} * machine.pointer_size};
}

/// Reads a pointer of the load configuration, as RVA. The table states how long it is.
std::optional<std::uint32_t> pointer_of_load_config(const FlatImage& image, const pe::Image& headers,
                                                    std::uint64_t base, std::uint32_t offset) {
    const pe::DataDirectory directory = headers.directory(pe::Directory::load_config);
    if (!directory.present()) return std::nullopt;
    const std::uint32_t width = headers.is_64 ? 8 : 4;
    const auto size = load<std::uint32_t>(image.at(directory.rva, 4), 0);
    if (!size || *size < offset + width) return std::nullopt;
    const auto pointer = load_unsigned(image.at(directory.rva + offset, width), 0, width);
    if (!pointer || *pointer - base >= image.size()) return std::nullopt;
    return static_cast<std::uint32_t>(*pointer - base);
}

} // namespace

Callee callee_of(const PoolRoutine& routine, const Machine& machine) {
    Callee out;
    out.routine = &routine;
    out.tag = place_of_argument(routine, machine, routine.tag);
    out.size = place_of_argument(routine, machine, routine.size);
    out.type = place_of_argument(routine, machine, routine.type);
    out.selector = place_of_argument(routine, machine, routine.selector);
    return out;
}

SiteTargets SiteTargets::find(const SiteImage& image, const pe::Image& headers, const Machine& machine) {
    return find(image, headers, pe::ExportTable::read(headers).value_or(pe::ExportTable()), machine);
}

SiteTargets SiteTargets::find(const SiteImage& image, const pe::Image& headers, const pe::ExportTable& exports,
                              const Machine& machine) {
    SiteTargets out;
    const pe::ImportTable imports = pe::ImportTable::read(headers);
    for (const pe::Import& import : imports.all())
        if (const PoolRoutine* routine = find_pool_routine(import.name)) out.slots.emplace(import.slot, routine);
    for (const pe::Export& entry : exports.all())
        if (const PoolRoutine* routine = entry.rva == 0 ? nullptr : find_pool_routine(entry.name))
            out.own.emplace(entry.rva, routine);
    for (const RoutineAddress& entry : image.routines) {
        const PoolRoutine* routine = find_pool_routine(entry.name);
        if (!routine) continue;
        if (entry.address - image.base < headers.size_of_image)
            out.own.emplace(static_cast<std::uint32_t>(entry.address - image.base), routine);
        else
            out.outside.emplace(entry.address, routine);
    }
    if (!out.outside.empty()) {
        // Slots and pointers of an image in memory are known by what they hold.
        const std::uint32_t width = machine.pointer_size;
        const std::uint64_t first = out.outside.begin()->first, range = out.outside.rbegin()->first - first;
        for (const pe::Section& section : headers.sections()) {
            if (section.rva >= image.bytes->size()) continue;
            const std::uint32_t size = std::min(section.size(), image.bytes->size() - section.rva);
            for (std::uint32_t at = 0; at + width <= size; at += width) {
                const std::uint64_t held = load_unsigned(image.bytes->all(), section.rva + at, width).value_or(0);
                if (held - first > range) continue;
                if (auto found = out.outside.find(held); found != out.outside.end())
                    out.slots.insert_or_assign(section.rva + at, found->second);
            }
        }
    }
    constexpr std::uint32_t dispatch = 0x78; // GuardCFDispatchFunctionPointer, only in the 64-bit table
    if (headers.is_64)
        if (auto slot = pointer_of_load_config(*image.bytes, headers, image.base, dispatch))
            out.dispatchers.insert(*slot);
    return out;
}

void SiteTargets::add_variables(const SiteImage& image, const pe::Image& headers, const pe::ExportTable& exports,
                                const Machine& machine, std::span<const Extent> code, Work& work) {
    if (!outside.empty()) {
        const pe::ImportTable imports = pe::ImportTable::read(headers);
        const pe::DataDirectory addresses = headers.directory(pe::Directory::import_addresses);
        for (const auto& [slot, routine] : slots) {
            const pe::Section* section = headers.section_at(slot);
            if (!section || !section->is_writable() || slot - addresses.rva < addresses.size || imports.at(slot))
                continue;
            told[slot] = fmt::format("Called through the variable at +{:#x}, which holds the routine's address.", slot);
        }
    }
    for (const auto& [variable, routine] : find_named_pointers(image, headers, exports, machine, code, work)) {
        slots.insert_or_assign(variable, routine);
        told[variable] = fmt::format("Called through the variable at +{:#x}, which gets what "
                                     "MmGetSystemRoutineAddress knows as {}.",
                                     variable, routine->name);
    }
    const std::optional<WdfTable> wdf = find_wdf_table(image, headers, machine);
    if (!wdf) return;
    for (const WdfRoutine& function : wdf_routines()) {
        if (function.index >= wdf->functions) continue;
        const PoolRoutine* routine = find_other_routine(function.name);
        const std::uint32_t distance = function.index * machine.pointer_size;
        if (wdf->is_pointer) {
            table = wdf->rva;
            table_entries.emplace(distance, routine);
        } else {
            slots.emplace(wdf->rva + distance, routine);
            told[wdf->rva + distance] = wdf_call;
        }
    }
    if (table) told[*table] = wdf_call;
}

} // namespace poolkd::code

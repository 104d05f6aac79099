#include "nt/modules.h"

#include "base/text.h"
#include "dumps/triage.h"
#include "nt/kdbg.h"
#include "nt/layout.h"
#include "nt/list_walk.h"
#include "nt/strings.h"

#include <algorithm>

namespace poolkd::nt {

namespace {

constexpr std::string_view kernel_entry = "_KLDR_DATA_TABLE_ENTRY";
constexpr std::size_t max_modules = 4096;            // a busy server has about 250
constexpr std::uint32_t kernel_size_guess = 1 << 20; // until the header has been read

symbols::TypePtr number(std::uint64_t size) {
    auto type = std::make_shared<symbols::Type>();
    type->kind = symbols::TypeKind::integer;
    type->size = size;
    return type;
}

/// Members of the loader entry that every kernel of a pointer size has at these offsets, from 2000 and 2003 to Windows
/// 11 (public symbols of _LDR_DATA_TABLE_ENTRY / _KLDR_DATA_TABLE_ENTRY): used only when the kernel's own symbols
/// cannot be had.
symbols::StructLayout known_loader_entry(unsigned pointer_size) {
    const bool wide = pointer_size == 8;
    symbols::StructLayout layout{"_KLDR_DATA_TABLE_ENTRY", wide ? 0xa0u : 0x50u, false, {}};
    layout.fields = {{"InLoadOrderLinks", 0x00, 0, 0, number(wide ? 16 : 8)},
                     {"DllBase", wide ? 0x30u : 0x18u, 0, 0, number(pointer_size)},
                     {"SizeOfImage", wide ? 0x40u : 0x20u, 0, 0, number(4)},
                     {"FullDllName", wide ? 0x48u : 0x24u, 0, 0, number(wide ? 16 : 8)},
                     {"BaseDllName", wide ? 0x58u : 0x2cu, 0, 0, number(wide ? 16 : 8)}};
    return layout;
}

/// The same of an entry of MmUnloadedDrivers, which not all public symbols describe.
symbols::StructLayout known_unloaded_driver(unsigned pointer_size) {
    const bool wide = pointer_size == 8;
    symbols::StructLayout layout{"_UNLOADED_DRIVERS", wide ? 0x28u : 0x18u, false, {}};
    layout.fields = {{"Name", 0, 0, 0, number(wide ? 16 : 8)},
                     {"StartAddress", wide ? 0x10u : 0x08u, 0, 0, number(pointer_size)},
                     {"EndAddress", wide ? 0x18u : 0x0cu, 0, 0, number(pointer_size)},
                     {"CurrentTime", wide ? 0x20u : 0x10u, 0, 0, number(8)}};
    return layout;
}

/// What the PE header of a loaded image says of it; the members lie at these offsets in PE32 and PE32+.
struct Header {
    bool valid = false;
    std::uint32_t timestamp = 0, size = 0, checksum = 0;
};

Header read_header(memory::AddressSpace& memory, VirtAddr base) {
    constexpr std::uint32_t signature = 0x4550; // "PE\0\0"
    auto at = memory::read_unsigned(memory, base + 0x3c, 4);
    if (!at || *at >= 0x1000) return {};
    auto bytes = memory::read_exact(memory, base + *at, 0x5c);
    if (!bytes || load_or<std::uint32_t>(*bytes, 0) != signature) return {};
    auto number = [&](std::size_t offset) { return load_or<std::uint32_t>(*bytes, offset); };
    return {true, number(0x08), number(0x50), number(0x58)};
}

std::string module_name_of(std::string_view image_name) {
    std::string name(image_name.substr(0, image_name.rfind('.')));
    // kd writes a character that no symbol name may have as an underscore.
    std::ranges::replace_if(name, [](char c) { return c == ' ' || c == '-' || c == '!' || c == '.'; }, '_');
    return name;
}

std::string name_by_address(const Module& module, const Machine& machine) {
    return machine.pointer_size == 8 ? fmt::format("image{:012x}", module.base.value & 0xffffffffffff)
                                     : fmt::format("image{:08x}", module.base.value & 0xffffffff);
}

} // namespace

std::string SymbolAt::text() const {
    if (unloaded) return fmt::format("<Unloaded_{}>+{:#x}", unloaded->name, displacement);
    if (!module) return {};
    std::string name = symbol ? module->name + "!" + symbol->name : module->name;
    return displacement ? fmt::format("{}+{:#x}", name, displacement) : name;
}

Modules::Modules(target::Target& target, SymbolLoader loader) : target_(target), loader_(std::move(loader)) {
    modules_.push_back(kernel_at(target.identity().kernel_base));
}

std::unique_ptr<Module> Modules::kernel_at(VirtAddr base) {
    auto kernel = std::make_unique<Module>();
    kernel->name = "nt";
    kernel->image_name = "ntoskrnl.exe";
    kernel->is_kernel = true;
    kernel->base = base;
    // They stand in the PE header, which is read here directly: the loader list, where they would come from otherwise,
    // can only be read with the symbols that the header identifies.
    kernel->size = kernel_size_guess;
    if (const Header header = read_header(target_.memory(), base); header.valid) {
        kernel->timestamp = header.timestamp;
        if (header.size) kernel->size = header.size;
        kernel->checksum = header.checksum;
    }
    kernel->image = std::make_shared<ModuleImage>(target_.memory(), kernel->base, kernel->size,
                                                  target_.identity().machine->page_size);
    return kernel;
}

Layout Modules::loader_entry_layout() {
    used_known_layout_ = false;
    if (symbols::ModuleSymbols* nt = symbols(kernel())) {
        // _KLDR_DATA_TABLE_ENTRY is in the public symbols from 10240 on; older ones describe the same entry by its
        // user-mode twin.
        for (std::string_view name : {kernel_entry, std::string_view("_LDR_DATA_TABLE_ENTRY")})
            if (auto layout = nt->layout(name); layout && layout->find("DllBase")) return Layout(std::move(*layout));
    }
    used_known_layout_ = true;
    return Layout(known_loader_entry(target_.identity().machine->pointer_size));
}

Result<Module> Modules::read_entry(VirtAddr entry, const Layout& layout) {
    auto& memory = target_.memory();
    const Machine& machine = *target_.identity().machine;
    if (layout.size() == 0 || layout.size() > 0x400)
        return fail(ErrorKind::malformed, "{} has {} bytes, which is not credible", layout.name(), layout.size());
    POOLKD_TRY(ByteVector bytes, memory::read_exact(memory, entry, layout.size()));
    POOLKD_TRY(FieldReader base, layout.field("DllBase"));
    POOLKD_TRY(FieldReader size, layout.field("SizeOfImage"));
    POOLKD_TRY(std::uint32_t base_name, layout.offset("BaseDllName"));
    POOLKD_TRY(std::uint32_t full_name, layout.offset("FullDllName"));
    Module module;
    module.base = machine.canonical(base.read(bytes));
    module.size = static_cast<std::uint32_t>(size.read(bytes));
    // Where the user-mode twin has its time stamp, the kernel's entry has a pointer: the image's header tells it then.
    if (auto field = layout.field("TimeDateStamp"); field && layout.name() == kernel_entry)
        module.timestamp = static_cast<std::uint32_t>(field->read(bytes));
    if (auto field = layout.field("CheckSum")) module.checksum = static_cast<std::uint32_t>(field->read(bytes));
    if (auto text = read_unicode_string(memory, entry + full_name, machine)) module.path = std::move(*text);
    if (auto text = read_unicode_string(memory, entry + base_name, machine)) module.image_name = std::move(*text);
    return module;
}

Answer<std::size_t> Modules::refresh() {
    Answer<std::size_t> answer;
    // After a restart the kernel may lie elsewhere.
    if (const VirtAddr base = target_.identity().kernel_base; base != kernel().base) modules_.front() = kernel_at(base);
    List fresh;
    const dumps::TriageRecords* records = target_.driver_records();
    if (records) {
        take_driver_records(*records, fresh);
    } else {
        read_loader_list(fresh, answer.coverage);
    }
    // The kernel stays, whatever the list said.
    if (fresh.empty() || !fresh.front()->is_kernel)
        if (modules_.front()) fresh.insert(fresh.begin(), std::move(modules_.front()));
    modules_ = std::move(fresh);
    if (!records) read_unloaded();
    answer.value = modules_.size();
    return answer;
}

VirtAddr Modules::list_head() {
    if (const VirtAddr stated = target_.identity().loaded_module_list) return stated;
    symbols::ModuleSymbols* nt = symbols(kernel());
    if (!nt) return {};
    const auto symbol = nt->find("PsLoadedModuleList");
    return symbol ? kernel().base + symbol->rva : VirtAddr();
}

void Modules::read_loader_list(List& fresh, Coverage& coverage) {
    const Machine& machine = *target_.identity().machine;
    Layout layout = loader_entry_layout();
    const VirtAddr head = list_head();
    if (!head) return;
    const std::uint32_t link_offset = layout.offset("InLoadOrderLinks").value_or(0);
    Work work;
    coverage.merge(walk_list(target_.memory(), machine, head, max_modules, work, [&](VirtAddr link) {
        auto entry = read_entry(link - link_offset, layout);
        if (!entry) {
            coverage.add_gap(GapReason::unmapped, link, layout.size());
            return;
        }
        coverage.add_read(layout.size());
        take(std::move(*entry), fresh);
    }));
}

void Modules::take_driver_records(const dumps::TriageRecords& records, List& fresh) {
    for (const dumps::TriageDriver& driver : records.drivers) {
        if (!driver.base) continue;
        Module entry;
        entry.base = driver.base;
        entry.size = driver.size;
        entry.timestamp = driver.timestamp;
        entry.checksum = driver.checksum;
        entry.image_name = driver.name;
        take(std::move(entry), fresh);
    }
    unloaded_.clear();
    unloaded_coverage_ = {};
    for (const dumps::TriageUnloadedDriver& driver : records.unloaded)
        if (driver.start < driver.end)
            unloaded_.push_back({.name = driver.name, .start = driver.start, .end = driver.end});
}

void Modules::take(Module entry, List& fresh) {
    const Machine& machine = *target_.identity().machine;
    auto& memory = target_.memory();
    auto known = std::ranges::find_if(modules_, [&](const auto& old) {
        return old && old->base == entry.base &&
               (old->is_kernel ||
                (old->size == entry.size && (entry.timestamp == 0 || old->timestamp == entry.timestamp)));
    });
    if (known == modules_.end()) {
        if (entry.image_name.empty()) entry.image_name = name_by_address(entry, machine);
        entry.name = module_name_of(entry.image_name);
        entry.image = std::make_shared<ModuleImage>(memory, entry.base, entry.size, machine.page_size);
        fresh.push_back(std::make_unique<Module>(std::move(entry)));
        return;
    }
    Module& old = **known;
    // What could not be read now may have been readable before, and the other way round.
    if (!entry.path.empty()) old.path = std::move(entry.path);
    if (!entry.image_name.empty()) {
        old.image_name = std::move(entry.image_name);
        if (!old.is_kernel) old.name = module_name_of(old.image_name);
    }
    if (!old.is_kernel) {
        fresh.push_back(std::move(*known));
        return;
    }
    if (entry.size != 0 && entry.size != old.size) {
        old.size = entry.size;
        old.image = std::make_shared<ModuleImage>(memory, old.base, old.size, machine.page_size);
    }
    if (old.timestamp == 0) old.timestamp = entry.timestamp;
    if (old.checksum == 0) old.checksum = entry.checksum;
    fresh.insert(fresh.begin(), std::move(*known));
}

void Modules::read_unloaded() {
    unloaded_.clear();
    unloaded_coverage_ = {};
    constexpr std::uint64_t slots = 50; // MI_UNLOADED_DRIVERS in every released kernel
    const target::Identity& identity = target_.identity();
    const Machine& machine = *identity.machine;
    auto& memory = target_.memory();
    symbols::ModuleSymbols* nt = symbols(kernel());
    auto variable = [&](std::string_view name, Kdbg::Field field) -> std::optional<VirtAddr> {
        if (nt)
            if (auto symbol = nt->find(name)) return kernel().base + symbol->rva;
        auto block = identity.debugger_data ? Kdbg::at(memory, identity.debugger_data, machine)
                                            : Kdbg::find(memory, identity.debugger_data_list, machine);
        return block ? block->value(field) : std::nullopt;
    };
    const auto at = variable("MmUnloadedDrivers", Kdbg::unloaded_drivers);
    if (!at) return;
    auto table = memory::read_unsigned(memory, *at, machine.pointer_size);
    if (!table || *table == 0) return;
    symbols::StructLayout record_layout = known_unloaded_driver(machine.pointer_size);
    if (nt)
        if (auto described = nt->layout(record_layout.name)) record_layout = std::move(*described);
    Layout layout(std::move(record_layout));
    auto name = layout.offset("Name");
    auto start = layout.field("StartAddress");
    auto end = layout.field("EndAddress");
    auto time = layout.field("CurrentTime");
    if (!name || !start || !end || layout.size() == 0 || layout.size() > 0x100) return;
    std::uint64_t next = 0; // the slot that is written next: the one in front of it is the newest
    if (const auto last = variable("MmLastUnloadedDriver", Kdbg::last_unloaded_driver))
        next = memory::read_unsigned(memory, *last, 4).value_or(0) % slots;
    const VirtAddr first = machine.canonical(*table);
    const auto bytes = memory::read_sparse(memory, first, layout.size() * slots, machine.page_size);
    unloaded_coverage_ = bytes.coverage;
    for (std::uint64_t n = 1; n <= slots; ++n) {
        const std::uint64_t i = (next + slots - n) % slots;
        Bytes record = Bytes(bytes.value).subspan(i * layout.size(), layout.size());
        UnloadedModule module;
        module.start = machine.canonical(start->read(record));
        module.end = machine.canonical(end->read(record));
        if (time) module.time = time->read(record);
        if (!module.start || module.end <= module.start) continue;
        if (auto text = read_unicode_string(memory, first + i * layout.size() + *name, machine))
            module.name = std::move(*text);
        unloaded_.push_back(std::move(module)); // the newest first, which an address is looked up in
    }
}

void Modules::drop_symbols(std::string_view pattern) {
    for (auto& module : modules_) {
        if (!wildcard_match(pattern, module->name) && !wildcard_match(pattern, module->image_name)) continue;
        module->symbols.reset();
        module->symbol_state = SymbolState::deferred;
        module->symbol_note.clear();
    }
}

bool Modules::forget(std::string_view name) {
    Module* module = find(name);
    if (!module) return false;
    if (module->is_kernel) {
        drop_symbols("nt");
        return true;
    }
    std::erase_if(modules_, [&](const auto& m) { return m.get() == module; });
    return true;
}

Module* Modules::find(std::string_view name) {
    for (auto& module : modules_)
        if (equals_ignore_case(module->name, name) || equals_ignore_case(module->image_name, name)) return module.get();
    return nullptr;
}

Module* Modules::containing(VirtAddr address) {
    for (auto& module : modules_)
        if (module->contains(address)) return module.get();
    return nullptr;
}

const UnloadedModule* Modules::unloaded_containing(VirtAddr address) const {
    for (const UnloadedModule& module : unloaded_)
        if (module.contains(address)) return &module;
    return nullptr;
}

void Modules::identify(Module& module) {
    if (module.timestamp == 0) module.timestamp = read_header(target_.memory(), module.base).timestamp;
}

symbols::ModuleSymbols* Modules::symbols(Module& module) {
    if (module.symbol_state == SymbolState::deferred) {
        module.symbol_state = SymbolState::none; // a loader that asks back must not come here again
        if (loader_) {
            identify(module);
            loader_(module);
        }
    }
    return module.symbols.get();
}

std::vector<Modules::Found> Modules::find_symbol(std::string_view name) {
    auto in_module = [&](Module& module, std::string_view symbol_name) {
        std::vector<Found> found;
        if (symbols::ModuleSymbols* source = symbols(module))
            for (symbols::Symbol& symbol : source->find_all(symbol_name))
                found.push_back({&module, std::move(symbol)});
        return found;
    };
    if (std::size_t bang = name.find('!'); bang != std::string_view::npos) {
        Module* module = find(name.substr(0, bang));
        return module ? in_module(*module, name.substr(bang + 1)) : std::vector<Found>{};
    }
    for (bool deferred : {false, true})
        for (auto& module : modules_) {
            if ((module->symbol_state == SymbolState::deferred) != deferred) continue;
            if (auto found = in_module(*module, name); !found.empty()) return found;
        }
    return {};
}

SymbolAt Modules::at(VirtAddr address) {
    SymbolAt result;
    if (Module* module = containing(address)) {
        result.module = module;
        auto rva = static_cast<std::uint32_t>(address - module->base);
        result.displacement = rva;
        if (symbols::ModuleSymbols* source = symbols(*module))
            if ((result.symbol = source->nearest(rva))) result.displacement = rva - result.symbol->rva;
    } else if (const UnloadedModule* gone = unloaded_containing(address)) {
        result.unloaded = gone;
        result.displacement = address - gone->start;
    }
    return result;
}

} // namespace poolkd::nt

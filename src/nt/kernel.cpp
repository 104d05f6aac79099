#include "nt/kernel.h"

#include "base/text.h"

namespace poolkd::nt {

Kernel::Kernel(target::Target& target, SymbolLoader loader) : target_(target), modules_(target, std::move(loader)) {}

Answer<std::size_t> Kernel::reload() {
    layouts_.clear();
    Answer<std::size_t> answer = modules_.refresh();
    kdbg_.reset();
    const target::Identity& identity = target_.identity();
    auto block = identity.debugger_data ? Kdbg::at(memory(), identity.debugger_data, machine())
                                        : Kdbg::find(memory(), identity.debugger_data_list, machine());
    if (!block) block = encoded_kdbg();
    if (block) kdbg_ = std::move(*block);
    return answer;
}

Result<Kdbg> Kernel::encoded_kdbg() {
    Kdbg::Encoding encoding;
    POOLKD_TRY(encoding.flag, address_of("KdpDataBlockEncoded"));
    POOLKD_TRY(std::uint64_t encoded, read_global("KdpDataBlockEncoded", 1));
    if (encoded == 0) return fail(ErrorKind::not_found, "The debugger data block is not encoded, and not there");
    POOLKD_TRY(encoding.wait_never, read_global("KiWaitNever", 8));
    POOLKD_TRY(encoding.wait_always, read_global("KiWaitAlways", 8));
    POOLKD_TRY(VirtAddr block, address_of("KdDebuggerDataBlock"));
    return Kdbg::decode(memory(), block, encoding, machine());
}

Result<VirtAddr> Kernel::address_of(std::string_view name) {
    Module& nt = modules_.kernel();
    symbols::ModuleSymbols* source = modules_.symbols(nt);
    if (!source)
        return fail(ErrorKind::not_found, "There are no symbols for the kernel, so {} cannot be found. {}", name,
                    nt.symbol_note);
    auto symbol = source->find(name);
    if (!symbol)
        return fail(ErrorKind::not_found, "The kernel's symbols ({}) have no {}.{}{}", to_words(source->provenance()),
                    name, nt.symbol_note.empty() ? "" : " ", nt.symbol_note);
    return nt.base + symbol->rva;
}

std::optional<VirtAddr> Kernel::variable(std::string_view name, Kdbg::Field field) {
    if (auto symbol = address_of(name)) return *symbol;
    return kdbg_ ? kdbg_->value(field) : std::nullopt;
}

Result<std::uint64_t> Kernel::read_global(std::string_view name, unsigned size) {
    POOLKD_TRY(VirtAddr address, address_of(name));
    return memory::read_unsigned(memory(), address, size);
}

Result<VirtAddr> Kernel::read_pointer(VirtAddr address) {
    POOLKD_TRY(std::uint64_t value, memory::read_unsigned(memory(), address, machine().pointer_size));
    return machine().canonical(value);
}

Result<VirtAddr> Kernel::read_pointer_global(std::string_view name) {
    POOLKD_TRY(VirtAddr address, address_of(name));
    return read_pointer(address);
}

Result<const Layout*> Kernel::layout(std::string_view type_name) {
    if (auto known = layouts_.find(type_name); known != layouts_.end()) return &known->second;
    Module& nt = modules_.kernel();
    symbols::ModuleSymbols* source = modules_.symbols(nt);
    if (!source)
        return fail(ErrorKind::not_found, "There are no symbols for the kernel, so the layout of {} is not known. {}",
                    type_name, nt.symbol_note);
    POOLKD_TRY(symbols::StructLayout description, source->layout(type_name));
    return &layouts_.emplace(std::string(type_name), Layout(std::move(description))).first->second;
}

Result<std::uint64_t> Kernel::read_field(std::string_view type_name, VirtAddr record, std::string_view member) {
    POOLKD_TRY(const Layout* type, layout(type_name));
    POOLKD_TRY(FieldReader field, type->field(member));
    POOLKD_TRY(ByteVector bytes, memory::read_exact(memory(), record + field.offset, field.size));
    field.offset = 0;
    return field.read(bytes);
}

Result<VirtAddr> Kernel::processor_block(std::uint32_t processor) {
    auto told = target_.processor_block(processor);
    if (told || told.error().kind != ErrorKind::unsupported) return told;
    std::optional<VirtAddr> array = kdbg_ ? kdbg_->value(Kdbg::processor_block) : std::nullopt;
    if (!array) {
        POOLKD_TRY(array, address_of("KiProcessorBlock"));
    }
    POOLKD_TRY(VirtAddr block, read_pointer(*array + std::uint64_t{processor} * machine().pointer_size));
    if (block) return block;
    return fail_at(*array, ErrorKind::not_found, fmt::format("KiProcessorBlock has no processor {}", processor));
}

Result<VirtAddr> Kernel::process_of_thread(VirtAddr thread) {
    POOLKD_TRY(const Layout* kthread, layout("_KTHREAD"));
    POOLKD_TRY(std::uint32_t apc_state, kthread->offset("ApcState"));
    POOLKD_TRY(const Layout* state, layout("_KAPC_STATE"));
    POOLKD_TRY(std::uint32_t process, state->offset("Process"));
    return read_pointer(thread + apc_state + process);
}

} // namespace poolkd::nt

#include "target/dump_target.h"

#include "base/limits.h"

#include <algorithm>

namespace poolkd::target {

Result<std::unique_ptr<DumpTarget>> DumpTarget::open(const std::string& path, const dumps::OpenOptions& options) {
    POOLKD_TRY(dumps::MemoryImage image, dumps::open_image(path, options));
    return from_image(std::move(image));
}

Result<std::unique_ptr<DumpTarget>> DumpTarget::from_image(dumps::MemoryImage image) {
    const dumps::ImageFacts& facts = image.facts;
    if (facts.image_machine && !facts.machine)
        return fail(ErrorKind::unsupported, "{} is of a machine that cannot be debugged (IMAGE_FILE_MACHINE {:#x})",
                    image.file->path(), *facts.image_machine);
    std::unique_ptr<DumpTarget> target(new DumpTarget(std::move(image)));
    dumps::ImageFacts& stated = target->image_.facts;
    if (stated.processor_count > most_processors) {
        stated.remarks.push_back(fmt::format("The header states {} processors, which is not credible; {} are taken.",
                                             *stated.processor_count, most_processors));
        stated.processor_count = most_processors;
    }
    Identity& identity = target->identity_;
    identity.machine = stated.machine;
    identity.kind = stated.container;
    identity.connection = target->image_.file->path();
    identity.major = static_cast<std::uint16_t>(stated.major.value_or(0));
    identity.build = static_cast<std::uint16_t>(stated.build.value_or(0));
    identity.processors = std::max(1u, stated.processor_count.value_or(1));
    identity.loaded_module_list = stated.loaded_module_list.value_or(VirtAddr());
    if (stated.machine && stated.directory_table_base) {
        PageTables tables{stated.machine, *stated.directory_table_base, 0};
        constexpr std::uint64_t cr4_pae = 0x20;
        if (!stated.processors.empty())
            tables.cr4 = stated.machine->special(stated.processors.front().special, "cr4").value_or(0);
        if (stated.pae) tables.cr4 = *stated.pae ? tables.cr4 | cr4_pae : tables.cr4 & ~cr4_pae;
        target->use_page_tables(tables);
    }
    return target;
}

void DumpTarget::use_page_tables(const PageTables& tables) {
    identity_.machine = tables.machine;
    tables_ = tables;
    if (!image_.physical) return;
    paged_ = std::make_unique<memory::PagedSpace>(*image_.physical, memory::paging_mode(*tables.machine, tables.cr4),
                                                  tables.cr3, tables.machine->pointer_size, image_.changing);
    paged_->use_software_entries(software_entry_);
    ++epoch_;
}

void DumpTarget::use_software_entries(memory::SoftwareEntry decode) {
    software_entry_ = decode;
    if (paged_) paged_->use_software_entries(decode);
    ++epoch_;
}

void DumpTarget::use_kernel(VirtAddr base, VirtAddr loaded_module_list, VirtAddr debugger_data) {
    identity_.kernel_base = base;
    identity_.loaded_module_list = loaded_module_list;
    identity_.debugger_data = debugger_data;
    ++epoch_;
}

void DumpTarget::use_processors(std::vector<dumps::ProcessorState> processors) {
    // A dump may lack the record of one, but the machine had what its header states.
    const auto known = static_cast<std::uint32_t>(processors.size());
    identity_.processors = std::clamp(std::max(known, image_.facts.processor_count.value_or(1)), 1u, most_processors);
    image_.facts.processors = std::move(processors);
    ++epoch_;
}

memory::AddressSpace& DumpTarget::memory() {
    if (paged_) return *paged_;
    if (image_.pieces) return *image_.pieces;
    return no_virtual_;
}

std::unique_ptr<memory::AddressSpace> DumpTarget::memory_for_thread() {
    // Memory that is changing is read in one go: what came of it should be of one moment, as far as can be.
    if (!paged_ || image_.changing) return nullptr;
    return std::make_unique<memory::PagedSpace>(*paged_);
}

memory::PhysicalMemory& DumpTarget::physical() {
    if (image_.physical) return *image_.physical;
    return no_physical_;
}

Result<void> DumpTarget::check_processor(std::uint32_t processor) const {
    if (processor < identity_.processors) return {};
    return fail(ErrorKind::not_found, "There is no processor {}; the image has {}", processor, identity_.processors);
}

Result<RegisterFile> DumpTarget::registers(std::uint32_t processor) {
    POOLKD_CHECK(check_processor(processor));
    const dumps::ImageFacts& facts = image_.facts;
    const Machine* machine = identity_.machine;
    if (machine && processor < facts.processors.size() && !facts.processors[processor].context.empty())
        return RegisterFile(*machine, facts.processors[processor].context);
    // A crash dump's header has one CONTEXT, of the processor that crashed. It does not say which that was.
    if (machine && !facts.context.empty() && processor == 0 && crashed_processor().value_or(0) == 0)
        return RegisterFile(*machine, facts.context);
    return fail(ErrorKind::unsupported, "The image does not state the registers of processor {}", processor);
}

std::optional<std::uint32_t> DumpTarget::crashed_processor() const {
    const dumps::ImageFacts& facts = image_.facts;
    const Machine* machine = identity_.machine;
    if (!machine || facts.context.empty()) return std::nullopt;
    const RegisterFile header(*machine, facts.context);
    for (std::uint32_t i = 0; i < facts.processors.size(); ++i) {
        if (facts.processors[i].context.empty()) continue;
        const RegisterFile record(*machine, facts.processors[i].context);
        if (record.sp() == header.sp() && record.ip() == header.ip()) return i;
    }
    return std::nullopt;
}

Result<ByteVector> DumpTarget::special_registers(std::uint32_t processor) {
    POOLKD_CHECK(check_processor(processor));
    const auto& processors = image_.facts.processors;
    if (processor < processors.size() && !processors[processor].special.empty()) return processors[processor].special;
    return fail(ErrorKind::unsupported, "The image does not state the special registers of processor {}", processor);
}

Result<PageTables> DumpTarget::page_tables(std::uint32_t processor) {
    POOLKD_CHECK(check_processor(processor));
    if (has_page_tables()) return tables_;
    return fail(ErrorKind::unsupported, "The image has no page tables");
}

Result<VirtAddr> DumpTarget::processor_block(std::uint32_t processor) {
    POOLKD_CHECK(check_processor(processor));
    return fail(ErrorKind::unsupported, "A memory image does not state where the processor block is");
}

} // namespace poolkd::target

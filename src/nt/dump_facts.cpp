#include "nt/dump_facts.h"

#include "dumps/image.h"
#include "dumps/page_runs.h"
#include "nt/bug_check.h"
#include "nt/shared_data.h"

#include <algorithm>

namespace poolkd::nt {

namespace {

constexpr std::uint64_t most_runs = 4096; ///< of a machine; servers with hot-plug memory have some dozens

std::optional<VirtAddr> pointer_variable(Kernel& kernel, std::string_view name, Kdbg::Field field) {
    const auto at = kernel.variable(name, field);
    if (!at) return std::nullopt;
    auto value = kernel.read_pointer(*at);
    return value && *value ? std::optional(*value) : std::nullopt;
}

/// CR3 without what is no address in it: PCID, or the caching bits.
std::uint64_t root_of(const target::PageTables& tables, bool pae) {
    return tables.cr3 & ~(pae ? std::uint64_t{0x1f} : std::uint64_t{0xfff});
}

std::optional<dumps::ExceptionRecord> exception_of(target::Target& target) {
    target::RunControl* run = target.run_control();
    if (!run || run->running()) return std::nullopt;
    const auto* stop = std::get_if<target::ExceptionStop>(&run->last_stop().reason);
    if (!stop) return std::nullopt;
    return dumps::ExceptionRecord{stop->code, stop->flags, stop->address, stop->parameters};
}

} // namespace

Result<dumps::ImageFacts> dump_facts(Kernel& kernel, std::uint32_t processor) {
    target::Target& target = kernel.target();
    const target::Identity& identity = target.identity();
    dumps::ImageFacts facts;
    if (const dumps::MemoryImage* image = target.memory_image()) {
        const dumps::ImageFacts& stated = image->facts;
        facts.exception = stated.exception;
        facts.system_time = stated.system_time;
        facts.up_time = stated.up_time;
        facts.product_type = stated.product_type;
        facts.suite_mask = stated.suite_mask;
        facts.pfn_database = stated.pfn_database;
    }
    facts.machine = identity.machine;
    facts.image_machine = identity.machine->image_machine;
    facts.major = identity.major;
    facts.build = identity.build;
    facts.processor_count = identity.processors;
    POOLKD_TRY(const target::PageTables tables, target.page_tables(processor));
    constexpr std::uint64_t cr4_pae = 0x20;
    const bool pae = identity.machine->pointer_size == 4 && (tables.cr4 & cr4_pae) != 0;
    if (identity.machine->pointer_size == 4) facts.pae = pae;
    facts.directory_table_base = root_of(tables, pae);
    if (const VirtAddr head = kernel.modules().list_head()) facts.loaded_module_list = head;
    facts.active_process_head = kernel.variable("PsActiveProcessHead", Kdbg::active_process_head);
    if (auto database = pointer_variable(kernel, "MmPfnDatabase", Kdbg::pfn_database)) facts.pfn_database = database;
    if (kernel.kdbg()) {
        facts.debugger_data = kernel.kdbg()->address();
    } else if (identity.debugger_data) {
        facts.debugger_data = identity.debugger_data;
    }
    if (const auto bug_check = read_bug_check(kernel))
        facts.bug_check = dumps::BugCheck{static_cast<std::uint32_t>(bug_check->code), bug_check->parameters};
    if (auto registers = target.registers(processor))
        facts.context.assign(registers->bytes().begin(), registers->bytes().end());
    if (auto exception = exception_of(target)) facts.exception = std::move(exception);
    if (auto shared = read_shared_data(kernel.memory(), kernel.machine())) {
        facts.system_time = shared->system_time;
        facts.up_time = shared->interrupt_time;
        if (shared->product != 0) facts.product_type = shared->product;
        facts.suite_mask = shared->suites;
    }
    return facts;
}

Result<std::vector<dumps::PageRun>> physical_runs(Kernel& kernel) {
    if (const dumps::MemoryImage* image = kernel.target().memory_image()) {
        if (image->physical) return dumps::page_runs(image->physical->placement());
        return fail(ErrorKind::unsupported, "{} has no physical memory: no full dump can be made of it",
                    image->facts.container);
    }
    const auto block = pointer_variable(kernel, "MmPhysicalMemoryBlock", Kdbg::physical_memory_block);
    if (!block)
        return fail(ErrorKind::not_found, "The kernel does not tell where its physical memory is "
                                          "(MmPhysicalMemoryBlock): neither symbols nor its debugger data block do");
    // PHYSICAL_MEMORY_DESCRIPTOR: u32 NumberOfRuns, then pointer-sized: NumberOfPages, and BasePage, PageCount a run.
    const unsigned pointer = kernel.machine().pointer_size;
    POOLKD_TRY(const std::uint64_t count, memory::read_unsigned(kernel.memory(), *block, 4));
    if (count == 0 || count > most_runs)
        return fail_at(
            *block, ErrorKind::malformed,
            fmt::format("The kernel's list of its physical memory (MmPhysicalMemoryBlock) has {} runs", count));
    POOLKD_TRY(const ByteVector bytes, memory::read_exact(kernel.memory(), *block + 2 * pointer,
                                                          static_cast<std::size_t>(count) * 2 * pointer));
    std::vector<dumps::PageRun> runs;
    for (std::size_t at = 0; at < bytes.size(); at += std::size_t{2} * pointer)
        runs.push_back(
            {load_unsigned(bytes, at, pointer).value_or(0), load_unsigned(bytes, at + pointer, pointer).value_or(0)});
    return dumps::in_order(std::move(runs));
}

} // namespace poolkd::nt

#include "nt/find_kernel.h"

#include "base/text.h"
#include "memory/page_walk.h"
#include "nt/kdbg.h"
#include "nt/kernel_image.h"
#include "nt/page_roots.h"
#include "nt/software_entry.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

namespace poolkd::nt {

namespace {

constexpr std::size_t most_roots = 256;
constexpr std::uint64_t most_looks = 1u << 21; ///< at mapped pages, of all roots: tables can be made to map without end

/// The place in a loader entry where the kernel's base stands: all versions have it there (public symbols).
VirtAddr first_module_base(memory::AddressSpace& memory, VirtAddr list, const Machine& machine) {
    const unsigned pointer = machine.pointer_size;
    auto entry = memory::read_unsigned(memory, list, pointer);
    if (!entry) return {};
    auto base = memory::read_unsigned(memory, machine.canonical(*entry) + (pointer == 8 ? 0x30 : 0x18), pointer);
    return base ? machine.canonical(*base) : VirtAddr();
}

/// The handler of the division error: code of the kernel on every version.
std::optional<VirtAddr> first_interrupt_handler(memory::AddressSpace& memory, VirtAddr table, const Machine& machine) {
    ByteVector gate(16);
    if (memory.read(table, gate).bytes < gate.size()) return std::nullopt;
    std::uint64_t handler = load_or<std::uint16_t>(gate, 0) | std::uint64_t{load_or<std::uint16_t>(gate, 6)} << 16;
    if (machine.pointer_size == 8) handler |= std::uint64_t{load_or<std::uint32_t>(gate, 8)} << 32;
    return machine.canonical(handler);
}

/// The first build that was released under a version number; what differs between builds of one matters little.
std::uint16_t first_build_of(std::uint64_t major, std::uint64_t minor) {
    struct Version {
        unsigned major, minor;
        std::uint16_t build;
    };
    static constexpr Version versions[] = {{10, 0, 10240}, {6, 3, 9600}, {6, 2, 9200}, {6, 1, 7600},
                                           {6, 0, 6000},   {5, 2, 3790}, {5, 1, 2600}, {5, 0, 2195}};
    for (const Version& version : versions)
        if (std::pair(major, minor) >= std::pair<std::uint64_t, std::uint64_t>(version.major, version.minor))
            return version.build;
    return 0;
}

class KernelFinder {
  public:
    KernelFinder(target::DumpTarget& target, Work& work) : target_(target), work_(work) {}

    Result<KernelPlace> find() {
        const dumps::MemoryImage& image = target_.image();
        if (image.triage) return from_driver_list(*image.triage);
        if (!image.physical)
            return fail(ErrorKind::unsupported, "{} holds no memory: no kernel can be found in it", image.file->path());
        target_.use_software_entries(software_page);
        if (target_.has_page_tables()) {
            if (const Machine* machine = target_.identity().machine; by_hints(*machine) || by_mapped_pages(*machine))
                return finish();
            tried_.emplace_back("the page tables that it states");
        }
        if (by_page_roots()) return finish();
        if (work_.stop_requested()) return fail(ErrorKind::stopped, "Stopped while looking for the kernel");
        return fail(ErrorKind::not_found, "No NT kernel was found in {}. Tried: {}", image.file->path(),
                    fmt::join(tried_, ", "));
    }

  private:
    memory::AddressSpace& memory() { return target_.memory(); }

    bool accept(VirtAddr base, std::string found_by) {
        if (!base || !is_kernel_image(memory(), base, *target_.identity().machine)) return false;
        place_.base = base;
        place_.found_by = std::move(found_by);
        return true;
    }

    bool by_hints(const Machine& machine) {
        const dumps::ImageFacts& facts = target_.image().facts;
        if (facts.loaded_module_list &&
            accept(first_module_base(memory(), *facts.loaded_module_list, machine), "the module list of the header"))
            return true;
        for (std::size_t i = 0; i < facts.processors.size(); ++i) {
            const auto table = machine.special(facts.processors[i].special, "idtr");
            const auto handler =
                table ? first_interrupt_handler(memory(), machine.canonical(*table), machine) : std::nullopt;
            if (handler && accept(find_kernel_below(memory(), *handler, machine).value_or(VirtAddr()),
                                  fmt::format("the interrupt table of processor {}", i)))
                return true;
        }
        return false;
    }

    /// All pages that are mapped where kernels lie.
    bool by_mapped_pages(const Machine& machine) {
        const bool is_64 = machine.pointer_size == 8;
        const VirtAddr first = is_64 ? VirtAddr(0xfffff80000000000) : machine.canonical(0x80000000);
        const VirtAddr last = is_64 ? VirtAddr(0xfffff807ffffffff) : machine.canonical(0x87ffffff);
        memory::PageWalk walk(target_.physical(), target_.page_tables_mode(), target_.page_tables().cr3);
        bool found = false;
        (void)walk.for_each(first, last, work_, [&](const memory::Mapping& mapping) {
            if (mapping.valid)
                for (std::uint64_t at = 0; at < mapping.size && looks_left_ != 0 && !found; at += machine.page_size) {
                    --looks_left_;
                    found = accept(mapping.address + at, "a search of the mapped pages");
                }
            if (looks_left_ != 0) --looks_left_;
            return !found && looks_left_ != 0;
        });
        return found;
    }

    /// The system makes its own tables first, low in memory: most searches end there.
    bool by_page_roots() {
        constexpr PhysAddr low_end{64u << 20};
        PageRoots found = find_page_roots(*target_.image().physical, most_roots, work_, low_end);
        if (try_roots(found)) return true;
        found = find_page_roots(*target_.image().physical, most_roots, work_);
        tried_.push_back(fmt::format("{} pages that look like the root of page tables{}", found.roots.size(),
                                     found.limit_reached ? " (memory behind them was not looked at)" : ""));
        return try_roots(found);
    }

    bool try_roots(const PageRoots& found) {
        for (const PageRoot& root : found.roots) {
            if (work_.stop_requested()) return false;
            target_.use_page_tables({root.machine, root.cr3, root.cr4});
            if (!has_shared_data(memory(), *root.machine)) continue;
            if (by_hints(*root.machine) || by_mapped_pages(*root.machine)) {
                place_.found_by = fmt::format("page tables at {:#x}, {}", root.cr3, place_.found_by);
                return true;
            }
        }
        return false;
    }

    Result<KernelPlace> finish() {
        const dumps::ImageFacts& facts = target_.image().facts;
        const Machine& machine = *target_.identity().machine;
        auto has_tag = [&](VirtAddr block) {
            return memory::read_unsigned(memory(), block + Kdbg::tag_at, 4) == Kdbg::tag;
        };
        if (facts.debugger_data && has_tag(*facts.debugger_data)) {
            place_.debugger_data = *facts.debugger_data;
        } else if (auto block = find_debugger_data(memory(), place_.base, machine)) {
            place_.debugger_data = *block;
        }
        if (facts.loaded_module_list) {
            place_.loaded_module_list = *facts.loaded_module_list;
        } else if (place_.debugger_data) {
            // 32-bit kernels may have zero-extended it.
            if (auto list = memory::read_unsigned(memory(), place_.debugger_data + Kdbg::loaded_module_list,
                                                  machine.pointer_size))
                place_.loaded_module_list = machine.canonical(*list);
        }
        target_.use_kernel(place_.base, place_.loaded_module_list, place_.debugger_data);
        if (target_.identity().build == 0) target_.use_build(find_build(machine));
        return place_;
    }

    /// The page of system data has it since Windows 10, and zero before; what the kernel exports may be paged out.
    std::uint16_t find_build(const Machine& machine) {
        const VirtAddr shared = shared_data_address(machine);
        if (auto build = memory::read_unsigned(memory(), shared + 0x260, 4); build && *build != 0)
            return static_cast<std::uint16_t>(*build);
        if (auto build = stated_build(memory(), place_.base, machine)) return *build;
        const auto major = memory::read_unsigned(memory(), shared + 0x26c, 4);
        const auto minor = memory::read_unsigned(memory(), shared + 0x270, 4);
        return major && minor ? first_build_of(*major, *minor) : std::uint16_t{0};
    }

    Result<KernelPlace> from_driver_list(const dumps::TriageRecords& records) {
        // The first of the list, as in the kernel's own.
        if (records.drivers.empty())
            return fail(ErrorKind::not_found, "The list of drivers in {} is empty", target_.image().file->path());
        place_.base = records.drivers.front().base;
        place_.found_by = "the dump's list of drivers";
        if (!records.debugger_data.empty())
            place_.debugger_data = target_.image().facts.debugger_data.value_or(VirtAddr());
        target_.use_kernel(place_.base, VirtAddr(), place_.debugger_data);
        return place_;
    }

    target::DumpTarget& target_;
    Work& work_;
    KernelPlace place_;
    std::vector<std::string> tried_;
    std::uint64_t looks_left_ = most_looks;
};

} // namespace

Result<KernelPlace> find_kernel(target::DumpTarget& target, Work& work) {
    return KernelFinder(target, work).find();
}

} // namespace poolkd::nt

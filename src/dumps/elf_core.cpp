// ELF cores of virtual machines: QEMU's dump-guest-memory, libvirt's `dump --memory-only`, VirtualBox, vmss2core.
#include "dumps/crash_header.h"
#include "dumps/elf_headers.h"
#include "dumps/format.h"
#include "dumps/qemu_processor.h"

#include <algorithm>
#include <utility>

namespace poolkd::dumps {

namespace {

constexpr std::uint32_t x86_64_status_bytes = 336; // NT_PRSTATUS
constexpr std::uint32_t nt_prstatus = 1;

/// A core of class 64 may be of a 32-bit machine (its flash ends at 4 GiB), and then says so in e_machine and the size
/// of its notes.
std::uint16_t core_machine(const ElfCore& core) {
    if (core.machine == ElfCore::em_aarch64) return 0xaa64;
    if (core.machine == ElfCore::em_386) return 0x14c;
    if (core.machine != ElfCore::em_x86_64) return 0;
    for (const ElfNote& note : core.notes)
        if (note.name == "CORE" && note.type == nt_prstatus)
            return note.payload.size() < x86_64_status_bytes ? 0x14c : 0x8664;
    return 0x8664;
}

/// A core written with page tables in mind has a header only for what the processor had mapped, but the whole of each
/// block of RAM in the file: the distance of memory and file is the same before and behind such a gap.
void fill_gaps(std::vector<Run<PhysAddr>>& runs) {
    std::ranges::sort(runs, {}, [](const Run<PhysAddr>& run) { return std::pair(run.start, run.bytes); });
    for (std::size_t i = 0; i + 1 < runs.size(); ++i) {
        const std::uint64_t distance = runs[i + 1].start - runs[i].start;
        if (runs[i + 1].offset - runs[i].offset == distance && runs[i].bytes < distance) runs[i].bytes = distance;
    }
}

void read_core_facts(const ElfCore& core, ImageFacts& facts) {
    facts.image_machine = core_machine(core);
    facts.machine = find_machine(*facts.image_machine);
    for (const ElfNote& note : core.notes) {
        if (note.name == "QEMU" && facts.machine && facts.machine->image_machine != 0xaa64) {
            if (auto processor = read_qemu_processor(note.payload, *facts.machine))
                facts.processors.push_back(std::move(*processor));
        } else if (note.name == "VMCOREINFO" && has_crash_signature(note.payload)) {
            // The guest's driver left a ready header of a Microsoft dump there, for QEMU to write one.
            if (auto header = read_crash_header(note.payload)) {
                // Any program of the guest can write there: what it says must fit the core.
                if (!header->facts.machine || header->facts.machine != facts.machine) {
                    facts.remarks.emplace_back("The crash dump header that the guest left is of another machine: it "
                                               "was not used.");
                    continue;
                }
                auto processors = std::move(facts.processors);
                facts = std::move(header->facts);
                facts.processors = std::move(processors);
            }
        }
    }
    if (facts.processors.empty()) return;
    facts.processor_count = static_cast<std::uint32_t>(facts.processors.size());
    if (!facts.directory_table_base)
        facts.directory_table_base = facts.machine->special(facts.processors.front().special, "cr3");
    if (!facts.pae && facts.machine->pointer_size == 4)
        facts.pae = (facts.machine->special(facts.processors.front().special, "cr4").value_or(0) & 0x20) != 0;
}

Result<MemoryImage> open_elf_core(const FormatInput& input) {
    POOLKD_TRY(ElfCore core, read_elf_core(input.bytes()));
    MemoryImage image;
    image.file = input.file;
    read_core_facts(core, image.facts);
    image.facts.container = fmt::format("{}-bit ELF core", core.is_64 ? 64 : 32);
    bool paged = false;
    std::vector<Run<PhysAddr>> runs;
    for (const ElfSegment& segment : core.segments) {
        if (segment.type != ElfSegment::load || segment.memory_bytes == 0) continue;
        // What was not written of a segment is not there; it is no zeros.
        const std::uint64_t bytes = std::min(segment.file_bytes, segment.memory_bytes);
        if (bytes) runs.push_back({PhysAddr(segment.physical), bytes, FileOffset(segment.offset)});
        paged |= segment.virtual_address != 0 && segment.virtual_address != segment.physical;
    }
    if (runs.empty())
        return fail(ErrorKind::unsupported, "this ELF core has no segments of memory (Xen's have sections instead: "
                                            "dump the guest's memory through its gdb stub or as a raw image)");
    if (paged && !image.facts.processors.empty()) {
        fill_gaps(runs);
        image.facts.remarks.emplace_back("The core was written with page tables in mind (`-p`): it names only what one "
                                         "processor had mapped. Dump without that for all of the memory.");
    }
    if (core.cut) {
        image.facts.remarks.emplace_back("The core's headers or notes reach behind the end of the file.");
        image.coverage.limit_reached = true;
    }
    image.physical =
        std::make_unique<ImageMemory>(input.file, std::make_unique<RunTable<PhysAddr>>(RunTable<PhysAddr>::build(
                                                      std::move(runs), input.file->size(), image.coverage)));
    return image;
}

} // namespace

constinit const Format elf_core_format{
    "ELF core", [](const FormatInput& input) { return has_elf_signature(input.bytes()); }, open_elf_core};

} // namespace poolkd::dumps

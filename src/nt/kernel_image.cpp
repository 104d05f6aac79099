#include "nt/kernel_image.h"

#include "base/text.h"
#include "nt/kdbg.h"
#include "nt/module_image.h"
#include "pe/debug_directory.h"
#include "pe/exports.h"

#include <algorithm>
#include <string_view>

namespace poolkd::nt {

namespace {

constexpr std::uint16_t mz = 0x5a4d;
constexpr std::uint32_t largest_kernel = 64u << 20;
constexpr std::uint64_t longest_way_down = 32u << 20;
constexpr std::string_view kernel_pdbs[] = {"ntkrnlmp.pdb", "ntoskrnl.pdb", "ntkrnlpa.pdb", "ntkrpamp.pdb"};

} // namespace

bool is_kernel_image(memory::AddressSpace& memory, VirtAddr base, const Machine& machine) {
    if (memory::read_unsigned(memory, base, 2) != mz) return false;
    ModuleImage reader(memory, base, largest_kernel, machine.page_size);
    auto image = pe::Image::open(reader, pe::ImageLayout::memory);
    if (!image || image->machine != machine.image_machine) return false;
    if (auto pdb = pe::find_pdb_reference(*image); pdb && *pdb) {
        const std::string name = to_lower((*pdb)->file_name());
        if (std::ranges::find(kernel_pdbs, name) != std::end(kernel_pdbs)) return true;
    }
    // The debug directory may be paged out, and the linker may have written none.
    auto exports = pe::ExportTable::read(*image);
    return exports && equals_ignore_case(exports->image_name(), "ntoskrnl.exe");
}

std::optional<VirtAddr> find_kernel_below(memory::AddressSpace& memory, VirtAddr hint, const Machine& machine) {
    const VirtAddr first(hint.value & ~std::uint64_t{machine.page_size - 1});
    for (std::uint64_t down = 0; down <= longest_way_down; down += machine.page_size) {
        if (down > first.value) break;
        if (is_kernel_image(memory, first - down, machine)) return first - down;
    }
    return std::nullopt;
}

std::optional<std::uint16_t> stated_build(memory::AddressSpace& memory, VirtAddr base, const Machine& machine) {
    ModuleImage reader(memory, base, largest_kernel, machine.page_size);
    auto image = pe::Image::open(reader, pe::ImageLayout::memory);
    if (!image) return std::nullopt;
    auto exports = pe::ExportTable::read(*image);
    const pe::Export* variable = exports ? exports->find("NtBuildNumber") : nullptr;
    if (!variable || variable->rva == 0) return std::nullopt;
    // The upper half tells a free (f0000000) from a checked build (c0000000).
    auto value = memory::read_unsigned(memory, base + variable->rva, 4);
    return value && (*value & 0xffff) != 0 ? std::optional(static_cast<std::uint16_t>(*value)) : std::nullopt;
}

std::optional<VirtAddr> find_debugger_data(memory::AddressSpace& memory, VirtAddr base, const Machine& machine) {
    ModuleImage reader(memory, base, largest_kernel, machine.page_size);
    auto image = pe::Image::open(reader, pe::ImageLayout::memory);
    if (!image) return std::nullopt;
    const std::uint32_t size = std::min(image->size_of_image, largest_kernel);
    ByteVector page(machine.page_size);
    for (std::uint32_t at = 0; at < size; at += machine.page_size) {
        const std::size_t bytes = memory.read(base + at, page).bytes;
        for (std::size_t i = 0; i + 4 <= bytes; i += 4) {
            if (load<std::uint32_t>(page, i) != Kdbg::tag) continue;
            // The tag alone stands in code, too. 32-bit kernels keep the base zero-extended or sign-extended.
            const VirtAddr block = base + at + i - Kdbg::tag_at;
            auto stated = memory::read_unsigned(memory, block + Kdbg::kernel_base, machine.pointer_size);
            if (stated && machine.canonical(*stated) == base) return block;
        }
    }
    return std::nullopt;
}

} // namespace poolkd::nt

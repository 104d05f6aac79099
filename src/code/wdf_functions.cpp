#include "code/wdf_functions.h"

#include "pe/imports.h"

#include <algorithm>
#include <string_view>

namespace poolkd::code {

namespace {

bool is_component_name(const FlatImage& image, std::uint64_t rva) {
    constexpr std::u16string_view name = u"KmdfLibrary";
    const auto size = static_cast<std::uint32_t>((name.size() + 1) * sizeof(char16_t));
    if (rva >= image.size()) return false;
    const Bytes bytes = image.at(static_cast<std::uint32_t>(rva), size);
    return bytes.size() == size && std::ranges::equal(bytes.first(size - 2), std::as_bytes(std::span(name))) &&
           load<std::uint16_t>(bytes, size - 2) == 0;
}

} // namespace

std::optional<WdfTable> find_wdf_table(const SiteImage& image, const pe::Image& headers, const Machine& machine) {
    const pe::ImportTable imports = pe::ImportTable::read(headers);
    if (std::ranges::none_of(imports.all(), [](const pe::Import& one) { return one.name == "WdfVersionBind"; }))
        return std::nullopt;
    // WDF_BIND_INFO (wdfldr.h of the published framework): u32 Size, PWCHAR Component, u32 Major, Minor and Build, u32
    // FuncCount, pointer FuncTable, pointer Module.
    const std::uint32_t width = machine.pointer_size;
    const std::uint32_t version = 2 * width, count = version + 12, functions = version + 16,
                        size = functions + 2 * width;
    constexpr std::uint32_t fewest = 200, most = 2000;
    std::optional<WdfTable> found;
    const FlatImage& bytes = *image.bytes;
    for (const pe::Section& section : headers.sections()) {
        if (section.rva >= bytes.size() || section.is_code()) continue;
        const std::uint32_t end = section.rva + std::min(section.size(), bytes.size() - section.rva);
        for (std::uint32_t at = section.rva; at + size <= end; at += width) {
            const Bytes record = bytes.at(at, size);
            const std::uint32_t stated = load_or<std::uint32_t>(record, 0);
            if (stated < size || stated > 2 * size || load_or<std::uint32_t>(record, version) != 1) continue;
            if (!is_component_name(bytes, load_unsigned(record, width, width).value_or(0) - image.base)) continue;
            WdfTable table;
            table.functions = load_or<std::uint32_t>(record, count);
            const std::uint64_t rva = load_unsigned(record, functions, width).value_or(0) - image.base;
            if (table.functions < fewest || table.functions > most || rva >= bytes.size()) continue;
            table.rva = static_cast<std::uint32_t>(rva);
            // Up to 1.9 drivers had room for the table; since 1.11 for a pointer to it.
            constexpr std::uint32_t last_with_table = 9;
            table.is_pointer = load_or<std::uint32_t>(record, version + 4) > last_with_table;
            const pe::Section* holds = headers.section_at(table.rva);
            const std::uint32_t bytes_needed = table.is_pointer ? width : table.functions * width;
            if (!holds || !holds->is_writable() || holds->size() - (table.rva - holds->rva) < bytes_needed) continue;
            if (found) return std::nullopt;
            found = table;
        }
    }
    return found;
}

} // namespace poolkd::code

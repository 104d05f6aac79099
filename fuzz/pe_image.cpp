// Any bytes as a PE image, in both layouts.
#include "pe/debug_directory.h"
#include "pe/exports.h"
#include "pe/imports.h"
#include "symbols/export_symbols.h"

#include <span>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace poolkd;
    if (size > 1u << 20) return 0;
    pe::SpanReader reader(std::as_bytes(std::span(data, size)));
    for (pe::ImageLayout layout : {pe::ImageLayout::memory, pe::ImageLayout::file}) {
        auto image = pe::Image::open(reader, layout);
        if (!image) continue;
        (void)image->section_at(image->entry_point);
        (void)pe::find_pdb_reference(*image);
        (void)pe::ImportTable::read(*image).at(image->entry_point);
        if (auto exports = symbols::ExportSymbols::read(*image)) {
            (void)(*exports)->nearest(image->entry_point);
            (void)(*exports)->match("*a*", 100);
        }
    }
    return 0;
}

// Any bytes as an image file whose pool calls are looked for, and any bytes as the code of an image with imports: sites
// lie in the image, and those that have a tag say where from.

#include "code/site_index.h"

#include <algorithm>
#include <cstdlib>

namespace {

using namespace poolkd;

void check(Bytes file) {
    Work work;
    auto index = code::index_file(file, work);
    if (!index) return;
    for (const code::PoolSite& site : index->sites) {
        if (site.api.empty() || site.via.size() != site.via_rvas.size()) std::abort();
        const bool told = site.tag_source == code::TagSource::constant || site.tag_source == code::TagSource::data ||
                          site.tag_source == code::TagSource::fixed;
        if (told != site.tag.has_value()) std::abort();
        if (site.tag_source == code::TagSource::unresolved && site.note.empty()) std::abort();
    }
}

void put_utf16(ByteVector& file, std::uint32_t at, std::string_view text) {
    for (char c : text) {
        file[at] = static_cast<std::byte>(c);
        at += 2;
    }
}

/// An image with the input as its code and some imports, at RVA 0x1000 and 0x2000; what KMDF is bound by, at 0x2900,
/// with the pointer to its functions at 0x2a00; names of routines to ask for.
ByteVector image_around(Bytes code, bool wide) {
    ByteVector file(0x4000);
    store(file, 0, std::uint16_t{0x5a4d});
    store(file, 0x3c, std::uint32_t{0x80});
    store(file, 0x80, std::uint32_t{0x4550});
    store(file, 0x84, static_cast<std::uint16_t>(wide ? 0x8664 : 0x14c));
    store(file, 0x86, std::uint16_t{2});
    store(file, 0x94, static_cast<std::uint16_t>(wide ? 240 : 224));
    store(file, 0x98, static_cast<std::uint16_t>(wide ? 0x20b : 0x10b));
    store(file, wide ? 0x98 + 24 : 0x98 + 28, std::uint32_t{0x400000});
    store(file, 0x98 + 56, std::uint32_t{0x4000});
    store(file, 0x98 + 60, std::uint32_t{0x400});
    const std::uint32_t directories = 0x98 + (wide ? 112 : 96);
    store(file, directories - 4, std::uint32_t{16});
    store(file, directories + 8, std::uint32_t{0x2000});
    store(file, directories + 12, std::uint32_t{40});
    const std::uint32_t sections = 0x98 + (wide ? 240 : 224);
    for (std::uint32_t i = 0; i < 2; ++i) {
        const std::uint32_t at = sections + i * 40, rva = 0x1000 + i * 0x1000;
        for (std::uint32_t field : {8u, 16u})
            store(file, at + field, i == 0 ? 0x1000u : 0x2000u);
        for (std::uint32_t field : {12u, 20u})
            store(file, at + field, rva);
        store(file, at + 36, i == 0 ? 0x60000020u : 0xc0000040u);
    }
    store(file, 0x2000, std::uint32_t{0x2100});
    store(file, 0x200c, std::uint32_t{0x2080});
    store(file, 0x2010, std::uint32_t{0x2200});
    const std::uint32_t width = wide ? 8 : 4;
    std::uint32_t name = 0x2300, slot = 0x2100;
    for (std::string_view import : {"  ExAllocatePoolWithTag", "  ExFreePoolWithTag", "  MmGetSystemRoutineAddress",
                                    "  RtlInitUnicodeString", "  StorPortExtendedFunction", "  WdfVersionBind"}) {
        store(file, slot, name);
        slot += width;
        for (char c : import)
            file[name++] = static_cast<std::byte>(c);
        ++name;
    }
    put_utf16(file, 0x2800, "KmdfLibrary");
    put_utf16(file, 0x2840, "ExAllocatePool2");
    put_utf16(file, 0x2880, "ExFreePool");
    store(file, 0x2900, std::uint32_t{wide ? 0x30u : 0x20u});
    store(file, 0x2900 + width, std::uint32_t{0x402800});
    store(file, 0x2900 + 2 * width, std::uint32_t{1});
    store(file, 0x2904 + 2 * width, std::uint32_t{15});
    store(file, 0x290c + 2 * width, std::uint32_t{444});
    store(file, 0x2910 + 2 * width, std::uint32_t{0x402a00});
    std::copy_n(code.begin(), std::min<std::size_t>(code.size(), 0x1000), file.begin() + 0x1000);
    return file;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size > 1u << 16) return 0;
    const Bytes input = std::as_bytes(std::span(data, size));
    check(input);
    for (bool wide : {true, false})
        check(image_around(input, wide));
    return 0;
}

#include "dumps/crash_body.h"
#include "dumps/page_bitmap.h"

#include <algorithm>

namespace poolkd::dumps {

namespace {

/// What both kinds of header say of their bitmap.
struct BitmapPlace {
    std::uint64_t first_page = 0; ///< file offset
    std::uint64_t pages = 0;      ///< set bits
    std::uint64_t bits = 0;
    std::uint64_t start = 0; ///< file offset of the bitmap
};

PhysicalPlacement place_pages(const BitmapPlace& place, Bytes file, MemoryImage& image) {
    if (place.first_page <= place.start || place.bits == 0)
        return fail(ErrorKind::malformed, "the bitmap of the dump has {:#x} bits at {:#x}, its first page is at {:#x}",
                    place.bits, place.start, place.first_page);
    if (place.start >= file.size()) return fail(ErrorKind::malformed, "the dump ends before its bitmap");
    // The bitmap ends where the pages begin, and where the file does.
    const std::uint64_t room = std::min<std::uint64_t>(place.first_page, file.size()) - place.start;
    const std::uint64_t stated_bytes = place.bits / 8 + (place.bits % 8 != 0);
    if (stated_bytes > room)
        image.facts.remarks.push_back(
            fmt::format("The bitmap of the dump should have {} bytes; there is room for {}.", stated_bytes, room));
    const Bytes bitmap = file.subspan(place.start, static_cast<std::size_t>(std::min(stated_bytes, room)));
    auto placement =
        std::make_unique<PageBitmap>(bitmap, place.bits, FileOffset(place.first_page), file.size(), image.coverage);
    if (placement->pages() != place.pages)
        image.facts.remarks.push_back(
            fmt::format("The header states {} pages, the bitmap has {}.", place.pages, placement->pages()));
    return placement;
}

} // namespace

PhysicalPlacement place_bitmap(const CrashHeader& header, Bytes file, MemoryImage& image) {
    const std::size_t body = header.size;
    return place_pages({.first_page = load_or<std::uint64_t>(file, body + 0x20),
                        .pages = load_or<std::uint64_t>(file, body + 0x28),
                        .bits = load_or<std::uint64_t>(file, body + 0x30),
                        .start = body + 0x38},
                       file, image);
}

PhysicalPlacement place_summary(const CrashHeader& header, Bytes file, MemoryImage& image) {
    const std::size_t body = header.size;
    // An RTL_BITMAP stands before the bits: its size, and a pointer.
    return place_pages({.first_page = load_or<std::uint32_t>(file, body + 0xc),
                        .pages = load_or<std::uint32_t>(file, body + 0x14),
                        .bits = load_or<std::uint32_t>(file, body + 0x10),
                        .start = body + (header.is_64 ? 0x28u : 0x20u)},
                       file, image);
}

} // namespace poolkd::dumps

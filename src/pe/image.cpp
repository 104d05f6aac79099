#include "pe/image.h"

#include <algorithm>

namespace poolkd::pe {

namespace {

constexpr std::uint16_t dos_magic = 0x5a4d; // "MZ"
constexpr std::uint32_t pe_magic = 0x4550;  // "PE\0\0"
constexpr std::uint16_t pe32_magic = 0x10b;
constexpr std::uint16_t pe32_plus_magic = 0x20b;
constexpr std::uint32_t file_header_bytes = 24; // signature and IMAGE_FILE_HEADER
constexpr std::uint32_t section_header_bytes = 40;

} // namespace

Result<Image> Image::open(ByteReader& reader, ImageLayout layout) {
    POOLKD_TRY(Bytes dos, reader.bytes(0, 64));
    if (load<std::uint16_t>(dos, 0) != dos_magic)
        return fail(ErrorKind::malformed, "This is not a PE image: it does not start with MZ");
    const auto start = load_or<std::uint32_t>(dos, 0x3c);
    if (start < 4 || start > max_header_offset)
        return fail(ErrorKind::malformed, "The PE header is said to lie at {:#x}, which is not credible", start);
    POOLKD_TRY(Bytes header, reader.bytes(start, file_header_bytes));
    if (load<std::uint32_t>(header, 0) != pe_magic)
        return fail(ErrorKind::malformed, "There is no PE signature at {:#x}", start);

    Image image(reader, layout);
    image.machine = load_or<std::uint16_t>(header, 4);
    const auto section_count = load_or<std::uint16_t>(header, 6);
    image.timestamp = load_or<std::uint32_t>(header, 8);
    const auto optional_size = load_or<std::uint16_t>(header, 20);
    POOLKD_CHECK(image.read_optional_header(start + file_header_bytes, optional_size));
    POOLKD_CHECK(image.read_sections(start + file_header_bytes + optional_size, section_count));
    return image;
}

Result<void> Image::read_optional_header(std::uint32_t offset, std::uint16_t size) {
    // The offsets up to 28 are the same in PE32 and PE32+; from there on PE32+ has an 8-byte base and no BaseOfData.
    POOLKD_TRY(Bytes header, reader_->bytes(offset, size));
    const auto magic = load_or<std::uint16_t>(header, 0);
    if (magic != pe32_magic && magic != pe32_plus_magic)
        return fail(ErrorKind::malformed, "The optional header starts with {:#x}, neither PE32 nor PE32+", magic);
    is_64 = magic == pe32_plus_magic;
    const std::uint32_t first_directory = is_64 ? 112 : 96;
    if (size < first_directory) return fail(ErrorKind::malformed, "The optional header has only {} bytes", size);
    entry_point = load_or<std::uint32_t>(header, 16);
    preferred_base = is_64 ? load_or<std::uint64_t>(header, 24) : load_or<std::uint32_t>(header, 28);
    section_alignment = load_or<std::uint32_t>(header, 32);
    size_of_image = load_or<std::uint32_t>(header, 56);
    size_of_headers = load_or<std::uint32_t>(header, 60);
    checksum = load_or<std::uint32_t>(header, 64);
    subsystem = load_or<std::uint16_t>(header, 68);
    const std::size_t stated = load_or<std::uint32_t>(header, first_directory - 4);
    const std::size_t count =
        std::min({directories_.size(), stated, static_cast<std::size_t>((size - first_directory) / 8)});
    for (std::size_t i = 0; i < count; ++i) {
        directories_[i].rva = load_or<std::uint32_t>(header, first_directory + i * 8);
        directories_[i].size = load_or<std::uint32_t>(header, first_directory + i * 8 + 4);
    }
    return {};
}

Result<void> Image::read_sections(std::uint32_t offset, std::uint16_t count) {
    if (count > max_sections)
        return fail(ErrorKind::malformed, "The image is said to have {} sections; {} is the most there can be", count,
                    max_sections);
    POOLKD_TRY(Bytes table, reader_->bytes(offset, count * section_header_bytes));
    for (std::size_t i = 0; i < count; ++i) {
        Bytes entry = table.subspan(i * section_header_bytes, section_header_bytes);
        Section section;
        for (std::size_t c = 0; c < 8 && entry[c] != std::byte{0}; ++c)
            section.name.push_back(static_cast<char>(entry[c]));
        section.virtual_size = load_or<std::uint32_t>(entry, 8);
        section.rva = load_or<std::uint32_t>(entry, 12);
        section.file_size = load_or<std::uint32_t>(entry, 16);
        section.file_offset = load_or<std::uint32_t>(entry, 20);
        section.characteristics = load_or<std::uint32_t>(entry, 36);
        sections_.push_back(std::move(section));
    }
    return {};
}

const Section* Image::section_at(std::uint32_t rva) const {
    auto found = std::ranges::find_if(sections_, [&](const Section& s) { return s.contains(rva); });
    return found == sections_.end() ? nullptr : &*found;
}

DataDirectory Image::directory(Directory number) const {
    const DataDirectory entry = directories_[static_cast<std::size_t>(number)];
    // The security directory holds a file offset, so the image's size says nothing about it.
    if (number == Directory::security) return entry;
    if (entry.rva >= size_of_image || entry.size > size_of_image - entry.rva) return {};
    return entry;
}

Result<Bytes> Image::read(std::uint32_t rva, std::uint32_t size) const {
    if (layout_ == ImageLayout::memory) return reader_->bytes(rva, size);
    if (rva < size_of_headers && size <= size_of_headers - rva) return reader_->bytes(rva, size);
    for (const Section& section : sections_) {
        if (rva < section.rva || rva - section.rva >= section.file_size) continue;
        const std::uint32_t inside = rva - section.rva;
        if (size > section.file_size - inside || section.file_offset > UINT32_MAX - inside) break;
        return reader_->bytes(section.file_offset + inside, size);
    }
    return fail(ErrorKind::malformed, "The file holds no {:#x} bytes at RVA {:#x}", size, rva);
}

Result<std::string> Image::read_string(std::uint32_t rva, std::uint32_t limit) const {
    // In small pieces, so that a string at the end of the last readable page is found.
    constexpr std::uint32_t piece = 32;
    std::string text;
    while (text.size() < limit) {
        const std::uint32_t at = rva + static_cast<std::uint32_t>(text.size());
        if (at < rva) break;
        std::uint32_t count =
            std::min<std::uint32_t>(piece - at % piece, limit - static_cast<std::uint32_t>(text.size()));
        auto bytes = read(at, count);
        for (; !bytes && count > 1; bytes = read(at, count))
            count /= 2;
        if (!bytes) return std::unexpected(std::move(bytes).error());
        for (std::byte b : *bytes) {
            if (b == std::byte{0}) return text;
            text.push_back(static_cast<char>(b));
        }
    }
    return fail(ErrorKind::malformed, "The string at RVA {:#x} does not end within {} bytes", rva, limit);
}

Result<Bytes> Image::read_file(std::uint32_t offset, std::uint32_t size) const {
    if (layout_ != ImageLayout::file) return fail(ErrorKind::unsupported, "A loaded image has no bytes by file offset");
    return reader_->bytes(offset, size);
}

} // namespace poolkd::pe

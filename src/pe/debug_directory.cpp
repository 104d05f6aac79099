#include "pe/debug_directory.h"

#include <algorithm>

namespace poolkd::pe {

namespace {

constexpr std::uint32_t entry_bytes = 28; // IMAGE_DEBUG_DIRECTORY
constexpr std::uint32_t max_entries = 64; // images have about five
constexpr std::uint32_t type_codeview = 2;
constexpr std::uint32_t rsds_magic = 0x53445352; // "RSDS"
constexpr std::uint32_t rsds_header_bytes = 24;  // magic, GUID, age
constexpr std::uint32_t max_path = 1024;

Result<std::optional<PdbReference>> read_rsds(const Image& image, std::uint32_t rva, std::uint32_t file_offset,
                                              std::uint32_t size) {
    if (size < rsds_header_bytes) return std::nullopt;
    size = std::min(size, rsds_header_bytes + max_path);
    const bool by_file = rva == 0; // not part of the loaded image
    if (by_file && image.layout() == ImageLayout::memory) return std::nullopt;
    POOLKD_TRY(Bytes record, by_file ? image.read_file(file_offset, size) : image.read(rva, size));
    if (load<std::uint32_t>(record, 0) != rsds_magic) return std::nullopt; // NB10 and older: no GUID
    PdbReference reference;
    for (std::size_t i = 0; i < reference.identity.guid.size(); ++i)
        reference.identity.guid[i] = static_cast<std::uint8_t>(record[4 + i]);
    reference.identity.age = load_or<std::uint32_t>(record, 20);
    for (std::byte b : record.subspan(rsds_header_bytes)) {
        if (b == std::byte{0}) break;
        reference.path.push_back(static_cast<char>(b));
    }
    return reference;
}

} // namespace

Result<std::optional<PdbReference>> find_pdb_reference(const Image& image) {
    const DataDirectory directory = image.directory(Directory::debug);
    if (!directory.present()) return std::nullopt;
    const std::uint32_t count = std::min(directory.size / entry_bytes, max_entries);
    std::optional<Error> first_error;
    for (std::uint32_t i = 0; i < count; ++i) {
        POOLKD_TRY(Bytes entry, image.read(directory.rva + i * entry_bytes, entry_bytes));
        if (load<std::uint32_t>(entry, 12) != type_codeview) continue;
        const auto size = load_or<std::uint32_t>(entry, 16);
        const auto rva = load_or<std::uint32_t>(entry, 20);
        const auto file_offset = load_or<std::uint32_t>(entry, 24);
        auto reference = read_rsds(image, rva, file_offset, size);
        if (reference && *reference) return reference;
        if (!reference && !first_error) first_error = std::move(reference).error();
    }
    if (first_error) return std::unexpected(std::move(*first_error));
    return std::nullopt;
}

} // namespace poolkd::pe

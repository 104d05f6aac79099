#include "symbols/pdb_search.h"

#include "base/text.h"
#include "pe/image.h"

#include <filesystem>
#include <fstream>

namespace poolkd::symbols {

namespace {

constexpr std::uintmax_t max_image_bytes = 512u << 20; // far above any driver or kernel

std::string extension_of(std::string_view file_name) {
    const std::size_t dot = file_name.rfind('.');
    return dot == std::string_view::npos ? std::string() : to_lower(file_name.substr(dot + 1));
}

Result<ByteVector> read_image(const std::string& path, const ImageIdentity& wanted) {
    std::error_code code;
    // Opening a pipe or a device could block.
    if (!std::filesystem::is_regular_file(path, code))
        return fail(ErrorKind::io, "{} is not a file that can be read", path);
    const std::uintmax_t size = std::filesystem::file_size(path, code);
    if (code || size > max_image_bytes) return fail(ErrorKind::malformed, "{} is too large for an image", path);
    ByteVector bytes(size);
    std::ifstream in(path, std::ios::binary);
    if (!in.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(size)))
        return fail(ErrorKind::io, "{} cannot be read", path);
    pe::SpanReader reader(bytes);
    POOLKD_TRY(pe::Image image, pe::Image::open(reader, pe::ImageLayout::file));
    if (image.timestamp != wanted.timestamp || image.size_of_image != wanted.size)
        return fail(ErrorKind::mismatch, "{} is not the image that is loaded: it is {}, loaded is {}", path,
                    StoreKey::of_image(wanted.name, image.timestamp, image.size_of_image).index, wanted.key().index);
    return bytes;
}

} // namespace

Result<std::shared_ptr<PdbFile>> open_matching_pdb(const std::string& path, const pe::PdbIdentity& wanted) {
    POOLKD_TRY(std::shared_ptr<PdbFile> file, PdbFile::open(path));
    if (!file->matches(wanted))
        return fail(ErrorKind::mismatch, "{} does not belong to this image: it is {}, the image asks for {}", path,
                    file->identity().text(), wanted.text());
    return file;
}

Result<std::shared_ptr<PdbFile>> find_pdb(const pe::PdbReference& wanted, std::string_view image_name,
                                          const SymbolPath& path, const SearchOptions& options) {
    const WantedFile file{StoreKey::of(wanted), extension_of(image_name),
                          [&](const std::string& found) -> Result<void> {
                              POOLKD_CHECK(open_matching_pdb(found, wanted.identity));
                              return {};
                          }};
    if (file.key.name.empty())
        return fail(ErrorKind::not_found, "The image's debug record names no PDB file (identity {})",
                    wanted.identity.text());
    POOLKD_TRY(std::string found, find_file(file, path, options));
    return open_matching_pdb(found, wanted.identity);
}

Result<ByteVector> find_image(const ImageIdentity& wanted, const SymbolPath& path, const SearchOptions& options) {
    const WantedFile file{wanted.key(), extension_of(wanted.name), [&](const std::string& found) -> Result<void> {
                              POOLKD_CHECK(read_image(found, wanted));
                              return {};
                          }};
    if (file.key.name.empty()) return fail(ErrorKind::not_found, "The image has no name to be found by");
    POOLKD_TRY(std::string found, find_file(file, path, options));
    return read_image(found, wanted);
}

} // namespace poolkd::symbols

#include "dumps/format.h"

namespace poolkd::dumps {

std::span<const Format> formats() {
    // Signatures first, then names; raw memory has neither.
    static const Format all[] = {crash_dump_format, elf_core_format, lime_format,
                                 foreign_format,    vmware_format,   raw_format};
    return all;
}

Result<MemoryImage> open_image(std::shared_ptr<const ImageFile> file, const OpenOptions& options) {
    if (file->size() == 0) return fail(ErrorKind::malformed, "{} is empty", file->path());
    const FormatInput input{std::move(file), options};
    for (const Format& format : formats()) {
        if (!format.recognises(input)) continue;
        auto image = format.open(input);
        if (!image) {
            Error error = std::move(image).error();
            error.message = fmt::format("{}: {}", input.file->path(), error.message);
            return std::unexpected(std::move(error));
        }
        return image;
    }
    return fail(ErrorKind::unsupported, "{} is no memory image that is known", input.file->path());
}

Result<MemoryImage> open_image(const std::string& path, const OpenOptions& options) {
    POOLKD_TRY(auto file, ImageFile::open(path));
    return open_image(std::move(file), options);
}

} // namespace poolkd::dumps

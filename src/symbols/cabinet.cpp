#include "symbols/cabinet.h"

#include <mspack.h>

#include <memory>
#include <string_view>

namespace poolkd::symbols {

namespace {

std::string_view to_words(int error) {
    switch (error) {
    case MSPACK_ERR_OPEN:
    case MSPACK_ERR_READ:
    case MSPACK_ERR_SEEK: return "it cannot be read to its end";
    case MSPACK_ERR_WRITE: return "the unpacked file cannot be written";
    case MSPACK_ERR_NOMEMORY: return "there is no memory left";
    case MSPACK_ERR_SIGNATURE: return "it is no cabinet";
    case MSPACK_ERR_CHECKSUM: return "its checksum is wrong";
    default: return "it is damaged";
    }
}

std::unexpected<Error> refusal(const std::string& cabinet, int error) {
    const ErrorKind kind = error == MSPACK_ERR_WRITE ? ErrorKind::io : ErrorKind::malformed;
    return fail(kind, "{} cannot be unpacked: {}", cabinet, to_words(error));
}

} // namespace

Result<void> unpack_cabinet(const std::string& cabinet, const std::string& to, std::uint64_t limit) {
    std::unique_ptr<mscab_decompressor, void (*)(mscab_decompressor*)> mspack(mspack_create_cab_decompressor(nullptr),
                                                                              mspack_destroy_cab_decompressor);
    if (!mspack) return refusal(cabinet, MSPACK_ERR_NOMEMORY);
    auto close = [&](mscabd_cabinet* opened) { mspack->close(mspack.get(), opened); };
    std::unique_ptr<mscabd_cabinet, decltype(close)> opened(mspack->open(mspack.get(), cabinet.c_str()), close);
    if (!opened) return refusal(cabinet, mspack->last_error(mspack.get()));
    mscabd_file* file = opened->files;
    if (!file || file->next) return fail(ErrorKind::malformed, "{} does not hold exactly one file", cabinet);
    if (file->length > limit)
        return fail(ErrorKind::malformed, "{} states {} bytes for its file, which is not credible", cabinet,
                    file->length);
    // The name inside is not used: `to` is ours.
    if (int error = mspack->extract(mspack.get(), file, to.c_str()); error != MSPACK_ERR_OK)
        return refusal(cabinet, error);
    return {};
}

} // namespace poolkd::symbols

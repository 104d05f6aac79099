#include "symbols/isf/unpack.h"

#include <lzma.h>
#include <zlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <limits>
#include <span>

namespace poolkd::symbols {

namespace {

// What xz's strongest preset needs is 65 MB.
constexpr std::uint64_t unpacker_memory = 128u << 20;
constexpr std::size_t first_guess = 8u << 20; // an nt table's text

std::unexpected<Error> unpack_failure(const std::string& name, std::string_view what) {
    return fail(ErrorKind::malformed, "{} cannot be unpacked: {}", name, what);
}

std::unexpected<Error> too_much_text(const std::string& name, std::uint64_t limit) {
    return fail(ErrorKind::malformed, "{} unpacks to more than {} MB, too much for a symbol table", name, limit >> 20);
}

/// Room for what comes next, bounded by the limit and one byte, by which too much is noticed.
void grow(std::string& text, std::uint64_t limit) {
    const std::size_t wanted = text.empty() ? first_guess : 2 * text.size();
    text.resize(static_cast<std::size_t>(std::min<std::uint64_t>(wanted, limit + 1)));
}

/// Calls `step` with the rest of the room until it says that the end is reached: it returns how many bytes it wrote.
/// `step` sets `done` or fails.
template <class Step>
Result<std::string> unpack_by(Step step, const std::string& name, std::uint64_t limit) {
    std::string text;
    std::size_t used = 0;
    for (bool done = false; !done;) {
        if (used > limit) return too_much_text(name, limit);
        if (used == text.size()) grow(text, limit);
        POOLKD_TRY(const std::size_t written, step(text.data() + used, text.size() - used, done));
        used += written;
    }
    if (used > limit) return too_much_text(name, limit);
    text.resize(used);
    return text;
}

Result<std::string> unpack_xz(Bytes file, const std::string& name, std::uint64_t limit) {
    lzma_stream stream = LZMA_STREAM_INIT;
    struct End {
        lzma_stream* stream;
        ~End() { lzma_end(stream); }
    } end{&stream};
    if (lzma_stream_decoder(&stream, unpacker_memory, LZMA_CONCATENATED) != LZMA_OK)
        return unpack_failure(name, "there is no memory for it");
    stream.next_in = reinterpret_cast<const std::uint8_t*>(file.data());
    stream.avail_in = file.size();
    const auto step = [&](char* out, std::size_t room, bool& done) -> Result<std::size_t> {
        stream.next_out = reinterpret_cast<std::uint8_t*>(out);
        stream.avail_out = room;
        const lzma_ret code = lzma_code(&stream, LZMA_FINISH);
        done = code == LZMA_STREAM_END;
        if (done || code == LZMA_OK) return room - stream.avail_out;
        return unpack_failure(name, code == LZMA_BUF_ERROR ? "it ends too early"
                                    : code == LZMA_MEMLIMIT_ERROR
                                        ? "it asks for more memory than any symbol table needs"
                                    : code == LZMA_OPTIONS_ERROR ? "it uses an option of xz that is not known"
                                                                 : "its data are damaged");
    };
    return unpack_by(step, name, limit);
}

Result<std::string> unpack_gzip(Bytes file, const std::string& name, std::uint64_t limit) {
    constexpr int gzip_only = 16;
    z_stream stream{};
    if (file.size() > std::numeric_limits<uInt>::max()) return unpack_failure(name, "it is too large");
    if (inflateInit2(&stream, MAX_WBITS + gzip_only) != Z_OK) return unpack_failure(name, "there is no memory for it");
    struct End {
        z_stream* stream;
        ~End() { inflateEnd(stream); }
    } end{&stream};
    stream.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(file.data())); // zlib does not write there
    stream.avail_in = static_cast<uInt>(file.size());
    const auto step = [&](char* out, std::size_t room, bool& done) -> Result<std::size_t> {
        stream.next_out = reinterpret_cast<Bytef*>(out);
        stream.avail_out = static_cast<uInt>(std::min<std::size_t>(room, std::numeric_limits<uInt>::max()));
        const uInt offered = stream.avail_out;
        const int code = inflate(&stream, Z_NO_FLUSH);
        const std::size_t written = offered - stream.avail_out;
        done = code == Z_STREAM_END;
        if (done || (code == Z_OK && written != 0)) return written;
        return unpack_failure(name, code == Z_BUF_ERROR || code == Z_OK ? "it ends too early" : "its data are damaged");
    };
    return unpack_by(step, name, limit);
}

bool begins_with(Bytes file, std::string_view magic) {
    return file.size() >= magic.size() && std::ranges::equal(file.first(magic.size()), std::as_bytes(std::span(magic)));
}

} // namespace

Result<std::string> unpack_text(Bytes file, const std::string& name, std::uint64_t limit) {
    using namespace std::string_view_literals;
    if (begins_with(file, "\xfd"
                          "7zXZ\0"sv))
        return unpack_xz(file, name, limit);
    if (begins_with(file, "\x1f\x8b"sv)) return unpack_gzip(file, name, limit);
    if (file.size() > limit) return too_much_text(name, limit);
    return std::string(reinterpret_cast<const char*>(file.data()), file.size());
}

Result<std::string> read_packed_text(const std::string& path, std::uint64_t limit) {
    std::error_code code;
    // Opening a pipe or a device could block.
    if (!std::filesystem::is_regular_file(path, code))
        return fail(ErrorKind::io, "{} is not a file that can be read", path);
    const std::uintmax_t size = std::filesystem::file_size(path, code);
    if (code) return fail(ErrorKind::io, "{} cannot be read: {}", path, code.message());
    if (size > limit) return too_much_text(path, limit);
    ByteVector bytes(size);
    std::ifstream in(path, std::ios::binary);
    if (!in.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(size)))
        return fail(ErrorKind::io, "{} cannot be read", path);
    return unpack_text(bytes, path, limit);
}

} // namespace poolkd::symbols

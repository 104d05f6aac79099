#pragma once

// Cabinets with one file, as symbol stores hold them (layout: [MS-CAB]).

#include "base/bytes.h"

#include <zlib.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace poolkd::testing {

enum class CabinetMethod : std::uint16_t {
    stored = 0,
    mszip = 1,
    lzx = 3 | 15 << 8, ///< window of 32 KB, as one block that is not packed
};

namespace cabinet {

inline void put(std::string& out, std::uint64_t value, unsigned size) {
    for (unsigned i = 0; i < size; ++i)
        out += static_cast<char>(value >> (8 * i) & 0xff);
}

/// "CK" and a deflate stream that begins anew: a decoder may also refer to the block before.
inline std::string mszip_block(std::string_view piece) {
    z_stream stream{};
    deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY);
    std::string out(deflateBound(&stream, piece.size()), '\0');
    std::string input(piece);
    stream.next_in = reinterpret_cast<Bytef*>(input.data());
    stream.avail_in = static_cast<uInt>(input.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    deflate(&stream, Z_FINISH);
    out.resize(stream.total_out);
    deflateEnd(&stream);
    return "CK" + out;
}

/// LZX for less than 32 KB: no translation of x86 calls, one block of type 3 (the bytes as they are). The bits come in
/// 16-bit words, low byte first: 0, 011, 24 bits of size, padding; then R0, R1, R2.
inline std::string lzx_block(std::string_view piece) {
    const std::uint32_t bits = 3u << 28 | static_cast<std::uint32_t>(piece.size()) << 4;
    std::string out;
    put(out, bits >> 16, 2);
    put(out, bits & 0xffff, 2);
    for (int i = 0; i < 3; ++i)
        put(out, 1, 4);
    out += piece;
    if (piece.size() % 2 != 0) out += '\0';
    return out;
}

} // namespace cabinet

inline std::string make_cabinet(std::string_view name, Bytes content, CabinetMethod method) {
    using cabinet::put;
    const std::string_view all(reinterpret_cast<const char*>(content.data()), content.size());
    constexpr std::size_t block_size = 32'768;
    std::string data;
    unsigned blocks = 0;
    for (std::size_t at = 0; at < all.size(); at += block_size, ++blocks) {
        const std::string_view piece = all.substr(at, block_size);
        const std::string packed = method == CabinetMethod::mszip ? cabinet::mszip_block(piece)
                                   : method == CabinetMethod::lzx ? cabinet::lzx_block(piece)
                                                                  : std::string(piece);
        put(data, 0, 4); // no checksum
        put(data, packed.size(), 2);
        put(data, piece.size(), 2);
        data += packed;
    }
    const std::size_t files_at = 36 + 8, data_at = files_at + 16 + name.size() + 1;
    std::string out = "MSCF";
    put(out, 0, 4);
    put(out, data_at + data.size(), 4);
    put(out, 0, 4);
    put(out, files_at, 4);
    put(out, 0, 4);
    put(out, 0x0103, 2); // version 1.3
    put(out, 1, 2);      // folders
    put(out, 1, 2);      // files
    put(out, 0, 6);      // flags, set, number in the set
    put(out, data_at, 4);
    put(out, blocks, 2);
    put(out, static_cast<std::uint16_t>(method), 2);
    put(out, content.size(), 4);
    put(out, 0, 4); // offset in the folder
    put(out, 0, 2); // folder
    put(out, 0, 6); // date, time, attributes
    out += name;
    out += '\0';
    return out + data;
}

} // namespace poolkd::testing

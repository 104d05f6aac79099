#pragma once

#include "dumps/format.h"

#include <cstdint>
#include <cstdlib>
#include <span>

namespace poolkd::dumps {

/// Opens the bytes as one format, walks over all memory that it claims to hold, and checks what that promises.
inline void open_and_walk(const std::uint8_t* data, std::size_t size, const Format& format) {
    if (size > 1u << 20) return;
    const Bytes bytes = std::as_bytes(std::span(data, size));
    const FormatInput input{ImageFile::from_bytes({bytes.begin(), bytes.end()}, "fuzz.bin"), {}};
    if (!format.recognises(input)) return;
    auto image = format.open(input);
    if (!image) {
        if (image.error().message.empty()) std::abort();
        return;
    }
    (void)image->coverage.sentence();
    if (image->coverage.present > image->coverage.stated) std::abort();
    std::byte buffer[4096];
    if (image->physical) {
        std::uint64_t at = 0, present = 0;
        // Adversarial runs can be many, and each may claim the whole file.
        for (int steps = 0; steps < 10000; ++steps) {
            const Piece piece = image->physical->placement().find(PhysAddr(at), ~at);
            if (piece.bytes == 0 || piece.bytes > ~at) std::abort();
            if (piece.offset) {
                present += piece.bytes;
                if (piece.offset->value > size || piece.bytes > size - piece.offset->value) std::abort();
                if (image->physical->view(PhysAddr(at), piece.bytes).size() != piece.bytes) std::abort();
                (void)image->physical->read(PhysAddr(at), buffer);
            }
            at += piece.bytes;
            if (at == ~0ull) {
                if (present != image->coverage.present) std::abort();
                break;
            }
        }
    }
    if (image->pieces)
        for (const Run<VirtAddr>& run : image->pieces->pieces().runs())
            if (image->pieces->read(run.start, std::span(buffer)).bytes == 0) std::abort();
}

} // namespace poolkd::dumps

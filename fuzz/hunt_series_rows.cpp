// Any bytes as blobs of a series: two, so that the second may be differences to the first. The numbers are fuzzed
// behind the compression, else its checks would stop nearly everything.
#include "hunt/series_rows.h"

#include <zstd.h>

#include <cstdint>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace poolkd::hunt;
    if (size < 2 || size > 1u << 16) return 0;
    RowDecoder decoder;
    auto check = [&](std::span<const std::byte> blob) {
        auto rows = decoder.decode(blob);
        if (!rows) return;
        for (std::size_t i = 1; i < rows->size(); ++i)
            if (!((*rows)[i - 1].key < (*rows)[i].key)) std::abort();
        // What could be read can be written and read again.
        const std::vector<TagCounts> copy(rows->begin(), rows->end());
        RowEncoder encoder;
        RowDecoder again;
        auto back = again.decode(encoder.encode(copy));
        if (!back || !std::equal(back->begin(), back->end(), copy.begin(), copy.end())) std::abort();
    };
    const auto bytes = std::as_bytes(std::span(data, size));
    check(bytes);
    const std::size_t first = std::size_t{data[0]} * (size - 1) / 255;
    for (auto part : {bytes.subspan(1, first), bytes.subspan(1 + first)}) {
        std::vector<std::byte> blob(ZSTD_compressBound(part.size()));
        blob.resize(ZSTD_compress(blob.data(), blob.size(), part.data(), part.size(), 1));
        check(blob);
    }
    return 0;
}

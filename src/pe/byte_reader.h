#pragma once

#include "base/bytes.h"
#include "base/error.h"

#include <cstdint>

namespace poolkd::pe {

/// Where the bytes of an image come from: a file, target memory behind a cache, a buffer in a test.
class ByteReader {
  public:
    virtual ~ByteReader() = default;
    /// The bytes [offset, offset + size), all of them or an Error. The view is good until the next call.
    /// `offset` is a file offset or an RVA, as the image's ImageLayout says.
    virtual Result<Bytes> bytes(std::uint32_t offset, std::uint32_t size) = 0;
};

/// Bytes that are in memory already (a mapped file). They must outlive the reader.
class SpanReader final : public ByteReader {
  public:
    explicit SpanReader(Bytes all) : all_(all) {}

    Result<Bytes> bytes(std::uint32_t offset, std::uint32_t size) override {
        if (offset > all_.size() || size > all_.size() - offset)
            return fail(ErrorKind::malformed, "{:#x} bytes at {:#x} reach outside the {:#x} bytes of the image", size,
                        offset, all_.size());
        return all_.subspan(offset, size);
    }

  private:
    Bytes all_;
};

} // namespace poolkd::pe

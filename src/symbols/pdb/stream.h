#pragma once

#include "base/bytes.h"

#include <cstdint>
#include <optional>

namespace poolkd::symbols {

/// One stream of a PDB: a list of blocks of the file. LLVM's own stream class keeps a copy of every piece that
/// crosses a block for the life of the file; here the caller owns such copies, so that reading costs no memory.
class PdbStream {
  public:
    PdbStream() = default;
    /// `blocks` holds little-endian 32-bit block numbers. All views must outlive the stream.
    PdbStream(Bytes file, std::uint32_t block_size, Bytes blocks, std::uint32_t size);

    [[nodiscard]] std::uint32_t size() const { return size_; }
    [[nodiscard]] bool empty() const { return size_ == 0; }

    /// A view of [offset, offset + size), in the file where its blocks are neighbours, else copied to `scratch`.
    /// Empty when it reaches outside the stream or the file.
    [[nodiscard]] Bytes read(std::uint64_t offset, std::size_t size, ByteVector& scratch) const;
    /// The same for a CodeView record: 16 bits of length, then that many bytes. The view includes the length.
    [[nodiscard]] Bytes record(std::uint64_t offset, ByteVector& scratch) const;
    /// All of the stream.
    [[nodiscard]] ByteVector copy() const;

    template <class T>
    [[nodiscard]] std::optional<T> value(std::uint64_t offset) const {
        ByteVector scratch;
        return load<T>(read(offset, sizeof(T), scratch), 0);
    }

  private:
    [[nodiscard]] std::uint64_t block_start(std::size_t index) const;

    Bytes file_;
    std::uint32_t block_size_ = 1;
    Bytes blocks_;
    std::uint32_t size_ = 0;
};

} // namespace poolkd::symbols

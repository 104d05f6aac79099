#pragma once

#include "memory/memory.h"

#include <array>
#include <optional>
#include <vector>

namespace poolkd::code {

/// Words of a stack, read from the target in blocks: over a link a request costs more than a kilobyte.
class StackReader {
  public:
    explicit StackReader(memory::AddressSpace& memory, Work* work = nullptr) : memory_(memory), work_(work) {}

    Result<std::uint64_t> word(VirtAddr address);
    /// Four words at `address`; nothing when one of them cannot be read.
    std::optional<std::array<std::uint64_t, 4>> four_words(VirtAddr address);

    [[nodiscard]] std::uint64_t bytes_read() const { return bytes_read_; }

    static constexpr std::size_t first_blocks = 1024; ///< bytes of each of the first two blocks
    static constexpr std::size_t later_blocks = 2048; ///< bytes of the following ones
    static constexpr std::uint64_t max_bytes = 4u << 20;

  private:
    struct Block {
        VirtAddr start;
        ByteVector bytes;
        std::optional<GapReason> gap; ///< why nothing can be read behind the last byte
        [[nodiscard]] VirtAddr end() const { return start + bytes.size(); }
    };
    Block* holding(VirtAddr address);
    Result<void> fetch(VirtAddr address);

    memory::AddressSpace& memory_;
    Work* work_;
    std::vector<Block> blocks_;
    std::uint64_t bytes_read_ = 0;
};

} // namespace poolkd::code

#pragma once

#include "base/machine.h"
#include "memory/memory.h"

#include <optional>
#include <vector>

namespace poolkd::code {

/// Words of a stack, read from the target in blocks: over a link a request costs more than a kilobyte.
class StackReader {
  public:
    /// `first_bytes`: of the first block, where it is known how much will be asked for; 0: the usual.
    StackReader(memory::AddressSpace& memory, const Machine& machine, Work* work = nullptr, std::size_t first_bytes = 0)
        : memory_(memory), word_bytes_(machine.pointer_size), work_(work),
          first_bytes_(first_bytes == 0 ? first_blocks : first_bytes) {}

    /// A word of the machine, not sign-extended.
    Result<std::uint64_t> word(VirtAddr address);
    /// `count` words at `address`; none when one of them cannot be read.
    std::vector<std::uint64_t> words(VirtAddr address, std::size_t count);
    [[nodiscard]] std::size_t word_bytes() const { return word_bytes_; }

    [[nodiscard]] std::uint64_t bytes_read() const { return bytes_read_; }
    /// Behind the highest word that was asked for.
    [[nodiscard]] VirtAddr asked_until() const { return asked_until_; }

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
    std::size_t word_bytes_;
    Work* work_;
    std::size_t first_bytes_;
    VirtAddr asked_until_;
    std::vector<Block> blocks_;
    std::uint64_t bytes_read_ = 0;
};

} // namespace poolkd::code

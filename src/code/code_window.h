#pragma once

#include "memory/memory.h"

#include <array>

namespace poolkd::code {

/// Code bytes of the target for a decoder that moves forward, read in pieces.
class CodeWindow {
  public:
    /// `piece` in bytes: how much is read at a time.
    explicit CodeWindow(memory::AddressSpace& memory, Work* work = nullptr, std::size_t piece = 64)
        : memory_(memory), work_(work), piece_(piece) {}

    /// Up to 15 bytes at `address`: fewer where memory ends, none where there is none. Valid until the next call.
    Bytes at(VirtAddr address);
    /// Why the last call of `at` gave fewer than 15 bytes.
    [[nodiscard]] std::optional<GapReason> gap() const { return gap_; }

  private:
    memory::AddressSpace& memory_;
    Work* work_;
    std::size_t piece_;
    VirtAddr start_;
    ByteVector bytes_;
    std::optional<GapReason> gap_;
};

} // namespace poolkd::code

#pragma once

#include "memory/memory.h"

#include <map>

namespace poolkd::memory {

/// Physical memory with some bytes in place of its own, where it has any. Nothing is written to it.
class PatchedMemory final : public PhysicalMemory {
  public:
    explicit PatchedMemory(PhysicalMemory& below) : below_(below) {}

    /// Over what was put there before.
    void put(PhysAddr address, Bytes bytes);

    ReadResult read(PhysAddr address, MutableBytes out) override;

  private:
    PhysicalMemory& below_;
    std::map<PhysAddr, std::byte> bytes_; ///< some thousands: registers, a header
};

} // namespace poolkd::memory

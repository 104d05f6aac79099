#pragma once

#include "memory/memory.h"

#include <array>
#include <bitset>
#include <cstdint>
#include <functional>
#include <memory>
#include <unordered_map>

namespace poolkd::memory {

/// Remembers what was read while the target stands still, so that nothing crosses the link twice. Keeps pages of
/// 4096 bytes in lines of 64, and reads exactly the lines that a request misses, neighbouring ones in one request:
/// how much to read at once stays the caller's choice. Holes are remembered by page.
/// `epoch` names the state of the target; when it changes, everything is forgotten.
class CachedSpace final : public AddressSpace {
  public:
    CachedSpace(AddressSpace& below, std::function<std::uint64_t()> epoch, std::size_t budget_bytes = 256u << 20);

    ReadResult read(VirtAddr address, MutableBytes out, Work* work = nullptr) override;
    [[nodiscard]] unsigned pointer_size() const override { return below_.pointer_size(); }
    void forget();

    [[nodiscard]] std::uint64_t bytes_from_below() const { return bytes_from_below_; }

  private:
    static constexpr std::size_t page_bytes = 4096;
    static constexpr std::size_t line_bytes = 64;
    static constexpr std::size_t lines = page_bytes / line_bytes;
    struct Page {
        std::array<std::byte, page_bytes> bytes{};
        std::bitset<lines> valid;
        std::optional<GapReason> gap; ///< why the bytes from `gap_offset` on could not be read
        std::size_t gap_offset = page_bytes;
    };

    /// Makes [address, address+size) valid as far as possible; returns how far it is and why not further.
    ReadResult fill(VirtAddr address, std::size_t size, Work* work);
    Page& page_at(std::uint64_t number);

    AddressSpace& below_;
    std::function<std::uint64_t()> epoch_;
    std::uint64_t epoch_seen_ = 0;
    std::size_t budget_pages_;
    std::uint64_t bytes_from_below_ = 0;
    std::unordered_map<std::uint64_t, std::unique_ptr<Page>> pages_;
};

} // namespace poolkd::memory

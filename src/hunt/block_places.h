#pragma once

#include "hunt/snapshot.h"
#include "pool/blocks.h"

#include <optional>
#include <span>
#include <vector>

namespace poolkd::hunt {

/// Where the blocks of some tags lie: to tell of any word whether it points into one.
class BlockPlaces {
  public:
    struct Place {
        VirtAddr body;
        std::uint64_t size = 0; ///< bytes of the body
        std::uint32_t tag = 0;  ///< index of the key
    };

    void add(const Place& place) { places_.push_back(place); }
    /// To be called once, when all are in.
    void sort();
    [[nodiscard]] const Place* at(VirtAddr address) const;
    [[nodiscard]] std::size_t size() const { return places_.size(); }
    /// At most so many of a tag, evenly over its places.
    [[nodiscard]] std::vector<Place> sample(std::uint32_t tag, std::size_t most) const;

  private:
    std::vector<Place> places_;
};

} // namespace poolkd::hunt

#include "hunt/block_places.h"

#include <algorithm>

namespace poolkd::hunt {

void BlockPlaces::sort() {
    std::ranges::sort(places_, {}, &Place::body);
}

const BlockPlaces::Place* BlockPlaces::at(VirtAddr address) const {
    auto after = std::ranges::upper_bound(places_, address, {}, &Place::body);
    if (after == places_.begin()) return nullptr;
    const Place& place = *std::prev(after);
    return address - place.body < place.size ? &place : nullptr;
}

std::vector<BlockPlaces::Place> BlockPlaces::sample(std::uint32_t tag, std::size_t most) const {
    std::vector<std::size_t> own;
    for (std::size_t i = 0; i < places_.size(); ++i)
        if (places_[i].tag == tag) own.push_back(i);
    std::vector<Place> chosen;
    const std::size_t count = std::min(most, own.size());
    for (std::size_t i = 0; i < count; ++i)
        chosen.push_back(places_[own[i * own.size() / count]]);
    return chosen;
}

} // namespace poolkd::hunt

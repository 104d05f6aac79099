#include "hunt/new_tags.h"

#include <fmt/format.h>

namespace poolkd::hunt {

namespace {

/// The old tag's characters as far as they are letters and digits.
std::string stem_of(PoolTag old) {
    std::string stem = old.bare().text();
    for (char& c : stem)
        if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'))) c = 'x';
    return stem;
}

} // namespace

std::vector<PoolTag> make_new_tags(PoolTag old, std::size_t count, const std::set<PoolTag>& taken) {
    const std::string stem = stem_of(old);
    std::vector<PoolTag> tags;
    // The more digits, the less is left of the old tag.
    for (std::size_t digits = 2; digits <= 3; ++digits) {
        const std::size_t limit = digits == 2 ? 100 : 1000;
        for (std::size_t number = 1; number < limit && tags.size() < count; ++number) {
            auto tag = PoolTag::from_text(fmt::format("{}{:0{}}", stem.substr(0, 4 - digits), number, digits));
            if (tag && !taken.contains(*tag)) tags.push_back(*tag);
        }
    }
    return tags;
}

} // namespace poolkd::hunt

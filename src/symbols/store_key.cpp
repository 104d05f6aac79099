#include "symbols/store_key.h"

#include "base/text.h"

#include <fmt/format.h>

namespace poolkd::symbols {

StoreKey StoreKey::of(const pe::PdbReference& pdb) {
    return {pdb.file_name(), pdb.identity.text()};
}

StoreKey StoreKey::of_image(std::string_view file_name, std::uint32_t timestamp, std::uint32_t size) {
    // The name comes from the target: it must not lead out of the store.
    return {pe::PdbReference{{}, std::string(file_name)}.file_name(), fmt::format("{:08X}{:x}", timestamp, size)};
}

std::string StoreKey::two_tier_folder() const {
    return to_lower(std::string_view(name).substr(0, 2)) + "/" + folder();
}

std::string StoreKey::packed_name() const {
    std::string packed = name;
    if (!packed.empty()) packed.back() = '_';
    return packed;
}

} // namespace poolkd::symbols

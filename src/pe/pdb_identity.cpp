#include "pe/pdb_identity.h"

#include <fmt/format.h>

#include <algorithm>

namespace poolkd::pe {

std::string PdbIdentity::text() const {
    constexpr std::array<std::size_t, 16> order{3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};
    std::string out;
    for (std::size_t i : order)
        out += fmt::format("{:02X}", guid[i]);
    return out + fmt::format("{:X}", age);
}

std::string PdbReference::file_name() const {
    std::string name = path.substr(path.find_last_of("\\/") + 1);
    std::ranges::replace_if(name, [](char c) { return c < 0x20 || c > 0x7e; }, '?');
    return name == "." || name == ".." ? std::string() : name;
}

} // namespace poolkd::pe

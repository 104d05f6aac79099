#include "hunt/signature.h"

#include "base/text.h"

#include <fmt/format.h>

namespace poolkd::hunt {

namespace {

/// FNV-1a, 64 bits: the same on every host and in every version.
std::uint64_t hash_of(std::string_view text) {
    std::uint64_t hash = 0xcbf29ce484222325;
    for (const char c : text)
        hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    return hash;
}

} // namespace

std::string signature_of(const TagKey& key, const Suspect& suspect) {
    std::string text = fmt::format("{:08x}|{}", key.tag.bare().value, to_text(key.kind));
    if (!suspect.owners.empty() && suspect.owners.front().confidence >= SuspectSite::accusing)
        text += "|" + to_lower(std::string_view(suspect.owners.front().image));
    if (!suspect.sites.empty() && suspect.sites.front().accused()) {
        const code::PoolSite& site = suspect.sites.front().site;
        text += "|" + (site.function.empty() ? fmt::format("+{:x}", site.rva) : site.function);
    }
    return fmt::format("pk1-{:016x}", hash_of(text));
}

} // namespace poolkd::hunt

// Any bytes as a kept index of call sites, also with the sum that belongs to them: what is taken could have been found.

#include "code/site_file.h"

#include <cstdlib>

namespace {

using namespace poolkd;

void check(Bytes file) {
    const auto index = code::read_sites(file, "key");
    if (!index) return;
    for (const code::PoolSite& site : index->sites) {
        if (site.api.empty() || site.via.size() != site.via_rvas.size()) std::abort();
        const bool told = site.tag_source == code::TagSource::constant || site.tag_source == code::TagSource::data ||
                          site.tag_source == code::TagSource::fixed;
        if (told != site.tag.has_value()) std::abort();
    }
    if (!code::read_sites(code::write_sites("key", *index), "key")) std::abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size > 1u << 16) return 0;
    const Bytes input = std::as_bytes(std::span(data, size));
    check(input);
    // As the body of a sound file.
    ByteVector sound = code::write_sites("key", {});
    constexpr std::size_t head_and_key = 24 + 4 + 3;
    sound.resize(head_and_key);
    sound.insert(sound.end(), input.begin(), input.end());
    code::seal_sites(sound);
    check(sound);
    return 0;
}

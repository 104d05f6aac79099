// Any bytes as a list of tags.
#include "hunt/tag_list.h"

#include <cstdint>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace poolkd;
    if (size > 1u << 16) return 0;
    const std::string text(data, data + size);
    hunt::TagLists lists;
    lists.add_text(text);
    for (std::size_t i = 0; i + 4 <= text.size() && i < 64; ++i)
        (void)lists.find(*PoolTag::from_text(std::string_view(text).substr(i, 4)));
    return 0;
}

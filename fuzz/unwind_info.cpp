// Any bytes as UNWIND_INFO: an error or a record whose codes fit the table it came from.

#include "code/unwind_info.h"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace poolkd;
    auto info = code::parse_unwind_info(std::as_bytes(std::span(data, size)));
    if (info && (info->codes.size() > 255 || (info->version != 1 && info->version != 2))) std::abort();
    return 0;
}

// Any bytes as a LiME image.
#include "dumps_input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    poolkd::dumps::open_and_walk(data, size, poolkd::dumps::lime_format);
    return 0;
}

// Any bytes as a Microsoft crash dump, of whichever type.
#include "dumps_input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    poolkd::dumps::open_and_walk(data, size, poolkd::dumps::crash_dump_format);
    return 0;
}

// Any bytes as PoolMon's text.
#include "hunt/import/poolmon.h"
#include "hunt_input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace poolkd::hunt;
    read_everything(data, size, import::open_poolmon);
    return 0;
}

// Any bytes as !poolused text.
#include "hunt/import/poolused.h"
#include "hunt_input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace poolkd::hunt;
    read_everything(data, size, import::open_poolused);
    return 0;
}

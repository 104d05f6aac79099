// Any bytes as JSON.
#include "hunt/import/json.h"
#include "hunt_input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace poolkd::hunt;
    read_everything(data, size, import::open_json);
    return 0;
}

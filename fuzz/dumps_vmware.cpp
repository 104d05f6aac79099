// Any bytes as a VMware state file.
#include "dumps/vmware_state.h"

#include <span>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace poolkd::dumps;
    if (size > 1u << 20) return 0;
    const auto state = VmwareState::read(std::as_bytes(std::span(data, size)));
    if (!state) return 0;
    for (const VmwareGroup& group : state->groups()) {
        bool cut = false;
        for (const VmwareTag& tag : state->tags(group.name, cut))
            (void)poolkd::load_unsigned(tag.value, 0, tag.value.size());
    }
    return 0;
}

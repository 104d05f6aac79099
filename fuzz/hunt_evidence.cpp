// Any bytes as evidence of a format that is told by the content, with an interval for what bears no times.
#include "hunt/evidence.h"

#include <cstdint>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace poolkd::hunt;
    if (size > 1u << 18) return 0;
    poolkd::Work work;
    const EvidenceOptions options{.interval = std::chrono::seconds(60), .uptime = std::chrono::hours(1)};
    auto source = open_evidence_bytes("fuzz", std::string(data, data + size), options, work);
    if (!source) return 0;
    Snapshot snapshot;
    for (;;) {
        auto more = (*source)->next(snapshot, work);
        if (!more || !*more) break;
    }
    return 0;
}

#include "nt/crashed_processor.h"

namespace poolkd::nt {

std::optional<std::uint32_t> crashed_processor(const target::DumpTarget& target) {
    const dumps::ImageFacts& facts = target.image().facts;
    const Machine* machine = target.identity().machine;
    if (!machine || facts.context.empty()) return std::nullopt;
    const RegisterFile header(*machine, facts.context);
    for (std::uint32_t i = 0; i < facts.processors.size(); ++i) {
        if (facts.processors[i].context.empty()) continue;
        const RegisterFile record(*machine, facts.processors[i].context);
        if (record.sp() == header.sp() && record.ip() == header.ip()) return i;
    }
    return std::nullopt;
}

} // namespace poolkd::nt

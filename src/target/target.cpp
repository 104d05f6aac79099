#include "target/target.h"

namespace poolkd::target {

Result<PageTables> Target::page_tables(std::uint32_t processor) {
    POOLKD_TRY(const ByteVector special, special_registers(processor));
    const Machine& machine = *identity().machine;
    const auto cr3 = machine.special(special, "cr3");
    const auto cr4 = machine.special(special, "cr4");
    if (!cr3 || !cr4) return fail(ErrorKind::malformed, "The target's special registers are too short to hold CR3");
    return PageTables{&machine, *cr3, *cr4};
}

} // namespace poolkd::target

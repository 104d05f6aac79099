#include "pool/small_dump.h"

#include "dumps/triage.h"

namespace poolkd::pool {

Result<void> require_pool_memory(nt::Kernel& kernel, std::string_view what) {
    const dumps::TriageRecords* records = kernel.target().driver_records();
    if (!records) return {};
    const std::string totals =
        records->memory
            ? fmt::format(" All that it says of pool: {} KB of nonpaged and {} KB of paged pool in use.",
                          records->memory->nonpaged_allocated / 1024, records->memory->paged_allocated / 1024)
            : std::string();
    return fail(
        ErrorKind::unsupported,
        "{} not in this dump: a small memory dump holds neither the pool nor its tables.{} Let the machine write "
        "a kernel dump (CrashDumpEnabled 2 or 7 in HKLM\\SYSTEM\\CurrentControlSet\\Control\\CrashControl); "
        "`!analyze` tells what can be told from this one.",
        what, totals);
}

} // namespace poolkd::pool

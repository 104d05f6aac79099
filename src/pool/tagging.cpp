#include "pool/tagging.h"

#include "pool/small_dump.h"

namespace poolkd::pool {

Result<void> require_tagging(nt::Kernel& kernel) {
    POOLKD_CHECK(require_pool_memory(kernel, "The counters of the tags are"));
    POOLKD_TRY(VirtAddr table, kernel.read_pointer_global("PoolTrackTable"));
    if (table) return {};
    auto flags = kernel.read_global("NtGlobalFlag", 4);
    const bool off = flags && !(*flags & pool_tagging_flag);
    return fail(
        ErrorKind::unsupported,
        "Pool tagging is not enabled on this kernel: nt!PoolTrackTable is null{}. Set the boot flag and restart the "
        "target: \"Enable pool tagging\" of GFlags, which is bit 0x400 of the value GlobalFlag in "
        "HKLM\\SYSTEM\\CurrentControlSet\\Control\\Session Manager; `poolkd gflags +ptg` for a practice machine.",
        off ? fmt::format(" and nt!NtGlobalFlag ({:#x}) lacks 0x400", *flags) : std::string{});
}

} // namespace poolkd::pool

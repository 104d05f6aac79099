#include "pool/tracker.h"

#include "pool/tagging.h"

#include <algorithm>

namespace poolkd::pool {

namespace {

/// PoolTrackTable and each processor's table, without nulls and duplicates.
Result<std::vector<VirtAddr>> tracker_tables(nt::Kernel& kernel, VirtAddr global) {
    std::vector<VirtAddr> tables{global};
    auto per_processor = kernel.address_of("ExPoolTagTables");
    if (!per_processor) return tables; // ReactOS and very old kernels have one table
    const unsigned pointer = kernel.machine().pointer_size;
    const std::uint64_t processors = kernel.target().identity().processors;
    POOLKD_TRY(ByteVector pointers, memory::read_exact(kernel.memory(), *per_processor, processors * pointer));
    for (std::uint64_t i = 0; i < processors; ++i) {
        VirtAddr table = kernel.machine().canonical(load_unsigned(pointers, i * pointer, pointer).value_or(0));
        if (table && std::ranges::find(tables, table) == tables.end()) tables.push_back(table);
    }
    return tables;
}

Result<Tracker> tracker_of_symbols(nt::Kernel& kernel) {
    Tracker tracker;
    POOLKD_TRY(VirtAddr global, kernel.read_pointer_global("PoolTrackTable"));
    POOLKD_TRY(tracker.rows, kernel.read_global("PoolTrackTableSize"));
    if (tracker.rows == 0 || tracker.rows > max_tracker_rows)
        return fail(ErrorKind::malformed,
                    "PoolTrackTableSize is {}, which is not credible: wrong symbols, or damaged memory", tracker.rows);
    POOLKD_TRY(const nt::Layout* layout, kernel.layout("_POOL_TRACKER_TABLE"));
    POOLKD_TRY(tracker.row, TrackerRow::from(*layout));
    POOLKD_TRY(tracker.tables, tracker_tables(kernel, global));
    auto expansion = kernel.read_pointer_global("PoolTrackTableExpansion");
    auto expansion_rows = kernel.read_global("PoolTrackTableExpansionSize");
    if (expansion && expansion_rows) {
        tracker.expansion = *expansion;
        tracker.expansion_rows = *expansion_rows;
    } else if (!expansion || *expansion) {
        // Older kernels have no such list; one that cannot be read may hold tags.
        tracker.cut_short = kernel.address_of("PoolTrackTableExpansion").has_value();
    }
    return tracker;
}

} // namespace

Result<Tracker> find_tracker(nt::Kernel& kernel, Work& work) {
    auto tagging = require_tagging(kernel);
    if (!tagging && tagging.error().kind != ErrorKind::not_found) return std::unexpected(std::move(tagging).error());
    auto told = tagging ? tracker_of_symbols(kernel) : std::unexpected(std::move(tagging).error());
    if (told || (told.error().kind != ErrorKind::not_found && told.error().kind != ErrorKind::unsupported)) return told;
    auto inferred = infer_tracker(kernel, work);
    if (inferred || inferred.error().kind != ErrorKind::not_found) return inferred;
    return fail(ErrorKind::not_found, "{}{} {}", told.error().message, told.error().message.ends_with('.') ? "" : ".",
                inferred.error().message);
}

} // namespace poolkd::pool

#include "nt/kdbg.h"
#include "pool/tracker.h"

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <set>

namespace poolkd::pool {

namespace {

constexpr unsigned smallest_log = 6, largest_log = 16; // 64 rows is the kernel's own minimum, 65536 the most seen
constexpr std::size_t enough_keys = 8;                 // in the right one of a thousand rows each
// ExPoolTagTables lies at most 17 KB from PoolTrackTable in the 213 kernels whose symbols are known.
constexpr std::uint64_t search_around = 64u << 10;

/// In words, what could not be decided.
std::unexpected<Error> undecided(std::string_view what) {
    return fail(ErrorKind::not_found, "The data alone do not decide either: {}.", what);
}

std::unexpected<Error> stopped() {
    return fail(ErrorKind::stopped, "The search for the tables was stopped");
}

bool is_printable(PoolTag tag) {
    std::uint32_t value = tag.bare().value;
    bool padding = true; // some drivers pad with zeros, at the end
    for (int i = 3; i >= 0; --i) {
        const auto c = static_cast<std::uint8_t>(value >> (8 * i));
        if (padding && c == 0) continue;
        padding = false;
        if (c < 0x20 || c > 0x7e) return false;
    }
    return value != 0;
}

/// What the rows of a table say of a guess at its shape.
struct Evidence {
    std::size_t keys = 0, printable = 0, placed = 0;
    std::size_t beyond = 0; ///< that a table of twice the size would have elsewhere
    bool full = false;

    /// A table taken for too large has keys that belong into its upper half, one taken for too small has none.
    [[nodiscard]] bool convincing() const {
        return keys >= enough_keys && 10 * printable >= 9 * keys && 20 * placed >= 19 * keys && 5 * beyond >= keys;
    }
};

/// A tag sits at its hash, or behind it with no free row between.
Evidence examine(Bytes table, const TrackerRow& row, unsigned log) {
    const std::uint32_t rows = 1u << log, mask = rows - 1;
    std::vector<std::uint32_t> keys(rows);
    for (std::uint32_t i = 0; i < rows; ++i)
        keys[i] = row.key_of(table.subspan(i * row.stride, row.stride));
    // Rows since the last free one, around the end of the table.
    std::vector<std::uint32_t> run(rows);
    std::uint32_t length = 0;
    for (std::uint32_t i = 0; i < 2 * rows; ++i) {
        length = keys[i & mask] == 0 ? 0 : std::min(length + 1, rows);
        run[i & mask] = length;
    }
    Evidence evidence;
    for (std::uint32_t i = 0; i < rows; ++i) {
        if (keys[i] == 0) continue;
        const std::uint32_t hash = tracker_hash(PoolTag(keys[i]));
        ++evidence.keys;
        if (is_printable(PoolTag(keys[i]))) ++evidence.printable;
        if (((i - hash) & mask) < run[i]) ++evidence.placed;
        if (hash & rows) ++evidence.beyond;
    }
    evidence.full = evidence.keys == rows;
    return evidence;
}

struct Shape {
    TrackerRow row;
    unsigned log = 0;
    Evidence evidence;
    std::vector<std::uint32_t> keys;
};

std::optional<Shape> find_shape(nt::Kernel& kernel, VirtAddr table, const TrackerRow& row, Work& work) {
    for (unsigned log = smallest_log; log <= largest_log; ++log) {
        const std::uint64_t rows = (1ull << log) + 1;
        auto bytes = memory::read_exact(kernel.memory(), table, rows * row.stride, &work);
        if (!bytes) return std::nullopt;
        const Evidence evidence = examine(*bytes, row, log);
        // What has nothing in the right place will not get better with more of it.
        if (evidence.keys >= enough_keys && 2 * evidence.placed < evidence.keys) return std::nullopt;
        if (!evidence.convincing()) continue;
        Shape shape{row, log, evidence, {}};
        for (std::uint64_t i = 0; i < rows; ++i)
            shape.keys.push_back(row.key_of(Bytes(*bytes).subspan(i * row.stride, row.stride)));
        return shape;
    }
    return std::nullopt;
}

/// How many keys a table of a processor has: each the one that the global table has at that index. Nothing when it is
/// no such table. A processor that did little may have none yet. Most candidates differ in their first page.
std::optional<std::size_t> own_keys(nt::Kernel& kernel, VirtAddr table, const Shape& shape, Work& work) {
    const std::uint64_t stride = shape.row.stride;
    const std::size_t rows = shape.keys.size(), in_page = kernel.machine().page_size / stride;
    std::size_t keys = 0;
    bool empty = true;
    for (std::size_t i = 0; i < rows;) {
        const std::size_t end = std::min(rows, i + in_page);
        auto bytes = memory::read_exact(kernel.memory(), table + i * stride, (end - i) * stride, &work);
        if (!bytes) return std::nullopt;
        empty = empty && std::ranges::all_of(*bytes, [](std::byte b) { return b == std::byte{0}; });
        for (Bytes rest = *bytes; i < end; ++i, rest = rest.subspan(stride)) {
            const std::uint32_t key = shape.row.key_of(rest.first(stride));
            if (key == 0 || i + 1 == rows) continue; // the last is the overflow row
            if (key != shape.keys[i]) return std::nullopt;
            ++keys;
        }
    }
    if (keys == 0 && !empty) return std::nullopt;
    return keys;
}

/// A stretch of pointers to tables in the kernel's data: what ExPoolTagTables looks like.
using Run = std::vector<VirtAddr>;

/// Calls `visit(place, value)` for each word of the kernel's data around PoolTrackTable that could point to a table:
/// these are allocations of whole pages. Words that cannot be read come as zeros are: not at all.
void for_each_pointer(nt::Kernel& kernel, VirtAddr variable, Work& work,
                      const std::function<void(VirtAddr, VirtAddr)>& visit) {
    const unsigned pointer = kernel.machine().pointer_size;
    const nt::Module& image = kernel.modules().kernel();
    const std::uint64_t inside = variable - image.base;
    const std::uint64_t first = (inside - std::min(inside, search_around)) & ~std::uint64_t{pointer - 1};
    const std::uint64_t end =
        std::min<std::uint64_t>(inside + search_around, std::max<std::uint64_t>(image.size, inside));
    const VirtAddr start = image.base + first;
    auto data = memory::read_sparse(kernel.memory(), start, end - first, kernel.machine().page_size, &work);
    for (std::size_t at = 0; at + pointer <= data.value.size() && !work.stop_requested(); at += pointer) {
        const VirtAddr value = kernel.machine().canonical(load_unsigned(data.value, at, pointer).value_or(0));
        if (value && value.value % kernel.machine().page_size == 0 && start + at != variable) visit(start + at, value);
    }
}

std::vector<Run> find_runs(nt::Kernel& kernel, VirtAddr variable, VirtAddr global, const Shape& shape, Work& work) {
    std::map<VirtAddr, std::optional<std::size_t>> known{{global, 0}}; // keys of their own
    std::vector<Run> runs;
    VirtAddr next; // where the last run goes on
    for_each_pointer(kernel, variable, work, [&](VirtAddr place, VirtAddr value) {
        auto [entry, fresh] = known.try_emplace(value);
        if (fresh) entry->second = own_keys(kernel, value, shape, work);
        if (!entry->second) return;
        if (runs.empty() || place != next) runs.emplace_back();
        runs.back().push_back(value);
        next = place + kernel.machine().pointer_size;
    });
    // The global table's address may stand in other variables: it is where the pool begins, for example.
    std::erase_if(runs, [&](const Run& run) {
        return std::ranges::none_of(run, [&](VirtAddr table) { return known[table].value_or(0) != 0; });
    });
    return runs;
}

/// The tables of the processors: the one run with at least as many of them as there are processors.
Result<Run> tables_of_processors(nt::Kernel& kernel, VirtAddr variable, VirtAddr global, const Shape& shape,
                                 Work& work) {
    const std::size_t processors = std::max<std::size_t>(kernel.target().identity().processors, 1);
    std::vector<Run> runs = find_runs(kernel, variable, global, shape, work);
    if (work.stop_requested()) return stopped();
    if (runs.empty()) return Run{};
    std::erase_if(runs, [&](const Run& run) { return run.size() < processors; });
    if (runs.empty()) return undecided(fmt::format("not all tables of the {} processors were found", processors));
    if (std::ranges::count(runs, runs.front()) != std::ssize(runs))
        return undecided("several arrays could be the tables of the processors");
    return std::move(runs.front());
}

/// Whether `size` rows at `table` may be the list for all processors: tags that the full table does not have, up to the
/// first free row or the end.
bool is_expansion(nt::Kernel& kernel, VirtAddr table, std::uint64_t size, const TrackerRow& row,
                  const std::set<std::uint32_t>& keys_of_full, Work& work) {
    std::set<std::uint32_t> seen;
    std::uint64_t rows = 0, sensible = 0;
    const auto agree = [](std::uint64_t allocs, std::uint64_t frees, std::uint64_t bytes) {
        return (allocs == frees) == (bytes == 0);
    };
    for (; rows < size; ++rows) {
        auto record = memory::read_exact(kernel.memory(), table + rows * row.stride, row.stride, &work);
        if (!record) return false;
        const std::uint32_t key = row.key_of(*record);
        if (key == 0) break;
        if (keys_of_full.contains(key) || !seen.insert(key).second) return false;
        const bool counted = row.nonpaged_allocs.read(*record) != 0 || row.paged_allocs.read(*record) != 0;
        if (counted && is_printable(PoolTag(key)) &&
            agree(row.nonpaged_allocs.read(*record), row.nonpaged_frees.read(*record),
                  row.nonpaged_bytes.read(*record)) &&
            agree(row.paged_allocs.read(*record), row.paged_frees.read(*record), row.paged_bytes.read(*record)))
            ++sensible;
    }
    // Tags that cannot be printed exist.
    return rows != 0 && 4 * sensible >= 3 * rows;
}

/// Of a full table, the list of tags that found no room in it: a pointer beside a number of rows, as all kernels whose
/// symbols are known have them. Nothing unless there is one such place.
void find_expansion(nt::Kernel& kernel, VirtAddr variable, const Shape& shape, Tracker& tracker, Work& work) {
    constexpr std::uint64_t most_rows = 1u << 16;
    const unsigned pointer = kernel.machine().pointer_size;
    const std::set<std::uint32_t> keys(shape.keys.begin(), shape.keys.end());
    std::map<VirtAddr, std::uint64_t> lists;
    for_each_pointer(kernel, variable, work, [&](VirtAddr place, VirtAddr value) {
        if (lists.contains(value) || std::ranges::find(tracker.tables, value) != tracker.tables.end()) return;
        // Of two numbers beside it the larger one: the list ends at a free row anyway, and must not be cut short.
        std::uint64_t rows = 0;
        for (VirtAddr beside : {place - pointer, place + pointer}) {
            auto size = memory::read_unsigned(kernel.memory(), beside, pointer);
            if (size && *size > rows && *size <= most_rows && is_expansion(kernel, value, *size, shape.row, keys, work))
                rows = *size;
        }
        if (rows != 0) lists.emplace(value, rows);
    });
    if (lists.size() != 1) return;
    tracker.expansion = lists.begin()->first;
    tracker.expansion_rows = lists.begin()->second;
}

} // namespace

Result<Tracker> infer_tracker(nt::Kernel& kernel, Work& work) {
    const auto variable = kernel.variable("PoolTrackTable", nt::Kdbg::pool_track_table);
    if (!variable) return undecided("no debugger data block tells where PoolTrackTable is");
    POOLKD_TRY(const VirtAddr global, kernel.read_pointer(*variable));
    if (!global) return undecided("PoolTrackTable is null, as in a kernel booted without pool tagging");
    std::vector<Shape> shapes;
    for (const TrackerRow& row : TrackerRow::known(kernel.machine().pointer_size)) {
        if (auto shape = find_shape(kernel, global, row, work)) shapes.push_back(std::move(*shape));
        if (work.stop_requested()) return stopped();
    }
    if (shapes.empty()) return undecided("the rows of PoolTrackTable have no shape that is known");
    if (shapes.size() > 1) return undecided("the rows of PoolTrackTable fit several shapes");
    const Shape& shape = shapes.front();
    POOLKD_TRY(const Run own, tables_of_processors(kernel, *variable, global, shape, work));

    Tracker tracker;
    tracker.row = shape.row;
    tracker.rows = shape.keys.size();
    tracker.tables = {global};
    for (VirtAddr table : own)
        if (std::ranges::find(tracker.tables, table) == tracker.tables.end()) tracker.tables.push_back(table);
    if (shape.evidence.full) {
        find_expansion(kernel, *variable, shape, tracker, work);
        if (work.stop_requested()) return stopped();
        tracker.cut_short = !tracker.expansion;
    }
    tracker.inferred = fmt::format(
        "Layout inferred, not from symbols: rows of {} bytes, {} of {} tags where their hashes put them, "
        "{}.{}",
        shape.row.stride, shape.evidence.placed, shape.evidence.keys,
        own.empty() ? std::string("no tables of processors")
                    : fmt::format("tables of {} processors found by their keys", own.size()),
        !shape.evidence.full ? ""
        : tracker.expansion  ? " Its table is full; the list of further tags was found."
                             : " Its table is full, and the list of further tags was not found: tags are missing.");
    return tracker;
}

} // namespace poolkd::pool

#pragma once

#include "hunt/live.h"
#include "hunt/tag_list.h"
#include "hunt/verdict.h"

#include <nlohmann/json.hpp>

#include <string>
#include <vector>

namespace poolkd::render {

enum class PoolmonSort { tag, allocs, frees, difference, bytes, per_alloc, verdict };
enum class PoolmonKinds { both, nonpaged, paged };

/// What PoolMon's switches and keys choose (commands.md 13).
struct PoolmonView {
    PoolmonSort sort = PoolmonSort::tag;
    bool by_change = false; ///< sort by what changed since the last refresh
    PoolmonKinds kinds = PoolmonKinds::both;
    bool totals = false;
    bool highlight = true;
    bool drivers = false; ///< the column Mapped_Driver
    std::vector<std::string> include, exclude;
    bool help = false;
    std::size_t first_row = 0; ///< rows scrolled out at the top
};

/// What there is to show.
struct PoolmonFrame {
    const hunt::Snapshot* now = nullptr;
    const hunt::Snapshot* before = nullptr; ///< null: the first refresh, without changes
    const hunt::Report* report = nullptr;   ///< null: no verdicts yet
    const hunt::TagLists* tags = nullptr;
    std::string machine;
    hunt::SampleCost cost;
    std::string notice; ///< a warning, shown in the last line
};

struct PoolmonRow {
    hunt::TagKey key;
    std::uint64_t allocs = 0, frees = 0;
    std::int64_t difference = 0, bytes = 0, per_alloc = 0;
    std::int64_t allocs_change = 0, frees_change = 0, bytes_change = 0, per_alloc_change = 0;
    bool changed = false;
    const hunt::TagVerdict* verdict = nullptr;
    std::string driver;
};

/// The rows that the view wants, in its order.
[[nodiscard]] std::vector<PoolmonRow> poolmon_rows(const PoolmonFrame& frame, const PoolmonView& view);

struct ScreenSize {
    std::size_t columns = 80, rows = 24;
};

struct ScreenLine {
    enum class Style { plain, header, changed, leaking, leaking_changed, notice };
    std::string text; ///< at most as long as the screen is wide
    Style style = Style::plain;

    bool operator==(const ScreenLine&) const = default;
};

/// The whole screen, at most `size.rows` lines: PoolMon's two lines of memory (a dash for what the kernel's globals do
/// not tell), title, header, as many rows as fit, totals. Where the columns do not fit, they give up their blanks
/// first, then the changes of frees and of allocations.
[[nodiscard]] std::vector<ScreenLine> poolmon_screen(const PoolmonFrame& frame, const PoolmonView& view,
                                                     ScreenSize size);

/// A refresh as redirected PoolMon writes it: every row, as wide as it needs.
[[nodiscard]] std::string poolmon_text(const PoolmonFrame& frame, const PoolmonView& view);

/// A snapshot as `poolmon /n` writes it, without changes.
[[nodiscard]] std::string poolmon_snapshot_text(const PoolmonFrame& frame, const PoolmonView& view);

/// A refresh as one object.
[[nodiscard]] nlohmann::json poolmon_json(const PoolmonFrame& frame, const PoolmonView& view);

} // namespace poolkd::render

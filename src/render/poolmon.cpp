#include "render/poolmon.h"

#include "base/duration.h"
#include "render/characters.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace poolkd::render {

namespace {

using hunt::Verdict;

/// Columns of numbers, and how wide PoolMon has them (commands.md 13.3); a change stands in parentheses.
enum Column : std::size_t { allocs, allocs_change, frees, frees_change, difference, bytes, bytes_change, per_alloc };
constexpr std::size_t column_count = 8;
using Cells = std::array<std::string, column_count>;
using Widths = std::array<std::size_t, column_count>;
constexpr Widths classic_widths = {10, 4, 10, 4, 9, 8, 6, 7};
constexpr Widths file_widths = {10, 0, 10, 0, 10, 10, 0, 11}; ///< of `/n`
constexpr std::size_t tag_width = 11;                         ///< " Tag  Type "
constexpr std::size_t verdict_width = 14;
constexpr std::size_t least_driver_width = 8;

bool is_change(std::size_t column) {
    return column == allocs_change || column == frees_change || column == bytes_change;
}

struct Layout {
    Widths widths = classic_widths;
    std::array<bool, column_count> shown{};
    bool verdict = false;
    std::size_t driver = 0; ///< its width; 0: not shown

    [[nodiscard]] std::size_t width() const {
        std::size_t sum = tag_width;
        for (std::size_t i = 0; i < column_count; ++i)
            if (shown[i]) sum += widths[i] + (is_change(i) ? 3 : 0); // blank and parentheses
        return sum + (verdict ? verdict_width : 0);
    }
};

Cells cells_of(const PoolmonRow& row) {
    return {fmt::to_string(row.allocs),       fmt::to_string(row.allocs_change), fmt::to_string(row.frees),
            fmt::to_string(row.frees_change), fmt::to_string(row.difference),    fmt::to_string(row.bytes),
            fmt::to_string(row.bytes_change), fmt::to_string(row.per_alloc)};
}

/// Every number keeps a blank before it; a change has its parenthesis there.
Widths needed_widths(const std::vector<Cells>& rows) {
    Widths widths{};
    for (std::size_t i = 0; i < column_count; ++i)
        widths[i] = is_change(i) ? 1 : 6;
    for (const Cells& row : rows)
        for (std::size_t i = 0; i < column_count; ++i)
            widths[i] = std::max(widths[i], row[i].size() + (is_change(i) ? 0 : 1));
    return widths;
}

Layout classic(const Widths& needed, const Widths& usual, bool changes) {
    Layout layout;
    for (std::size_t i = 0; i < column_count; ++i) {
        layout.widths[i] = std::max(usual[i], needed[i]);
        layout.shown[i] = changes || !is_change(i);
    }
    return layout;
}

Layout fit(const std::vector<Cells>& rows, bool verdict, bool drivers, std::size_t columns) {
    const Widths needed = needed_widths(rows);
    Layout layout = classic(needed, classic_widths, true);
    layout.verdict = verdict;
    const std::size_t wanted = drivers ? least_driver_width + 1 : 0;
    if (layout.width() + wanted > columns) layout.widths = needed;
    for (Column column : {frees_change, allocs_change})
        if (layout.width() + wanted > columns) layout.shown[column] = false;
    if (drivers) layout.driver = columns > layout.width() + 1 ? columns - layout.width() - 1 : 0;
    return layout;
}

std::string clipped(std::string text, std::size_t columns) {
    if (text.size() > columns) text.resize(columns);
    return text;
}

std::string verdict_text(const PoolmonRow& row) {
    if (!row.verdict || row.verdict->verdict == Verdict::undecided) return {};
    return fmt::format("{} {:.0f}%", hunt::to_text(row.verdict->verdict), row.verdict->confidence * 100);
}

std::string row_text(std::string_view tag, std::string_view type, const Cells& cells, std::string_view verdict,
                     std::string_view driver, const Layout& layout) {
    std::string text = fmt::format(" {:<4} {:<5}", tag, type);
    for (std::size_t i = 0; i < column_count; ++i) {
        if (!layout.shown[i]) continue;
        text += is_change(i) ? fmt::format(" ({:>{}})", cells[i], layout.widths[i])
                             : fmt::format("{:>{}}", cells[i], layout.widths[i]);
    }
    if (layout.verdict) text += fmt::format("  {:<{}}", verdict, verdict_width - 2);
    if (layout.driver != 0 && !driver.empty()) text += " " + std::string(driver.substr(0, layout.driver));
    text.resize(text.find_last_not_of(' ') + 1);
    return text;
}

std::string header_text(const Layout& layout) {
    std::string text = " Tag  Type ";
    constexpr std::array<std::string_view, column_count> names = {"Allocs", "",      "Frees", "",
                                                                  "Diff",   "Bytes", "",      "Per Alloc"};
    std::size_t end = text.size();
    for (std::size_t i = 0; i < column_count; ++i) {
        if (!layout.shown[i]) continue;
        end += layout.widths[i] + (is_change(i) ? 3 : 0);
        // A name may reach into the column of changes before its own, which has none.
        if (!is_change(i)) text += fmt::format("{:>{}}", names[i], end - text.size());
    }
    if (layout.verdict) text += fmt::format("  {:<{}}", "Verdict", verdict_width - 2);
    if (layout.driver != 0) text += " Mapped_Driver";
    text.resize(text.find_last_not_of(' ') + 1);
    return text;
}

std::string kilobytes(const std::optional<std::uint64_t>& bytes) {
    return bytes ? fmt::format("{}K", *bytes / 1024) : "-";
}

struct PoolSums {
    std::uint64_t nonpaged = 0, paged = 0;
};

PoolSums sums_of(const hunt::Snapshot& snapshot) {
    PoolSums sums;
    for (const hunt::TagCounts& row : snapshot.rows)
        (row.key.kind == hunt::PoolKind::nonpaged ? sums.nonpaged : sums.paged) +=
            static_cast<std::uint64_t>(std::max<std::int64_t>(row.bytes, 0));
    return sums;
}

/// PoolMon's two lines. Page faults and resident parts are no globals of the kernel; the pools are the sums of their
/// tags where nothing better is known.
std::array<std::string, 2> memory_lines(const hunt::Snapshot& snapshot) {
    const hunt::MemoryFacts& memory = snapshot.memory;
    const PoolSums sums = sums_of(snapshot);
    return {fmt::format(" Memory:{:>9} Avail:{:>9}  PageFlts:{:>6}   InRam Krnl:{:>5} P:{:>7}",
                        kilobytes(memory.physical), kilobytes(memory.available), "-", "-", "-"),
            fmt::format(" Commit:{:>9} Limit:{:>9} Peak:{:>9}            Pool N:{:>8} P:{:>8}",
                        kilobytes(memory.commit), kilobytes(memory.commit_limit), kilobytes(memory.commit_peak),
                        kilobytes(memory.nonpaged.value_or(sums.nonpaged)),
                        kilobytes(memory.paged.value_or(sums.paged)))};
}

std::string uptime_text(const hunt::Snapshot& snapshot) {
    if (!snapshot.uptime) return {};
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(*snapshot.uptime).count();
    const std::string clock = fmt::format("{}:{:02}:{:02}", seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    return seconds < 86400 ? clock : fmt::format("{}d {}", seconds / 86400, clock);
}

/// What PoolMon does not have: which machine, how long it is up, what looking at it costs.
std::string title_text(const PoolmonFrame& frame, std::size_t columns) {
    std::string title = " System pool information";
    std::string rest = fmt::format("{}  up {}  stopped {} ({:.0f}%)", frame.machine, uptime_text(*frame.now),
                                   duration_text(frame.cost.stopped_last), frame.cost.share() * 100);
    if (title.size() + 2 + rest.size() <= columns) title += fmt::format("{:>{}}", rest, columns - title.size());
    return title;
}

PoolmonRow total_of(const std::vector<PoolmonRow>& rows, hunt::PoolKind kind) {
    PoolmonRow total;
    for (const PoolmonRow& row : rows) {
        if (row.key.kind != kind) continue;
        total.allocs += row.allocs;
        total.frees += row.frees;
        total.difference += row.difference;
        total.bytes += row.bytes;
        total.allocs_change += row.allocs_change;
        total.frees_change += row.frees_change;
        total.bytes_change += row.bytes_change;
    }
    total.per_alloc = total.difference == 0 ? 0 : total.bytes / total.difference;
    return total;
}

struct Total {
    std::string_view type;
    Cells cells;
};

std::vector<Total> totals_of(const std::vector<PoolmonRow>& rows, const PoolmonView& view) {
    std::vector<Total> totals;
    if (!view.totals) return totals;
    if (view.kinds != PoolmonKinds::paged)
        totals.push_back({"Nonp", cells_of(total_of(rows, hunt::PoolKind::nonpaged))});
    if (view.kinds != PoolmonKinds::nonpaged)
        totals.push_back({"Paged", cells_of(total_of(rows, hunt::PoolKind::paged))});
    return totals;
}

ScreenLine::Style style_of(const PoolmonRow& row, const PoolmonView& view) {
    if (!view.highlight) return ScreenLine::Style::plain;
    const bool leaking = row.verdict && row.verdict->verdict == Verdict::leaking;
    if (leaking) return row.changed ? ScreenLine::Style::leaking_changed : ScreenLine::Style::leaking;
    return row.changed ? ScreenLine::Style::changed : ScreenLine::Style::plain;
}

constexpr std::string_view help_lines[] = {
    " poolkd poolmon: PoolMon's table, read from a live kernel",
    "",
    " t tag   a allocations   f frees   d (s) difference   b bytes   m bytes per allocation",
    " v verdict: leaking tags first",
    " ( or )  sort by the change since the last refresh instead of the value, and back",
    " p       nonpaged, paged, both          e  totals          l  highlighting",
    " space   refresh now                    arrows, PgUp, PgDn, Home, End  scroll",
    " ?, h    this text; Esc leaves it       q, Esc, Ctrl-C  end; the target runs on",
    "",
    " Allocs, Frees: since the machine was started; ( ) the change since the last refresh",
    " Diff: blocks in use   Bytes: in use   Each (Per Alloc): Bytes / Diff",
    " Verdict: leaking, growing, flat, sawtooth or falling, from the refreshes so far,",
    "          with how sure it is. Real leaks take minutes to show: let it run.",
    " Title: the machine, its uptime, how long it stood still for this refresh,",
    "        and the part of all time in which it stood still.",
};

std::vector<ScreenLine> help_screen(ScreenSize size) {
    std::vector<ScreenLine> lines;
    for (std::string_view line : help_lines)
        if (lines.size() < size.rows) lines.push_back({clipped(std::string(line), size.columns), {}});
    return lines;
}

} // namespace

std::vector<ScreenLine> poolmon_screen(const PoolmonFrame& frame, const PoolmonView& view, ScreenSize size) {
    using Style = ScreenLine::Style;
    if (view.help) return help_screen(size);
    const std::vector<PoolmonRow> rows = poolmon_rows(frame, view);
    const std::vector<Total> totals = totals_of(rows, view);
    std::vector<ScreenLine> lines;
    for (std::string& line : memory_lines(*frame.now))
        lines.push_back({std::move(line), Style::plain});
    lines.push_back({title_text(frame, size.columns), Style::plain});

    const std::size_t fixed = lines.size() + 1 + totals.size() + (frame.notice.empty() ? 0 : 1);
    const std::size_t room = size.rows > fixed ? size.rows - fixed : 0;
    const std::size_t first = std::min(view.first_row, rows.size() > room ? rows.size() - room : 0);
    const std::size_t count = std::min(room, rows.size() - first);
    std::vector<Cells> cells;
    for (std::size_t i = 0; i < count; ++i)
        cells.push_back(cells_of(rows[first + i]));
    for (const Total& total : totals)
        cells.push_back(total.cells);
    const Layout layout = fit(cells, frame.report != nullptr, view.drivers, size.columns);
    lines.push_back({header_text(layout), Style::header});
    for (std::size_t i = 0; i < count; ++i) {
        const PoolmonRow& row = rows[first + i];
        lines.push_back(
            {row_text(row.key.tag.text(), hunt::to_text(row.key.kind), cells[i], verdict_text(row), row.driver, layout),
             style_of(row, view)});
    }
    for (const Total& total : totals)
        lines.push_back({row_text("Sum", total.type, total.cells, "", "", layout), Style::plain});
    if (!frame.notice.empty()) lines.push_back({" " + frame.notice, Style::notice});
    if (lines.size() > size.rows) lines.resize(size.rows);
    for (ScreenLine& line : lines)
        line.text = terminal_text(clipped(std::move(line.text), size.columns)); // tag lists and notices hold anything
    return lines;
}

namespace {

std::string whole_table(const PoolmonFrame& frame, const PoolmonView& view, bool changes, bool verdict) {
    const std::vector<PoolmonRow> rows = poolmon_rows(frame, view);
    std::vector<Cells> cells;
    for (const PoolmonRow& row : rows)
        cells.push_back(cells_of(row));
    std::vector<Total> totals = totals_of(rows, view);
    for (const Total& total : totals)
        cells.push_back(total.cells);
    Layout layout = classic(needed_widths(cells), changes ? classic_widths : file_widths, changes);
    layout.verdict = verdict;
    layout.driver = view.drivers ? std::string::npos : 0;
    std::string text = header_text(layout) + "\n";
    if (!changes) text += "\n";
    for (std::size_t i = 0; i < rows.size(); ++i)
        text += row_text(rows[i].key.tag.text(), hunt::to_text(rows[i].key.kind), cells[i], verdict_text(rows[i]),
                         rows[i].driver, layout) +
                "\n";
    for (const Total& total : totals)
        text += row_text("Sum", total.type, total.cells, "", "", layout) + "\n";
    return text;
}

} // namespace

std::string poolmon_text(const PoolmonFrame& frame, const PoolmonView& view) {
    std::string text;
    for (const std::string& line : memory_lines(*frame.now))
        text += line + "\n";
    text += title_text(frame, 0) + "\n";
    return text + whole_table(frame, view, true, frame.report != nullptr);
}

std::string poolmon_snapshot_text(const PoolmonFrame& frame, const PoolmonView& view) {
    std::string text;
    for (const std::string& line : memory_lines(*frame.now))
        text += line + "\n";
    return text + "\n" + whole_table(frame, view, false, false);
}

} // namespace poolkd::render

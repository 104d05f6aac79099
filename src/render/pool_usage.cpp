#include "render/pool_usage.h"

#include "render/coverage.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

namespace poolkd::render {

namespace {

bool holds_something(const pool::PoolCounts& counts) {
    return counts.outstanding() != 0 || counts.bytes != 0;
}

/// Tags in byte order of their text, as kd lists them.
bool tag_before(const pool::TagUsage& a, const pool::TagUsage& b) {
    return __builtin_bswap32(a.tag.value) < __builtin_bswap32(b.tag.value);
}

std::string_view heading(UsageSort sort) {
    switch (sort) {
    case UsageSort::nonpaged_bytes: return "   Sorting by NonPaged Pool Consumed";
    case UsageSort::paged_bytes: return "   Sorting by Paged Pool Consumed";
    case UsageSort::tag: break;
    }
    return "   Sorting by  Tag";
}

pool::TagUsage total_of(const std::vector<pool::TagUsage>& rows) {
    pool::TagUsage total;
    auto add = [](pool::PoolCounts& sum, const pool::PoolCounts& part) {
        sum.allocs += part.allocs;
        sum.frees += part.frees;
        sum.bytes += part.bytes;
    };
    for (const pool::TagUsage& row : rows) {
        add(total.nonpaged, row.nonpaged);
        add(total.paged, row.paged);
    }
    return total;
}

std::vector<std::string> cells(const pool::PoolCounts& counts, bool verbose) {
    std::vector<std::string> texts;
    if (verbose) {
        texts.push_back(fmt::to_string(counts.allocs));
        texts.push_back(fmt::to_string(counts.frees));
    }
    texts.push_back(fmt::to_string(counts.outstanding()));
    texts.push_back(fmt::to_string(counts.bytes));
    return texts;
}

nlohmann::json pool_counts_json(const pool::PoolCounts& counts) {
    return {{"allocs", counts.allocs},
            {"frees", counts.frees},
            {"outstanding", counts.outstanding()},
            {"bytes", counts.bytes}};
}

/// The classic table: the first row's cells decide nothing, every column is as wide as its widest number, at least 8.
class Columns {
  public:
    explicit Columns(std::size_t count) : widths_(count, 8) {}
    void fit(const std::vector<std::string>& row) {
        for (std::size_t i = 0; i < row.size(); ++i)
            widths_[i] = std::max(widths_[i], row[i].size());
    }
    [[nodiscard]] std::string line(std::string_view tag, const std::vector<std::string>& row) const {
        std::string text = fmt::format(" {:<{}}", tag, tag_width - 1);
        for (std::size_t i = 0; i < row.size(); ++i)
            text += fmt::format("{}{:>{}}", i == 0 ? "" : i == row.size() / 2 ? "  " : " ", row[i], widths_[i]);
        return text;
    }
    /// "NonPaged" and "Paged" over the first two columns of each half, where kd has them.
    [[nodiscard]] std::string pool_names() const {
        const std::size_t half = widths_.size() / 2;
        std::size_t paged_column = tag_width + 1;
        for (std::size_t i = 0; i < half; ++i)
            paged_column += widths_[i] + 1;
        const std::size_t nonpaged_end = tag_width + widths_[0] + 6;
        return fmt::format("{:>{}}{:>{}}", "NonPaged", nonpaged_end, "Paged",
                           paged_column + widths_[half] + 4 - nonpaged_end);
    }

  private:
    static constexpr std::size_t tag_width = 6; ///< a blank, the tag, a blank
    std::vector<std::size_t> widths_;
};

} // namespace

std::vector<pool::TagUsage> select_usage(const pool::UsageTable& table, const UsageView& view) {
    std::vector<pool::TagUsage> rows;
    for (const pool::TagUsage& usage : table.tags) {
        if (!view.tag_pattern.empty() && !tag_matches(usage.tag, view.tag_pattern)) continue;
        const bool keep = view.verbose ? usage.nonpaged.touched() || usage.paged.touched()
                                       : holds_something(usage.nonpaged) || holds_something(usage.paged);
        if (keep) rows.push_back(usage);
    }
    std::ranges::sort(rows, [&](const pool::TagUsage& a, const pool::TagUsage& b) {
        if (view.sort == UsageSort::nonpaged_bytes && a.nonpaged.bytes != b.nonpaged.bytes)
            return a.nonpaged.bytes > b.nonpaged.bytes;
        if (view.sort == UsageSort::paged_bytes && a.paged.bytes != b.paged.bytes) return a.paged.bytes > b.paged.bytes;
        return tag_before(a, b);
    });
    return rows;
}

std::string usage_text(const Answer<pool::UsageTable>& usage, const UsageView& view) {
    std::vector<pool::TagUsage> rows = select_usage(usage.value, view);
    const pool::TagUsage total = total_of(rows);
    const std::size_t all = rows.size();
    if (view.rows != 0 && rows.size() > view.rows) rows.resize(view.rows);

    auto row_cells = [&](const pool::TagUsage& row) {
        std::vector<std::string> texts = cells(row.nonpaged, view.verbose);
        std::ranges::copy(cells(row.paged, view.verbose), std::back_inserter(texts));
        return texts;
    };
    const std::vector<std::string> names =
        view.verbose ? std::vector<std::string>{"Allocs", "Frees", "Diff", "Used", "Allocs", "Frees", "Diff", "Used"}
                     : std::vector<std::string>{"Allocs", "Used", "Allocs", "Used"};
    Columns columns(names.size());
    for (const pool::TagUsage& row : rows)
        columns.fit(row_cells(row));
    columns.fit(row_cells(total));

    std::string text = usage.value.inferred.empty() ? "" : usage.value.inferred + "\n\n";
    text += fmt::format("{}\n\n  Pool Used:\n{}\n{}\n", heading(view.sort), columns.pool_names(),
                        columns.line("Tag", names));
    for (const pool::TagUsage& row : rows)
        text += columns.line(row.tag.text(), row_cells(row)) +
                (row.overflow ? " tags that found no room in the kernel's tables" : "") + "\n";
    if (all == 0 && !view.tag_pattern.empty())
        text += fmt::format(" No tag in use matches '{}' (case matters).\n", view.tag_pattern);
    if (rows.size() < all) text += fmt::format(" ... {} more tags; TOTAL counts them too\n", all - rows.size());
    text += columns.line("TOTAL", row_cells(total)) + "\n";
    if (!usage.coverage.complete()) text += usage.coverage.sentence() + "\n";
    return text;
}

nlohmann::json usage_json(const Answer<pool::UsageTable>& usage, const UsageView& view) {
    std::vector<pool::TagUsage> rows = select_usage(usage.value, view);
    const pool::TagUsage total = total_of(rows);
    nlohmann::json json{
        {"tags_total", rows.size()}, {"table_bytes", usage.value.table_bytes}, {"coverage", to_json(usage.coverage)}};
    if (!usage.value.inferred.empty()) json["inferred"] = usage.value.inferred;
    if (view.rows != 0 && rows.size() > view.rows) rows.resize(view.rows);
    json["total"] = {{"nonpaged", pool_counts_json(total.nonpaged)}, {"paged", pool_counts_json(total.paged)}};
    json["tags"] = nlohmann::json::array();
    for (const pool::TagUsage& row : rows)
        json["tags"].push_back({{"tag", row.tag.text()},
                                {"value", row.tag.value},
                                {"nonpaged", pool_counts_json(row.nonpaged)},
                                {"paged", pool_counts_json(row.paged)},
                                {"overflow", row.overflow}});
    return json;
}

} // namespace poolkd::render

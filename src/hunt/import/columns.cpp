#include "hunt/import/columns.h"

#include "base/text.h"
#include "hunt/import/numbers.h"

#include <algorithm>
#include <charconv>

namespace poolkd::hunt::import {

namespace {

/// Lower case letters and digits only.
std::string plain(std::string_view name) {
    std::string out;
    for (char c : name.substr(0, 64)) {
        const char lower = to_lower(c);
        if ((lower >= 'a' && lower <= 'z') || (lower >= '0' && lower <= '9')) out += lower;
    }
    return out;
}

bool any_of(std::string_view name, std::initializer_list<std::string_view> names) {
    return std::ranges::find(names, name) != names.end();
}

/// The four counters, as columns of a pool or of the row.
enum class Counter { none, allocs, frees, bytes, outstanding };

Counter counter_named(std::string_view name) {
    if (any_of(name, {"allocs", "alloc", "allocations", "alloccount", "allocscount", "allocationcount"}))
        return Counter::allocs;
    if (any_of(name, {"frees", "free", "freed", "freecount", "freescount"})) return Counter::frees;
    if (any_of(name, {"bytes", "used", "inuse", "usedbytes", "bytesused", "bytesinuse", "size", "sizebytes"}))
        return Counter::bytes;
    if (any_of(name, {"diff", "difference", "outstanding", "current", "blocks", "count"})) return Counter::outstanding;
    return Counter::none;
}

Column offset(Column first, Counter counter) {
    return static_cast<Column>(static_cast<int>(first) + static_cast<int>(counter) - static_cast<int>(Counter::allocs));
}

/// The unit that a name ends with, which is taken off: "sizekb", "usedmib".
std::int64_t take_unit(std::string_view& name) {
    for (auto [suffix, unit] : {std::pair{"kb", 10}, std::pair{"kib", 10}, std::pair{"kilobytes", 10},
                                std::pair{"mb", 20}, std::pair{"mib", 20}, std::pair{"megabytes", 20},
                                std::pair{"gb", 30}, std::pair{"gib", 30}, std::pair{"gigabytes", 30}})
        if (name.ends_with(suffix)) {
            name.remove_suffix(std::string_view(suffix).size());
            return std::int64_t{1} << unit;
        }
    return 1;
}

bool holds_bytes(Column column) {
    return column == Column::bytes || column == Column::paged_bytes || column == Column::nonpaged_bytes;
}

Column column_of_plain(std::string_view rest) {
    if (any_of(rest, {"time", "timestamp", "date", "datetime", "when", "timeutc", "utc", "timegenerated"}))
        return Column::time;
    if (any_of(rest, {"machine", "machinename", "host", "hostname", "computer", "computername", "pscomputername"}))
        return Column::machine;
    if (any_of(rest, {"uptime", "uptimeseconds", "uptimes"})) return Column::uptime;
    if (any_of(rest, {"tag", "pooltag", "tagname"})) return Column::tag;
    if (any_of(rest, {"tagulong", "tagvalue"})) return Column::tag_value;
    if (any_of(rest, {"type", "pool", "pooltype", "kind", "poolkind"})) return Column::kind;
    if (Counter counter = counter_named(rest); counter != Counter::none) return offset(Column::allocs, counter);
    for (auto [prefix, first] : {std::pair{"nonpaged", Column::nonpaged_allocs},
                                 std::pair{"nonp", Column::nonpaged_allocs}, std::pair{"paged", Column::paged_allocs}})
        if (rest.starts_with(prefix)) {
            std::string_view counted = rest.substr(std::string_view(prefix).size());
            if (counted.starts_with("pool")) counted.remove_prefix(4);
            if (Counter counter = counter_named(counted); counter != Counter::none) return offset(first, counter);
        }
    return Column::none;
}

} // namespace

NamedColumn column_named(std::string_view name) {
    const std::string text = plain(name);
    if (const Column column = column_of_plain(text); column != Column::none) return {.column = column};
    std::string_view rest = text;
    const std::int64_t unit = take_unit(rest);
    if (unit == 1) return {};
    const Column column = column_of_plain(rest);
    return holds_bytes(column) ? NamedColumn{.column = column, .unit = unit} : NamedColumn{};
}

std::optional<PoolKind> pool_kind_named(std::string_view name) {
    name = trim(name);
    // What nearly every row has, without the copy that the odd ones cost.
    if (name == "Nonp") return PoolKind::nonpaged;
    if (name == "Paged") return PoolKind::paged;
    const std::string text = plain(name);
    if (any_of(text, {"nonp", "nonpaged", "np", "n", "nonpagedpool", "nonpagedpoolnx", "nonpagednx", "0", "512"}))
        return PoolKind::nonpaged;
    if (any_of(text, {"paged", "page", "p", "pagedpool", "1"})) return PoolKind::paged;
    return std::nullopt;
}

std::optional<PoolTag> tag_named(std::string_view text, bool exact) {
    if (text.size() == 4 || (exact && !text.empty() && text.size() < 4)) return PoolTag::from_text(text)->bare();
    text = trim(text);
    if (auto tag = PoolTag::from_text(text)) return tag->bare();
    // Bytes beyond ASCII as UTF-8: fold them to one byte a character.
    std::string narrow;
    for (std::size_t i = 0; i < text.size() && narrow.size() <= 4; ++i) {
        const auto c = static_cast<unsigned char>(text[i]);
        if ((c == 0xc2 || c == 0xc3) && i + 1 < text.size()) {
            narrow += static_cast<char>((c & 3u) << 6 | (static_cast<unsigned char>(text[++i]) & 0x3fu));
        } else {
            narrow += text[i];
        }
    }
    if (narrow.size() < text.size())
        if (auto tag = PoolTag::from_text(narrow)) return tag->bare();
    const auto number = whole_number(text);
    if (!number || *number < 0 || *number > UINT32_MAX) return std::nullopt;
    return PoolTag(static_cast<std::uint32_t>(*number)).bare();
}

bool RowForm::any(const Counters& counters) {
    return counters.bytes != Column::none || usable(counters);
}

bool RowForm::usable(const Counters& counters) {
    return counters.allocs != Column::none || counters.outstanding != Column::none;
}

Result<RowForm> RowForm::of(const std::array<bool, column_count>& present) {
    auto has = [&](Column column) { return present[static_cast<std::size_t>(column)]; };
    auto counters = [&](Column first) {
        auto one = [&](Counter counter) { return has(offset(first, counter)) ? offset(first, counter) : Column::none; };
        return Counters{.allocs = one(Counter::allocs),
                        .frees = one(Counter::frees),
                        .bytes = one(Counter::bytes),
                        .outstanding = one(Counter::outstanding)};
    };
    constexpr std::string_view no_blocks = "it tells bytes but no blocks; a column of allocations ('allocs') or of "
                                           "blocks in use ('diff', 'outstanding', 'blocks') is missing";
    RowForm form;
    form.single_ = counters(Column::allocs);
    form.nonpaged_ = counters(Column::nonpaged_allocs);
    form.paged_ = counters(Column::paged_allocs);
    form.tag_value_ = has(Column::tag_value);
    if (!has(Column::tag) && !has(Column::tag_value)) return fail(ErrorKind::malformed, "no column is named 'tag'");
    form.wide_ = any(form.nonpaged_) || any(form.paged_);
    if (form.wide_) {
        for (const Counters* half : {&form.nonpaged_, &form.paged_})
            if (any(*half) && !usable(*half)) return fail(ErrorKind::malformed, "{}", no_blocks);
        return form;
    }
    if (!any(form.single_)) return fail(ErrorKind::malformed, "no column is named 'bytes', 'allocs' or 'outstanding'");
    if (!has(Column::kind))
        return fail(ErrorKind::malformed, "no column named 'type' says whether a row is of nonpaged or paged pool");
    if (!usable(form.single_)) return fail(ErrorKind::malformed, "{}", no_blocks);
    return form;
}

bool RowForm::empty(const FlatRow& row, const Counters& from) {
    return std::ranges::all_of(std::array{from.allocs, from.frees, from.bytes, from.outstanding},
                               [&](Column column) { return column == Column::none || trim(row[column]).empty(); });
}

bool RowForm::read_counters(const FlatRow& row, const Counters& from, TagCounts& out, bool& activity) {
    bool good = true;
    // An empty field is as a column that there is not. Nothing is made up for it.
    auto number = [&](Column column) -> std::optional<std::uint64_t> {
        if (column == Column::none || trim(row[column]).empty()) return std::nullopt;
        const auto value = counter(row[column], row.decimal_comma);
        if (!value) good = false;
        return value;
    };
    out.bytes = 0;
    if (from.bytes != Column::none) {
        const auto bytes =
            scaled_number(row[from.bytes], row.unit[static_cast<std::size_t>(from.bytes)], row.decimal_comma);
        if (!bytes) return false;
        out.bytes = *bytes;
    }
    const auto allocs = number(from.allocs), frees = number(from.frees), outstanding = number(from.outstanding);
    if (!good) return false;
    activity = true;
    if (allocs && frees) {
        out.allocs = *allocs;
        out.frees = *frees;
    } else if (allocs && outstanding) {
        if (*outstanding > *allocs) return false;
        out.allocs = *allocs;
        out.frees = *allocs - *outstanding;
    } else if (frees && outstanding) {
        if (*outstanding > INT64_MAX) return false;
        out.allocs = *frees + *outstanding;
        out.frees = *frees;
    } else if (allocs || outstanding) {
        activity = false;
        out.allocs = outstanding ? *outstanding : *allocs;
        out.frees = 0;
    } else {
        return false;
    }
    return true;
}

bool RowForm::read(const FlatRow& row, std::vector<TagCounts>& out, bool& activity) const {
    std::optional<PoolTag> tag;
    if (tag_value_)
        if (auto value = whole_number(row[Column::tag_value]); value && *value >= INT32_MIN && *value <= UINT32_MAX)
            tag = PoolTag(static_cast<std::uint32_t>(*value)).bare();
    if (!tag) tag = tag_named(row[Column::tag], row.tag_exact);
    if (!tag) return false;

    TagCounts counts;
    if (!wide_) {
        const auto kind = pool_kind_named(row[Column::kind]);
        if (!kind) return false;
        counts.key = {*tag, *kind};
        if (!read_counters(row, single_, counts, activity)) return false;
        out.push_back(counts);
        return true;
    }
    const std::size_t had = out.size();
    bool all_active = true, any_read = false;
    for (auto [kind, from] : {std::pair{PoolKind::nonpaged, &nonpaged_}, std::pair{PoolKind::paged, &paged_}}) {
        counts.key = {*tag, kind};
        if (!usable(*from) || empty(row, *from)) continue;
        bool active = true;
        if (!read_counters(row, *from, counts, active)) {
            out.resize(had);
            return false;
        }
        any_read = true;
        all_active = all_active && active;
        // Most tags use one pool only; the other half of their row says nothing.
        if (counts.allocs != 0 || counts.frees != 0 || counts.bytes != 0) out.push_back(counts);
    }
    activity = all_active;
    return any_read;
}

} // namespace poolkd::hunt::import

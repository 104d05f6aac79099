#include "hunt/hunt_suspects.h"

#include "base/tag_text.h"
#include "hunt/hunt_code.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

namespace poolkd::hunt {

namespace {

constexpr std::size_t most_orphans = 8;
constexpr std::int64_t few_orphans = 2; ///< blocks

void add_suspect(HuntReport& report, std::size_t row) {
    Suspect suspect;
    suspect.row = row;
    suspect.blocks_counted =
        static_cast<std::uint64_t>(std::max<std::int64_t>(0, report.verdict.rows[row].figures.blocks));
    report.suspects.push_back(std::move(suspect));
}

bool never_freed_so_far(const TagVerdict& row) {
    constexpr std::int64_t many = 200; // blocks
    return row.verdict == Verdict::undecided && row.figures.samples == 1 && row.figures.blocks >= many &&
           row.figures.freed_share.value_or(1) < 0.05;
}

void take_the_one_asked_for(HuntReport& report, PoolTag tag) {
    for (std::size_t i = 0; i < report.verdict.rows.size(); ++i)
        if (report.verdict.rows[i].key.tag == tag.bare()) add_suspect(report, i);
    report.tag_missing = report.suspects.empty();
    if (report.tag_missing)
        report.not_visible.push_back(fmt::format("The counters do not have the tag '{}'", typed_tag(tag)));
}

} // namespace

void choose_suspects(HuntState& hunt) {
    HuntReport& report = hunt.report;
    const HuntOptions& options = hunt.input.options;
    const std::vector<TagVerdict>& rows = report.verdict.rows;
    if (options.tag) return take_the_one_asked_for(report, *options.tag);
    for (std::size_t i = 0; i < rows.size() && report.suspects.size() < options.top; ++i)
        if (rows[i].verdict == Verdict::leaking || rows[i].verdict == Verdict::growing) add_suspect(report, i);
    // One snapshot has no growth to go by: what was never freed since boot is worth a look.
    for (std::size_t i = 0; i < rows.size() && report.suspects.size() < options.top; ++i)
        if (never_freed_so_far(rows[i])) add_suspect(report, i);
    const auto leaking = static_cast<std::size_t>(std::ranges::count(rows, Verdict::leaking, &TagVerdict::verdict));
    if (leaking > report.suspects.size())
        report.not_visible.push_back(fmt::format("{} more leaking tags were not looked into (--top {})",
                                                 leaking - report.suspects.size(), leaking));
}

void add_orphans(HuntState& hunt) {
    HuntReport& report = hunt.report;
    if (hunt.input.options.tag || hunt.input.kernel->modules().unloaded().empty()) return;
    for (const ClueModule& module : hunt.modules)
        if (!module.unloaded && !module.index) return; // it may be that one's
    std::vector<std::size_t> rows;
    for (std::size_t i = 0; i < report.verdict.rows.size(); ++i) {
        const TagVerdict& row = report.verdict.rows[i];
        if (row.figures.blocks < few_orphans || in_code(hunt.modules, row.key.tag)) continue;
        const auto known = std::ranges::find(report.suspects, i, &Suspect::row);
        if (known != report.suspects.end()) {
            known->orphaned = true;
        } else {
            rows.push_back(i);
        }
    }
    std::ranges::stable_sort(rows, std::greater{}, [&](std::size_t i) { return report.verdict.rows[i].figures.bytes; });
    for (std::size_t i = 0; i < rows.size() && i < most_orphans; ++i) {
        add_suspect(report, rows[i]);
        report.suspects.back().orphaned = true;
    }
}

std::size_t drop_unproven_orphans(HuntState& hunt) {
    return std::erase_if(hunt.report.suspects, [&](Suspect& suspect) {
        if (!suspect.orphaned) return false;
        const bool proven = !suspect.owners.empty() && suspect.owners.front().unloaded &&
                            suspect.owners.front().confidence >= SuspectSite::accusing;
        const Verdict verdict = hunt.row_of(suspect).verdict;
        if (!proven) suspect.orphaned = false;
        return !proven && verdict != Verdict::leaking && verdict != Verdict::growing;
    });
}

double confidence_in(const HuntState& hunt, const Suspect& suspect) {
    constexpr double in_orphans = 0.9; // what nobody can free is lost, growing or not
    constexpr double unproven = 0.25;  // that what is only not freed yet is a leak
    const TagVerdict& row = hunt.row_of(suspect);
    const double sure = suspect.orphaned                    ? std::max(in_orphans, row.confidence)
                        : row.verdict == Verdict::undecided ? unproven
                                                            : row.confidence;
    // Whose the site is, is the owner; without a site it is the owner alone.
    if (!suspect.sites.empty() && suspect.sites.front().accused()) return sure * suspect.sites.front().confidence;
    // Without an owner to name, only the tag is told.
    const bool named = !suspect.owners.empty() && suspect.owners.front().confidence >= SuspectSite::accusing;
    return named ? sure * suspect.owners.front().confidence : sure;
}

void order_suspects(HuntReport& report) {
    auto rank = [&](const Suspect& suspect) {
        const TagVerdict& row = report.verdict.rows[suspect.row];
        const bool leads = row.group && report.verdict.groups[*row.group].members.front().row == suspect.row;
        const int kind = row.verdict == Verdict::leaking ? (leads || !row.group ? 0 : 1) : suspect.orphaned ? 2 : 3;
        const bool named = !suspect.owners.empty() && suspect.owners.front().confidence >= SuspectSite::accusing;
        // Without times the whole gain stands for the pace; what does not grow is as large as it is.
        const double pace = row.figures.bytes_per_hour.value_or(static_cast<double>(row.figures.bytes_gained));
        return std::tuple(kind, !named, kind == 2 ? 0.0 : -std::max(0.0, pace), -static_cast<double>(row.figures.bytes),
                          suspect.row);
    };
    std::ranges::stable_sort(report.suspects, {}, rank);
}

} // namespace poolkd::hunt

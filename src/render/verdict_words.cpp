#include "render/verdict_words.h"

#include "render/evidence_head.h"
#include "render/quantity.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

namespace poolkd::render {

namespace {

using hunt::TagVerdict;
using hunt::Verdict;

constexpr std::size_t named_members = 6;
constexpr std::size_t few_snapshots = 3;

char to_upper(char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
}

std::string_view plural(std::size_t count) {
    return count == 1 ? "" : "s";
}

/// "(wcifs.sys, filter context)", with a blank before it; empty when nothing is known.
std::string what_it_is(const TagVerdict& row) {
    if (row.binary.empty() && row.description.empty()) return {};
    if (row.binary.empty() || row.description.empty()) return fmt::format(" ({}{})", row.binary, row.description);
    return fmt::format(" ({}, {})", row.binary, row.description);
}

std::string ratio_text(double ratio) {
    const double whole = std::round(ratio);
    return whole >= 1 && std::abs(ratio - whole) <= 0.03 * whole ? fmt::format("{:.0f}", whole)
                                                                 : fmt::format("{:.2g}", ratio);
}

/// "It holds 1.2 GB (34 % of its pool), gained 300 MB in this time and goes on by 10.0 MB an hour; …"
std::string figures_sentence(const TagVerdict& row) {
    const hunt::Figures& figures = row.figures;
    std::string text = fmt::format("It holds {}", size_text(static_cast<double>(figures.bytes)));
    if (figures.share && *figures.share >= 0.005) text += fmt::format(", {} of its pool", percent_text(*figures.share));
    if (figures.samples >= 2 && figures.bytes_gained > 0)
        text += fmt::format(", and gained {} in this evidence", size_text(static_cast<double>(figures.bytes_gained)));
    if (figures.bytes_per_hour && *figures.bytes_per_hour > 0)
        text += fmt::format(", {} an hour{}", size_text(*figures.bytes_per_hour),
                            figures.samples >= 2 ? "" : " on average since boot");
    text += ".";
    if (figures.exhausted_hours)
        text += fmt::format(" At this pace memory for it lasts {}.", hours_text(*figures.exhausted_hours));
    return text;
}

/// Leaks (or growths): a group counts once.
std::size_t separate(const hunt::Report& report, Verdict verdict) {
    std::size_t alone = 0;
    std::set<std::size_t> groups;
    for (const TagVerdict& row : report.rows) {
        if (row.verdict != verdict) continue;
        if (row.group) {
            groups.insert(*row.group);
        } else {
            ++alone;
        }
    }
    return alone + groups.size();
}

std::string suspect_headline(const hunt::Report& report, const TagVerdict& first) {
    const TagVerdict& suspect = *owner_of(report, first);
    const std::string name = tag_word(suspect.key.tag) + what_it_is(suspect);
    const std::string pool(pool_word(suspect.key.kind));
    const std::string sure = percent_text(first.confidence);
    const std::size_t others = separate(report, first.verdict) - 1;
    std::string text;
    if (first.verdict == Verdict::leaking) {
        text = fmt::format("LEAK: {} leaks {} pool{}, confidence {}. ", name, pool,
                           suspect.group ? ", and other tags grow with it" : "", sure);
        text += figures_sentence(suspect);
        if (others != 0) text += fmt::format(" {} other leak{} below.", others, others == 1 ? " is" : "s are");
        return text;
    }
    if (first.figures.samples < 2)
        return fmt::format("No leak is proven: one snapshot tells no growth. Look at {} in {} pool first. ", name,
                           pool) +
               figures_sentence(suspect);
    text =
        fmt::format("No leak is proven. {} in {} pool grows, confidence {}, and it cannot be told yet whether that is "
                    "a leak, a load or a cache. ",
                    name, pool, sure);
    text += figures_sentence(suspect);
    if (others != 0) text += fmt::format(" {} other{} below.", others, others == 1 ? " grows too," : "s grow too,");
    return text;
}

} // namespace

const TagVerdict* owner_of(const hunt::Report& report, const TagVerdict& row) {
    if (row.group) return &report.rows[report.groups[*row.group].members.front().row];
    return row.verdict == Verdict::leaking || row.verdict == Verdict::growing ? &row : nullptr;
}

std::string headline(const hunt::Report& report) {
    if (report.rows.empty()) return "It cannot be told whether something leaks: the evidence holds no tags.";
    for (Verdict verdict : {Verdict::leaking, Verdict::growing})
        if (auto found = std::ranges::find(report.rows, verdict, &TagVerdict::verdict); found != report.rows.end())
            return suspect_headline(report, *found);
    const auto undecided =
        static_cast<std::size_t>(std::ranges::count(report.rows, Verdict::undecided, &TagVerdict::verdict));
    const std::size_t all = report.rows.size();
    if (2 * undecided >= all && report.restarts != 0)
        return fmt::format("It cannot be told whether something leaks: {} restart{} cut the {} snapshots into pieces "
                           "that are too short.",
                           report.restarts, plural(report.restarts), report.snapshots);
    if (2 * undecided >= all)
        return fmt::format("It cannot be told whether something leaks: {} {} no course over time.",
                           report.snapshots == 1 ? "one snapshot" : fmt::format("{} snapshots", report.snapshots),
                           report.snapshots == 1 ? "has" : "have");
    std::string text = fmt::format("Nothing leaks as far as this evidence tells: of {} tag{} none grows to stay",
                                   count_text(static_cast<std::int64_t>(all)), plural(all));
    if (const auto hours = span_hours(report); hours && report.snapshots > 1) text += " within " + hours_text(*hours);
    text += ".";
    if (undecided != 0) text += fmt::format(" {} cannot be told.", undecided);
    if (!report.whole) text += " The evidence does not list all tags: one that it leaves out may leak.";
    if (report.snapshots < few_snapshots) text += " Few snapshots see fast leaks only.";
    return text;
}

std::string group_text(const hunt::Report& report, const hunt::LeakGroup& group) {
    std::string names, ratios;
    for (std::size_t i = 0; i < group.members.size() && i < named_members; ++i) {
        const hunt::LeakGroup::Member& member = group.members[i];
        names += (i != 0 ? " + " : "") + tag_word(report.rows[member.row].key.tag);
        ratios += (i != 0 ? " : " : "") + ratio_text(member.ratio);
    }
    if (group.members.size() > named_members) {
        names += fmt::format(" and {} more", group.members.size() - named_members);
        ratios += " : ...";
    }
    const hunt::LeakGroup::Member& first = group.members.front();
    const TagVerdict& owner = report.rows[first.row];
    std::string known = owner.binary;
    if (!first.layer.empty()) known += (known.empty() ? "" : ", ") + first.layer;
    std::string text =
        fmt::format("{}: {} grow in {}, {} together", owner.verdict == Verdict::leaking ? "One leak" : "One growth",
                    names, ratios, size_text(static_cast<double>(group.bytes)));
    if (group.bytes_per_hour && *group.bytes_per_hour > 0)
        text += fmt::format(", {} an hour", size_text(*group.bytes_per_hour));
    text += fmt::format(". Likely owner: {}{}, confidence {}", tag_word(owner.key.tag),
                        known.empty() ? "" : " (" + known + ")", percent_text(group.confidence));
    if (!group.reason.empty()) text += fmt::format(". {}{}", to_upper(group.reason.front()), group.reason.substr(1));
    return text + (text.ends_with('.') ? "" : ".");
}

} // namespace poolkd::render

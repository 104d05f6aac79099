#include "hunt/hunt_words.h"

#include "hunt/doubts.h"
#include "hunt/words.h"

#include <fmt/format.h>

#include <algorithm>

namespace poolkd::hunt {

namespace {

/// "leaky!LeakyBuildReport", "nopdb+0x1210"
std::string routine_of(const SuspectSite& site) {
    return site.site.function.empty() ? fmt::format("{}+{:#x}", site.module, site.site.rva)
                                      : fmt::format("{}!{}", site.module, site.site.function);
}

std::vector<const SuspectSite*> sites_named(const Suspect& suspect) {
    std::vector<const SuspectSite*> named;
    for (const SuspectSite& site : suspect.sites)
        if (site.accused()) named.push_back(&site);
    return named;
}

std::string from_where(const Suspect& suspect) {
    constexpr std::size_t shown = 3;
    std::vector<std::string> names;
    for (const SuspectSite* site : sites_named(suspect))
        names.push_back(routine_of(*site));
    if (names.empty()) return {};
    if (names.size() == 1 || names.size() > shown) return " from " + names_text(names, shown);
    const std::string last = std::move(names.back());
    names.pop_back();
    return " from " + names_text(names, shown) + " and " + last;
}

bool is_leak(const TagVerdict& row, const Suspect& suspect) {
    return row.verdict == Verdict::leaking || suspect.orphaned;
}

std::string_view verb_of(Verdict verdict) {
    switch (verdict) {
    case Verdict::leaking: return "leaks";
    case Verdict::growing: return "grows in";
    case Verdict::undecided: return "keeps what it allocates in";
    case Verdict::flat:
    case Verdict::sawtooth:
    case Verdict::falling: break;
    }
    return "lies in";
}

/// "Abc  leaks paged pool from leaky!LeakyBuildReport (leaky.sys)"
std::string claim_of(const TagVerdict& row, const Suspect& suspect) {
    std::string text =
        fmt::format("{} {} {} pool", tag_word(row.key.tag),
                    suspect.orphaned ? "lies orphaned in" : verb_of(row.verdict), pool_word(row.key.kind));
    text += from_where(suspect);
    const SuspectOwner* owner = owner_named(suspect);
    if (owner) {
        text += owner->unloaded ? fmt::format("; it was {}, which is unloaded", owner->image)
                                : fmt::format(" ({})", owner->image);
    } else {
        text += "; whose it is cannot be told";
    }
    return text;
}

void add_alternatives(HuntReport& report) {
    for (const Suspect& suspect : report.suspects) {
        const TagVerdict& row = report.verdict.rows[suspect.row];
        const std::string tag = tag_word(row.key.tag);
        if (row.verdict == Verdict::undecided)
            report.alternatives.push_back(fmt::format(
                "{} may be what its driver needs for good: that it was never freed since boot proves no leak", tag));
        if (row.verdict == Verdict::growing)
            report.alternatives.push_back(
                fmt::format("{} may be a load or a cache that still fills: {}", tag,
                            row.reasons.empty() ? "its growth proves no leak" : row.reasons.front()));
        if (row.group && sites_named(suspect).empty()) {
            const LeakGroup& group = report.verdict.groups[*row.group];
            const TagVerdict& first = report.verdict.rows[group.members.front().row];
            if (first.key != row.key)
                report.alternatives.push_back(fmt::format(
                    "{} grows in a fixed ratio to {}: it may be a consequence of that leak and not one of its own", tag,
                    tag_word(first.key.tag)));
        }
        if (suspect.owners.size() > 1 && suspect.owners[1].confidence >= 0.1)
            report.alternatives.push_back(fmt::format("{} may be of {} ({})", tag, suspect.owners[1].image,
                                                      percent(suspect.owners[1].confidence)));
    }
}

std::vector<Advice> steps_for(const HuntReport& report, const Suspect& suspect, bool live) {
    std::vector<Advice> steps;
    const TagKey& key = report.verdict.rows[suspect.row].key;
    const std::string tag = tag_argument_word(key.tag);
    const SuspectOwner* owner = owner_named(suspect);
    if (live && !suspect.orphaned) {
        steps.push_back({fmt::format("!hits {} /t 60s", tag),
                         "Watch the tag longer: each allocation and free, and which blocks stay, by stack"});
        if (suspect.sites.size() > 1)
            steps.push_back({fmt::format("!retag {}", tag),
                             "Give each call site a tag of its own; the kernel's counters then tell them apart at no "
                             "further cost"});
    }
    steps.push_back({fmt::format("!sites {}", tag), "Every place in the code that allocates or frees under the tag"});
    steps.push_back({fmt::format("!poolfind {} {}", tag, key.kind == PoolKind::paged ? 1 : 0),
                     "The blocks themselves; !pool and db show what is in them"});
    if (owner && !owner->unloaded && owner->image.ends_with(".sys"))
        steps.push_back({fmt::format("verifier /flags 0x8 /driver {}", owner->image),
                         "On the machine itself, then a restart: Driver Verifier counts each block by its caller, and "
                         "bug check 0xC4/0x62 names what is left when the driver unloads"});
    if (suspect.orphaned && owner)
        steps.push_back({fmt::format("sc stop {0} & sc start {0}", owner->image.substr(0, owner->image.find('.'))),
                         "On the machine itself: load and unload the driver again; each time leaves as many blocks "
                         "more"});
    return steps;
}

} // namespace

const SuspectOwner* owner_named(const Suspect& suspect) {
    if (suspect.owners.empty() || suspect.owners.front().confidence < SuspectSite::accusing) return nullptr;
    return &suspect.owners.front();
}

std::string conclusion_of(const HuntReport& report, const Suspect& suspect) {
    const TagVerdict& row = report.verdict.rows[suspect.row];
    std::string text = claim_of(row, suspect);
    text += fmt::format(", confidence {}.", percent(suspect.confidence));
    if (suspect.orphaned)
        text += fmt::format(" {} blocks are left, and nobody is there who could free them.", row.figures.blocks);
    return text;
}

void tell_report(HuntReport& report, bool live, bool has_kernel) {
    const auto leaks = std::ranges::count_if(
        report.suspects, [&](const Suspect& one) { return is_leak(report.verdict.rows[one.row], one); });
    if (report.suspects.empty()) {
        report.title = report.verdict.snapshots < 2
                           ? "Nothing stands out in this snapshot; one alone tells no growth."
                           : fmt::format("Nothing leaks as far as these {} snapshots tell.", report.verdict.snapshots);
    } else {
        const Suspect& first = report.suspects.front();
        report.title = (leaks != 0 ? "LEAK: " : "No leak is proven: ") +
                       claim_of(report.verdict.rows[first.row], first) +
                       fmt::format(", confidence {}.", percent(first.confidence));
        const auto others = leaks != 0 ? leaks - 1 : static_cast<std::ptrdiff_t>(report.suspects.size()) - 1;
        if (others > 0)
            report.title +=
                fmt::format(" {} other{} {} below.", others,
                            leaks != 0 ? (others == 1 ? " leak" : " leaks") : (others == 1 ? " tag" : " tags"),
                            others == 1 ? "is" : "are");
    }
    if (!has_kernel)
        report.not_visible.emplace_back("These are counters: they tell which tag leaks, not from where. A live target "
                                        "or an image of memory beside them does (poolkd hunt FILES -k CONNECTION)");
    else if (!live)
        report.not_visible.emplace_back("Nobody watched who allocates and who frees: an image is one moment");
    if (report.verdict.snapshots < 2)
        report.not_visible.emplace_back(
            "One snapshot has no course over time: what grows and what merely is large look "
            "alike, unless the counters since boot speak for themselves");
    add_alternatives(report);
    if (has_kernel) {
        for (Suspect& suspect : report.suspects)
            suspect.confirm = steps_for(report, suspect, live);
        if (!report.suspects.empty()) report.confirm = report.suspects.front().confirm;
    }
    for (const Advice& advice : report.verdict.advice)
        if (!has_kernel || advice.command.starts_with("poolkd")) report.confirm.push_back(advice);
}

} // namespace poolkd::hunt

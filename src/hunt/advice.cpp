#include "hunt/advice.h"

#include "hunt/words.h"

#include <fmt/format.h>

#include <algorithm>

namespace poolkd::hunt {

namespace {

constexpr std::size_t few = 8;

std::string hit_value(PoolTag tag) {
    return fmt::format("ed nt!poolhittag '{}'", tag.reversed().text());
}

} // namespace

std::vector<Advice> advise(const Report& report) {
    std::vector<Advice> advice;
    auto first_of = [&](Verdict verdict) -> const TagVerdict* {
        auto found = std::ranges::find(report.rows, verdict, &TagVerdict::verdict);
        return found == report.rows.end() ? nullptr : &*found;
    };
    const TagVerdict* leak = first_of(Verdict::leaking);
    if (leak && leak->group) leak = &report.rows[report.groups[*leak->group].members.front().row];
    if (report.snapshots < few) {
        advice.push_back({"poolkd record leak.series -k CONNECTION --every 30m --for 7d",
                          "A course over time tells a leak from a load: on a target with kernel debugging"});
        advice.push_back({"(date /t & time /t) > snap1.log & poolmon -n body.log & type body.log >> snap1.log",
                          "The same on the machine itself: one file every 30 minutes, for some days; then "
                          "poolkd verdict snap*.log"});
    } else if (!leak && first_of(Verdict::growing)) {
        advice.push_back({"poolkd record leak.series -k CONNECTION --every 30m --for 7d",
                          "More snapshots, over whole days and at least one night or weekend without load"});
        advice.push_back(
            {"", "Stop the load that is suspected and go on recording: a cache or a load falls back, a leak stays"});
    }
    if (!report.activity)
        advice.push_back(
            {"!poolused 1", "Take the verbose table: without allocations and frees the strongest sign is missing"});
    if (leak && leak->key.tag.printable()) {
        const bool paged = leak->key.kind == PoolKind::paged;
        advice.push_back({fmt::format("!poolfind {} {}", tag_argument_word(leak->key.tag), paged ? 1 : 0),
                          "In the debugger: the blocks themselves"});
        advice.push_back({hit_value(leak->key.tag),
                          "In the debugger: the kernel stops at each allocation and free of the tag; "
                          "k shows who asked"});
    }
    return advice;
}

} // namespace poolkd::hunt

#include "hunt/group_owners.h"

#include "base/text.h"
#include "hunt/advice.h"
#include "hunt/lockstep.h"

#include <map>

namespace poolkd::hunt {

namespace {

std::vector<LeakGroup> divided(const Report& report, const LeakGroup& group, const TagLists* tags,
                               const std::function<std::string(std::size_t row)>& owner_of) {
    auto layer = [&](const LeakGroup::Member& member) { return layer_of(report.rows[member.row].key.tag, tags); };
    auto image = [&](const LeakGroup::Member& member) { return to_lower(std::string_view(owner_of(member.row))); };
    const LeakGroup::Member& first = group.members.front();
    const unsigned height = layer(first).height;
    const std::string owner = image(first);
    std::map<std::string, std::vector<GroupPart>> others;
    std::vector<GroupPart> rest;
    for (const LeakGroup::Member& member : group.members) {
        const TagVerdict& row = report.rows[member.row];
        GroupPart part{member.row, member.ratio, layer(member), row.figures.bytes,
                       row.figures.bytes_per_hour.value_or(0)};
        const std::string whose = &member == &first || part.layer.height != height ? owner : image(member);
        (whose.empty() || whose == owner ? rest : others[whose]).push_back(std::move(part));
    }
    if (others.empty()) return {group};
    std::vector<LeakGroup> groups;
    if (rest.size() >= 2) groups.push_back(make_group(std::move(rest)));
    for (auto& [whose, parts] : others)
        if (parts.size() >= 2) groups.push_back(make_group(std::move(parts)));
    return groups;
}

} // namespace

void divide_groups(Report& report, const TagLists* tags, const std::function<std::string(std::size_t row)>& owner_of) {
    std::vector<LeakGroup> groups;
    for (const LeakGroup& group : report.groups)
        for (LeakGroup& part : divided(report, group, tags, owner_of))
            groups.push_back(std::move(part));
    report.groups = std::move(groups);
    for (TagVerdict& row : report.rows)
        row.group.reset();
    for (std::size_t g = 0; g < report.groups.size(); ++g)
        for (const LeakGroup::Member& member : report.groups[g].members)
            report.rows[member.row].group = g;
    report.advice = advise(report);
}

} // namespace poolkd::hunt

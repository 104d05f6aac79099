#include "hunt/group_owners.h"

#include <gmock/gmock.h>

#include <map>

namespace poolkd::hunt {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

using Names = std::vector<std::string>;

/// A report of one group of these tags; the first is its likely owner.
Report report_of(const Names& tags) {
    Report report;
    LeakGroup group;
    for (const std::string& tag : tags) {
        TagVerdict row;
        row.key.tag = *PoolTag::from_text(tag);
        row.verdict = Verdict::leaking;
        row.figures.bytes = 1000;
        row.figures.bytes_per_hour = 10;
        row.group = 0;
        report.rows.push_back(row);
        group.members.push_back({report.rows.size() - 1, static_cast<double>(report.rows.size()), ""});
    }
    group.bytes = 1000 * static_cast<std::int64_t>(tags.size());
    report.groups.push_back(group);
    return report;
}

std::vector<Names> divided(Report& report, const std::map<std::string, std::string>& owners) {
    divide_groups(report, nullptr, [&](std::size_t row) {
        const auto found = owners.find(report.rows[row].key.tag.text());
        return found == owners.end() ? std::string() : found->second;
    });
    std::vector<Names> groups;
    for (const LeakGroup& group : report.groups) {
        Names& names = groups.emplace_back();
        for (const LeakGroup::Member& member : group.members)
            names.push_back(report.rows[member.row].key.tag.text());
    }
    return groups;
}

TEST(GroupOwners, LeaksOfDifferentDriversAreNoGroup) {
    Report report = report_of({"BigF", "DpcS", "WrSe"});
    EXPECT_THAT(divided(report, {{"BigF", "bigpage.sys"}, {"DpcS", "dpc.sys"}, {"WrSe", "wrapped.sys"}}), IsEmpty());
    for (const TagVerdict& row : report.rows)
        EXPECT_FALSE(row.group.has_value());
}

TEST(GroupOwners, TagsOfOneDriverStayTogether) {
    Report report = report_of({"DpcS", "WrSe", "WrLg"});
    EXPECT_THAT(divided(report, {{"DpcS", "dpc.sys"}, {"WrSe", "wrapped.sys"}, {"WrLg", "WRAPPED.SYS"}}),
                ElementsAre(ElementsAre("WrSe", "WrLg")));
    EXPECT_FALSE(report.rows[0].group.has_value());
    EXPECT_EQ(report.rows[2].group, 0u);
    EXPECT_EQ(report.groups[0].members[0].ratio, 1);
    EXPECT_NEAR(report.groups[0].members[1].ratio, 1.5, 1e-9);
    EXPECT_EQ(report.groups[0].bytes, 2000);
}

TEST(GroupOwners, WhatAFilterHoldsIsOfAnotherDriverAndStays) {
    Report report = report_of({"Xflt", "NtFC", "IoNm"}); // the file system's and the kernel's lie below the filter's
    EXPECT_THAT(divided(report, {{"Xflt", "xflt.sys"}, {"NtFC", "ntfs.sys"}, {"IoNm", "ntoskrnl.exe"}}),
                ElementsAre(ElementsAre("Xflt", "NtFC", "IoNm")));
}

TEST(GroupOwners, WhereNobodyIsKnownTheGroupIsAsItWas) {
    Report report = report_of({"Aaaa", "Bbbb"});
    EXPECT_THAT(divided(report, {{"Bbbb", ""}}), ElementsAre(ElementsAre("Aaaa", "Bbbb")));
}

} // namespace
} // namespace poolkd::hunt

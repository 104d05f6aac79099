// The tables of public cases (public/README.md), and what a careful reader of them would say.

#include "hunt/evidence.h"
#include "hunt/verdict.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <ostream>

namespace poolkd::hunt {
namespace {

struct Expected {
    std::string_view tag;
    std::vector<Verdict> allowed;
};

struct PublicCase {
    std::string_view file;
    std::vector<Expected> rows;
    std::vector<std::string_view> group; ///< the owner first; empty: none is expected
};

const PublicCase public_cases[] = {
    {"containers-646.csv", {{"WCsc", {Verdict::leaking}}, {"WCfn", {Verdict::undecided}}}, {}},
    {"wsl-40804.csv", {{"WCsc", {Verdict::growing}}, {"NtFC", {Verdict::growing}}}, {"WCsc", "NtFC", "IoNm", "IoFE"}},
    {"wsl-41296.csv", {{"Toke", {Verdict::growing}}, {"FMfn", {Verdict::growing}}}, {"File", "FMfn"}},
    {"claude-code-55361.csv", {{"WCsc", {Verdict::leaking}}, {"WCfn", {Verdict::undecided}}}, {}},
    // So few blocks in one snapshot accuse nobody.
    {"claude-code-91265.csv", {{"WCsc", {Verdict::undecided, Verdict::growing}}, {"WCfn", {Verdict::undecided}}}, {}},
    {"netkvm-73.csv", {{"Mdl ", {Verdict::leaking}}, {"CM25", {Verdict::undecided}}}, {}},
    {"npcap-318.csv", {{"NPBL", {Verdict::growing, Verdict::leaking}}}, {"NPBL", "Mdl "}},
    {"npcap-213.csv", {{"1234", {Verdict::leaking}}, {"Thre", {Verdict::flat}}}, {}},
    {"dev-performance-137.csv",
     {{"Proc", {Verdict::leaking}}, {"MiP2", {Verdict::leaking}}, {"Thre", {Verdict::flat}}},
     {"Proc", "MiP2"}},
};

class PublicCases : public testing::TestWithParam<PublicCase> {};

const TagVerdict* row_of(const Report& report, std::string_view tag) {
    auto found =
        std::ranges::find(report.rows, *PoolTag::from_text(tag), [](const TagVerdict& r) { return r.key.tag; });
    return found == report.rows.end() ? nullptr : &*found;
}

void PrintTo(const PublicCase& known, std::ostream* out) {
    *out << known.file;
}

TEST_P(PublicCases, VerdictAndOwner) {
    const PublicCase& known = GetParam();
    Work work;
    auto source =
        open_evidence(std::string(POOLKD_SOURCE_DIR) + "/tests/cases/public/" + std::string(known.file), {}, work);
    ASSERT_TRUE(source.has_value()) << source.error().message;
    auto report = judge(**source, {}, work);
    ASSERT_TRUE(report.has_value()) << report.error().message;
    for (const Expected& expected : known.rows) {
        const TagVerdict* row = row_of(*report, expected.tag);
        ASSERT_NE(row, nullptr) << expected.tag;
        EXPECT_NE(std::ranges::find(expected.allowed, row->verdict), expected.allowed.end())
            << expected.tag << " is called " << to_text(row->verdict) << ": "
            << (row->reasons.empty() ? "" : row->reasons.front());
    }
    for (const TagVerdict& row : report->rows) {
        if (row.verdict != Verdict::leaking) continue;
        EXPECT_NE(std::ranges::find(known.rows, row.key.tag.text(), &Expected::tag), known.rows.end())
            << row.key.tag.text() << " is not what the case is about";
    }
    std::vector<std::string> members;
    if (!report->groups.empty())
        for (const LeakGroup::Member& member : report->groups.front().members)
            members.push_back(report->rows[member.row].key.tag.text());
    ASSERT_EQ(members.size(), known.group.size());
    if (members.empty()) return;
    EXPECT_EQ(members.front(), known.group.front());
    for (std::string_view tag : known.group)
        EXPECT_NE(std::ranges::find(members, tag), members.end()) << tag;
}

std::string case_name(const testing::TestParamInfo<PublicCase>& tested) {
    std::string name(tested.param.file.substr(0, tested.param.file.find('.')));
    std::ranges::replace(name, '-', '_');
    return name;
}

INSTANTIATE_TEST_SUITE_P(Tables, PublicCases, testing::ValuesIn(public_cases), case_name);

} // namespace
} // namespace poolkd::hunt

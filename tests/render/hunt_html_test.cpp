#include "render/html.h"
#include "render/hunt_html.h"
#include "render/hunt_json.h"
#include "render/report_page.h"
#include "render/svg_chart.h"
#include "support/hunt_samples.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>

namespace poolkd::render {
namespace {

using testing::HasSubstr;
using testing::Not;

/// What stands between the first `open` and the next `close`.
std::string between(const std::string& text, std::string_view open, std::string_view close) {
    const std::size_t from = text.find(open);
    if (from == std::string::npos) return {};
    const std::size_t to = text.find(close, from + open.size());
    return text.substr(from + open.size(), to - from - open.size());
}

constexpr std::string_view data_open = R"(<script type="application/json" id="report">)";

nlohmann::json data_of(const std::string& page) {
    return nlohmann::json::parse(between(page, data_open, "</script>"), nullptr, false);
}

/// The page without its script, style and data: what was written for this report, but for where lines may break.
std::string markup_of(const std::string& page) {
    std::string markup = between(page, "<body>", data_open);
    for (std::size_t at = markup.find("<wbr>"); at != std::string::npos; at = markup.find("<wbr>", at))
        markup.erase(at, 5);
    return markup;
}

std::size_t count(std::string_view text, std::string_view what) {
    std::size_t found = 0;
    for (std::size_t at = text.find(what); at != std::string_view::npos; at = text.find(what, at + what.size()))
        ++found;
    return found;
}

TEST(Html, TextCannotBecomeMarkup) {
    EXPECT_EQ(html_text("a<b>&\"'"), "a&lt;b&gt;&amp;&quot;&#39;");
    EXPECT_EQ(html_text("müller\n\tпул 😀"), "müller\n\tпул 😀");
}

TEST(Html, BytesThatAreNoTextAreReplaced) {
    const std::string replaced = "\xef\xbf\xbd";
    EXPECT_EQ(html_text("a\x01z"), "a" + replaced + "z");
    EXPECT_EQ(html_text(std::string_view("\0", 1)), replaced);
    EXPECT_EQ(html_text("\xff"), replaced);
    EXPECT_EQ(html_text("\xc3"), replaced);                // cut off
    EXPECT_EQ(html_text("\xc0\xbc"), replaced + replaced); // '<' in two bytes
    EXPECT_EQ(html_text("\xe0\x80\xbc"), replaced + replaced + replaced);
    EXPECT_EQ(html_text("\xed\xa0\x80"), replaced + replaced + replaced); // half of a pair
    EXPECT_EQ(html_text("\xe2\x80\xaegnp.exe"), replaced + "gnp.exe");    // right to left
    EXPECT_EQ(html_text("\xe2<"), replaced + "&lt;");
}

TEST(Html, JsonCannotEndItsElement) {
    const std::string text = html_json({{"name", "</script><!--\xe2\x80\xa8\xff"}});
    EXPECT_THAT(text, Not(HasSubstr("<")));
    EXPECT_THAT(text, HasSubstr("\\u2028"));
    EXPECT_EQ(nlohmann::json::parse(text).at("name"), "</script><!--\xe2\x80\xa8\xef\xbf\xbd");
}

TEST(Html, PlacesAreFilledOnce) {
    EXPECT_EQ(html_page("a{{x}}b{{y}}{{none}}c", {{"x", "{{y}}"}, {"y", "2"}}), "a{{y}}b2c");
    EXPECT_EQ(html_page("a{{x", {{"x", "1"}}), "a{{x");
}

TEST(SvgChart, WhatIsNotKnownBreaksTheLine) {
    constexpr double nan = std::numeric_limits<double>::quiet_NaN();
    const std::vector<double> values{0, 10, nan, 20, 10};
    const SvgLine line{values, "l1"};
    const auto range = chart_range({&line, 1});
    ASSERT_TRUE(range);
    EXPECT_EQ(range->low, 0);
    EXPECT_EQ(range->high, 20);
    const std::string svg = svg_lines({&line, 1}, *range, "label");
    EXPECT_THAT(svg, HasSubstr(R"(d="M0.0 160.0L150.0 80.0M450.0 0.0L600.0 80.0")"));
    EXPECT_THAT(svg, Not(HasSubstr("nan")));
}

TEST(SvgChart, WhatHardlyMovesLooksSo) {
    const std::vector<double> values{1000, 1001};
    const SvgLine line{values, {}};
    const auto range = chart_range({&line, 1});
    ASSERT_TRUE(range);
    EXPECT_NEAR(range->high - range->low, 50, 1);
}

TEST(SvgChart, NothingKnownIsNoChart) {
    const std::vector<double> values{std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()};
    const SvgLine line{values, {}};
    EXPECT_FALSE(chart_range({&line, 1}));
    EXPECT_EQ(svg_spark(values), "");
    EXPECT_EQ(svg_spark({}), "");
    EXPECT_THAT(svg_bar(values[0]), HasSubstr("width=\"0.0\""));
    EXPECT_THAT(svg_bar(7), HasSubstr("width=\"100.0\""));
}

TEST(HuntHtml, TellsAllThatTheReportHolds) {
    const hunt::HuntReport report = samples::hunt_report();
    const std::string page = hunt_html(report);
    const std::string markup = markup_of(page);
    EXPECT_THAT(markup, HasSubstr("<h1>" + html_text(report.title) + "</h1>"));
    for (const char* said : {"93 %",
                             "leaky.sys",
                             "leaky!LeakyAllocateBuffer+0x13",
                             "leaky!LeakyOpenStream+0xf",
                             "stream.cpp:41",
                             "calls <code>LeakyAllocate</code> → <code>ExAllocatePoolWithTag</code>",
                             "44,120 blocks held",
                             "Its floor rose in 100&nbsp;%",
                             "12&nbsp;% of the pages",
                             "A cache that fills up",
                             "kd&gt; !retag Abc",
                             "Abc:paged:leaky.sys:LeakyAllocateBuffer+18:7f3a9c21",
                             "DpcQ:nonpaged:storlab.sys",
                             "the budget was used up",
                             "Tags of large session pool",
                             "Found 48,023 of the 48,723 blocks",
                             "Found 1,100 blocks; the counters told 1,024 before.",
                             "<code>leaky!LeakyCloseStream+0x22</code></li>",
                             "they stay until the machine restarts",
                             "leaky!LeakyCloseStream+0x22",
                             "2026-06-01 08:00:00 to 2026-06-01 08:05:00, 5m (UTC)",
                             "storlab.sys",
                             "vanish.sys",
                             "40 tags",
                             "Whether LeakyCloseStream is ever called",
                             "0xffff8a0000012000"})
        EXPECT_THAT(markup, HasSubstr(said)) << said;
    EXPECT_EQ(count(markup, "class=\"suspect\""), 3U);
    EXPECT_EQ(count(markup, "<path class=\"line l"), 3U); // of the growth chart
    EXPECT_EQ(count(markup, "<tr><td><code>T0"), 40U);
    EXPECT_THAT(markup, Not(HasSubstr("stopped before its end")));
}

TEST(HuntHtml, StacksBeginAtTheAllocator) {
    const std::string page = hunt_html(samples::hunt_report());
    EXPECT_THAT(markup_of(page),
                HasSubstr("<ol class=\"frames\"><li class=\"allocator\"><code>nt!ExAllocatePoolWithTag"));
    EXPECT_THAT(markup_of(page), Not(HasSubstr("DbgBreakPoint")));
    EXPECT_EQ(data_of(page)["suspects"][0]["trace"]["stacks"][0]["frames"][0]["text"], "nt!DbgBreakPoint");
}

TEST(HuntHtml, ATagThatCannotBeTypedIsToldAsItIsGiven) {
    hunt::HuntReport report = samples::hunt_report();
    report.verdict.rows[0].key.tag = PoolTag(0x09fe4f01);
    EXPECT_THAT(markup_of(hunt_html(report)), HasSubstr(R"(<code>\x01O\xfe\x09</code>)"));
}

TEST(HuntHtml, CoverageIsNotCalledCompleteBesideWhatWasNotVisible) {
    hunt::HuntReport report = samples::hunt_report();
    report.coverage = {};
    report.coverage.add_read(52 << 20);
    EXPECT_THAT(markup_of(hunt_html(report)), Not(HasSubstr("Complete")));
    report.not_visible.clear();
    EXPECT_THAT(markup_of(hunt_html(report)), HasSubstr("Complete: all of the 52.0 MB looked at could be read."));
}

TEST(HuntHtml, LongNamesHavePlacesToBreak) {
    const std::string page = hunt_html(samples::long_names_hunt_report());
    EXPECT_THAT(page, HasSubstr("contoso_<wbr>endpoint_<wbr>stream_<wbr>"));
    EXPECT_THAT(page, HasSubstr("StreamInspection::<wbr>ContextCache<wbr>&lt;"));
    EXPECT_THAT(page, HasSubstr(",<wbr>StreamInspection"));
}

TEST(HuntHtml, FetchesNothing) {
    const std::string page = hunt_html(samples::hunt_report());
    EXPECT_THAT(page, HasSubstr("default-src 'none'"));
    EXPECT_THAT(page, Not(HasSubstr("unsafe-eval")));
    const std::string written = page.substr(0, page.find("<script>"));
    for (const char* fetch : {"http:", "https:", "src=", "url(", "@import", "<link", "<img", "<iframe"})
        EXPECT_THAT(written, Not(HasSubstr(fetch))) << fetch;
    EXPECT_LT(page.size(), 400'000U);
}

TEST(HuntHtml, RunsNoScriptButItsOwn) {
    const std::string page = hunt_html(samples::hunt_report());
    EXPECT_EQ(count(page, "<script"), report_script().empty() ? 1U : 2U);
    if (report_script().empty()) {
        EXPECT_THAT(page, Not(HasSubstr("script-src")));
    } else {
        EXPECT_THAT(report_script_hash(), testing::StartsWith("sha256-"));
        EXPECT_THAT(page, HasSubstr(fmt::format("script-src '{}'", report_script_hash())));
        EXPECT_THAT(page, HasSubstr(fmt::format("<script>{}</script>", report_script())));
    }
}

TEST(HuntHtml, HasItsDataForPrograms) {
    const nlohmann::json data = data_of(hunt_html(samples::hunt_report()));
    ASSERT_TRUE(data.is_object());
    EXPECT_EQ(data.at("command"), "hunt");
    EXPECT_EQ(data.at("version"), hunt_json_version);
    EXPECT_EQ(data.at("suspects").size(), 3U);
    EXPECT_EQ(data.at("suspects")[0].at("tag"), "Abc ");
    EXPECT_EQ(data.at("suspects")[0].at("chart").size(), 60U);
    EXPECT_EQ(data.at("suspects")[0].at("trace").at("stacks").size(), 5U);
    EXPECT_EQ(data.at("suspects")[0].at("sites")[0].at("name"), "leaky!LeakyAllocateBuffer+0x13");
    EXPECT_TRUE(data.at("suspects")[0].at("sites")[0].at("accused").get<bool>());
    EXPECT_TRUE(data.at("suspects")[1].at("trace").is_null());
    EXPECT_EQ(data.at("verdict").at("rows_total"), 43);
    EXPECT_EQ(data.at("coverage").at("complete"), false);
}

TEST(HuntHtml, NamesOfTheTargetStayText) {
    const std::string page = hunt_html(samples::hostile_hunt_report());
    EXPECT_EQ(count(page, "<script"), report_script().empty() ? 1U : 2U);
    const std::string markup = markup_of(page);
    EXPECT_THAT(markup, Not(HasSubstr("<img")));
    EXPECT_THAT(markup, Not(HasSubstr("<!--")));
    EXPECT_THAT(markup, Not(HasSubstr("\x01")));
    EXPECT_THAT(markup, HasSubstr("{{script}}"));
    const nlohmann::json data = data_of(page);
    ASSERT_TRUE(data.is_object());
    EXPECT_THAT(data.at("title").get<std::string>(), testing::StartsWith("</script><script>window.broken=1"));
}

TEST(HuntHtml, AnEmptyReportIsAPage) {
    const std::string page = hunt_html(samples::empty_hunt_report());
    EXPECT_THAT(page, testing::EndsWith("</html>\n"));
    EXPECT_THAT(markup_of(page), HasSubstr("<h1>"));
    EXPECT_THAT(markup_of(page), Not(HasSubstr("<h2>")));
    EXPECT_TRUE(data_of(page).is_object());
}

TEST(HuntHtml, APartialReportSaysSo) {
    const std::string page = hunt_html(samples::partial_hunt_report());
    EXPECT_THAT(markup_of(page), HasSubstr("The hunt was stopped before its end"));
    EXPECT_THAT(markup_of(page), HasSubstr("not known"));
    EXPECT_THAT(markup_of(page), Not(HasSubstr("class=\"flame\"")));
    EXPECT_EQ(data_of(page).at("partial"), true);
}

TEST(HuntHtml, ASuspectWithoutItsRowIsNoReasonToFail) {
    hunt::HuntReport report;
    report.suspects.resize(2);
    report.suspects[0].row = 7;
    const std::string page = hunt_html(report);
    EXPECT_EQ(count(markup_of(page), "class=\"suspect\""), 2U);
    EXPECT_TRUE(data_of(page).at("suspects")[0].at("tag").is_null());
}

TEST(HuntHtml, ManyTagsAreAllInTheTable) {
    hunt::HuntReport report = samples::hunt_report();
    for (int i = 0; i < 1500; ++i)
        report.verdict.rows.push_back(samples::hunt_row(fmt::format("{:04}", i).c_str(), hunt::PoolKind::paged,
                                                        hunt::Verdict::flat, 0.7, i * 100, 0));
    const std::string page = hunt_html(report);
    EXPECT_EQ(count(markup_of(page), "<tr><td><code>"), 1540U);
    EXPECT_EQ(data_of(page).at("verdict").at("rows_total"), 1543);
    EXPECT_EQ(data_of(page).at("verdict").at("rows").size(), 50U);
    EXPECT_LT(page.size(), 800'000U);
}

} // namespace
} // namespace poolkd::render

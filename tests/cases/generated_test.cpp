// Precision and recall of the verdict on generated series, as one table. docs/verdict.md quotes it; after a change that
// alters it, POOLKD_GOLDEN_ACCEPT=1 writes the new one there.

#include "generator.h"
#include "hunt/verdict.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <thread>

namespace poolkd::cases {
namespace {

using hunt::Verdict;

constexpr std::size_t lengths[] = {10, 30, 100, 350, 1000, 10'000};
constexpr unsigned documented_seeds = 200;

/// The longest series take more time than all others together: of them a part.
unsigned seeds_at(std::size_t length, unsigned seeds) {
    return length > 1000 ? seeds / 5 : seeds;
}

/// At this length each kind of leak is found in 95 % of the seeds; shorter ones are too short for some.
const std::map<Kind, std::size_t> decidable = {
    {Kind::noisy_load, 1000}, {Kind::slow_under_cache, 1000}, {Kind::lockstep, 1000},
    {Kind::wrap, 1000},       {Kind::restart, 1000},          {Kind::missing, 1000},
};

struct Score {
    unsigned leaks = 0, found = 0;
    unsigned accused = 0, wrongly = 0;
    unsigned owners = 0, owners_found = 0;
    unsigned ended = 0, ended_flagged = 0; ///< leaks that stopped; told as growth that was kept

    void add(const Score& other) {
        leaks += other.leaks;
        found += other.found;
        accused += other.accused;
        wrongly += other.wrongly;
        owners += other.owners;
        owners_found += other.owners_found;
        ended += other.ended;
        ended_flagged += other.ended_flagged;
    }
};

Score judge_case(Kind kind, unsigned seed, std::size_t length) {
    Case made = make_case(kind, seed, {length, 1800});
    Work work;
    auto source = hunt::from_snapshots(std::move(made.snapshots));
    auto report = hunt::judge(*source, {}, work);
    EXPECT_TRUE(report.has_value());
    Score score;
    if (!report) return score;
    for (const hunt::TagVerdict& row : report->rows) {
        const bool leaks = made.leaking.contains(row.key), accused = row.verdict == Verdict::leaking;
        score.leaks += leaks;
        score.found += leaks && accused;
        score.accused += accused;
        score.wrongly += accused && !leaks;
        if (accused && !leaks)
            ADD_FAILURE() << name_of(kind) << ", seed " << seed << ", " << length << " snapshots: '"
                          << row.key.tag.text() << "' is no leak; " << (row.reasons.empty() ? "" : row.reasons.front());
        if (made.leaked.contains(row.key)) {
            ++score.ended;
            score.ended_flagged += row.verdict == Verdict::growing;
        }
    }
    if (!made.owner.empty()) {
        ++score.owners;
        for (const hunt::LeakGroup& group : report->groups)
            if (report->rows[group.members.front().row].key.tag.text() == made.owner) {
                ++score.owners_found;
                break;
            }
    }
    return score;
}

unsigned seeds_to_try() {
    const char* text = std::getenv("POOLKD_CASE_SEEDS"); // NOLINT(concurrency-mt-unsafe): before any thread
    return text ? static_cast<unsigned>(std::strtoul(text, nullptr, 10)) : 10;
}

Score judge_seeds(Kind kind, std::size_t length, unsigned seeds) {
    const unsigned threads = std::max(1u, std::thread::hardware_concurrency());
    std::vector<Score> scores(threads);
    std::vector<std::thread> workers;
    for (unsigned t = 0; t < threads; ++t)
        workers.emplace_back([&, t] {
            for (unsigned seed = 1 + t; seed <= seeds; seed += threads)
                scores[t].add(judge_case(kind, seed, length));
        });
    Score sum;
    for (unsigned t = 0; t < threads; ++t) {
        workers[t].join();
        sum.add(scores[t]);
    }
    return sum;
}

std::string part_text(unsigned part, unsigned whole) {
    return whole == 0 ? "" : fmt::format("{:.2f}", static_cast<double>(part) / whole);
}

/// The table between its two marks in the page, as one test printed it; an empty page has none.
class QuotedTable {
  public:
    explicit QuotedTable(std::string file) : file_(std::move(file)) {
        std::ifstream in(file_);
        text_.assign(std::istreambuf_iterator<char>(in), {});
        begin_ = text_.find(begin_mark);
        end_ = text_.find(end_mark);
        if (begin_ != std::string::npos) begin_ += begin_mark.size();
    }
    [[nodiscard]] bool found() const { return begin_ != std::string::npos && end_ != std::string::npos; }
    [[nodiscard]] std::string table() const { return text_.substr(begin_, end_ - begin_); }
    void replace(const std::string& table) {
        std::ofstream(file_) << text_.substr(0, begin_) << table << text_.substr(end_);
    }

  private:
    static constexpr std::string_view begin_mark = "<!-- table of tests/cases -->\n",
                                      end_mark = "<!-- end of table -->";
    std::string file_, text_;
    std::size_t begin_ = 0, end_ = 0;
};

TEST(GeneratedSeries, PrecisionAndRecall) {
    const unsigned seeds = seeds_to_try();
    std::string table = "| series, one snapshot each 30 minutes |";
    for (std::size_t length : lengths)
        table += fmt::format(" {} |", length);
    table += " decidable at |\n|---|" + [] {
        std::string line;
        for (std::size_t i = 0; i < std::size(lengths) + 1; ++i)
            line += "---|";
        return line;
    }() + "\n";
    Score all;
    std::map<std::size_t, Score> owners;
    for (Kind kind : all_kinds) {
        std::string recall, wrong;
        std::map<std::size_t, Score> scores;
        for (std::size_t length : lengths) {
            // Under a sanitizer the long ones take too long, and show nothing that the others do not.
            if (seeds < documented_seeds && length > 1000) continue;
            const Score score = judge_seeds(kind, length, seeds_at(length, seeds));
            scores[length] = score;
            all.add(score);
            owners[length].add(score);
        }
        const auto limit = decidable.find(kind);
        auto row = [&](std::string_view what, auto&& cell) {
            table += fmt::format("| {} |", what);
            for (std::size_t length : lengths)
                table += fmt::format(" {} |", cell(scores[length]));
            table += limit == decidable.end() ? " |\n" : fmt::format(" {} |\n", limit->second);
        };
        if (limit != decidable.end()) {
            row(fmt::format("{}: found", name_of(kind)), [](const Score& s) { return part_text(s.found, s.leaks); });
        } else if (kind == Kind::stops) {
            row(fmt::format("{}: told as kept growth", name_of(kind)),
                [](const Score& s) { return part_text(s.ended_flagged, s.ended); });
        } else {
            row(fmt::format("{}: wrongly accused", name_of(kind)),
                [](const Score& s) { return fmt::to_string(s.wrongly); });
        }
        if (limit == decidable.end() || seeds < documented_seeds) continue;
        for (auto [length, score] : scores) {
            if (length < limit->second) continue;
            EXPECT_GE(score.found, 0.95 * score.leaks) << name_of(kind) << " at " << length << " snapshots";
        }
    }
    table += "| owner of the leaks in lockstep: named |";
    for (std::size_t length : lengths)
        table += fmt::format(" {} |", part_text(owners[length].owners_found, owners[length].owners));
    table += fmt::format(" {} |\n\n", decidable.at(Kind::lockstep));
    table += fmt::format("{} seeds of each, {} of the longest: {} times a tag was called leaking, {} times wrongly.\n",
                         seeds, seeds_at(lengths[std::size(lengths) - 1], seeds), all.accused, all.wrongly);
    std::fputs(table.c_str(), stdout);

    EXPECT_EQ(all.wrongly, 0u);
    if (seeds < documented_seeds) return;
    for (std::size_t length : lengths) {
        if (length < decidable.at(Kind::lockstep)) continue;
        EXPECT_GE(owners[length].owners_found, 0.9 * owners[length].owners) << length;
    }
    QuotedTable quoted(std::string(POOLKD_SOURCE_DIR) + "/docs/verdict.md");
    ASSERT_TRUE(quoted.found()) << "docs/verdict.md has no place for the table";
    if (std::getenv("POOLKD_GOLDEN_ACCEPT"))
        quoted.replace(table); // NOLINT(concurrency-mt-unsafe)
    else
        EXPECT_EQ(quoted.table(), table) << "docs/verdict.md quotes another table (POOLKD_GOLDEN_ACCEPT=1 writes this)";
}

} // namespace
} // namespace poolkd::cases

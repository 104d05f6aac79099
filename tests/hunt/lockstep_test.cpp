#include "hunt/lockstep.h"

#include <gmock/gmock.h>

#include <cmath>
#include <random>

namespace poolkd::hunt {
namespace {

using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

/// A machine of which snapshots are taken while its host has more or less time for it.
class Machine {
  public:
    Machine(unsigned seed, std::size_t points) : dice_(seed), points_(points) { history_.tags.reserve(64); }

    /// How much of its work it does between one snapshot and the next, and how much of its own time goes by.
    std::vector<double> work_done, own_time;

    /// As many blocks in each interval as the work done allows, on average.
    std::vector<double> leak(double rate) {
        std::vector<double> blocks{1000};
        for (std::size_t i = 1; i < points_; ++i)
            blocks.push_back(blocks.back() + drawn(rate * work_done[i]));
        return blocks;
    }
    /// A tag of these blocks, that does not free any.
    void add_leak(const std::string& text, std::vector<double> blocks) {
        candidates_.push_back({.row = candidates_.size(),
                               .history = nullptr,
                               .layer = {.height = 60, .what = {}, .binary = {}, .description = {}},
                               .gained = blocks.back() - blocks.front()});
        add(text, blocks, blocks);
        leaks_.push_back(history_.tags.size() - 1);
    }
    /// A tag that frees all it allocates.
    void add_busy(const std::string& text, double rate) { add(text, std::vector<double>(points_, 40), leak(rate)); }

    std::vector<std::vector<std::string>> groups() {
        history_.boot.assign(points_, 0);
        double now = 0;
        for (std::size_t i = 0; i < points_; ++i)
            history_.hours.push_back(now += own_time[i]);
        for (std::size_t i = 0; i < candidates_.size(); ++i)
            candidates_[i].history = &history_.tags[leaks_[i]];
        std::vector<std::vector<std::string>> names;
        for (const LeakGroup& group : find_groups(history_, candidates_))
            for (auto& members = names.emplace_back(); const LeakGroup::Member& member : group.members)
                members.push_back(candidates_[member.row].history->key.tag.text());
        return names;
    }

    double even(double low, double high) { return std::uniform_real_distribution(low, high)(dice_); }
    double drawn(double mean) {
        // Rounds of up to twice the mean, a dozen in an interval: what a driver has to do varies.
        double sum = 0;
        for (int i = 0; i < 12; ++i)
            sum += std::floor(even(0, 2) * mean / 12 + 0.5);
        return sum;
    }

  private:
    void add(const std::string& text, std::vector<double> blocks, std::vector<double> allocs) {
        history_.tags.push_back(
            {{*PoolTag::from_text(text), PoolKind::nonpaged}, std::move(allocs), std::move(blocks), {}});
    }

    std::mt19937 dice_;
    std::size_t points_;
    History history_;
    std::vector<Candidate> candidates_;
    std::vector<std::size_t> leaks_;
};

constexpr std::size_t points = 33; // as a hunt takes them

/// Half a dozen leaks that have nothing to do with each other, of rates that differ, and what else goes on.
void add_unrelated(Machine& machine, double busy_rate = 150) {
    for (const auto& [text, rate] : {std::pair("Aaaa", 60), {"Bbbb", 77}, {"Cccc", 103}, {"Dddd", 141}, {"Eeee", 192}})
        machine.add_leak(text, machine.leak(rate));
    for (int i = 0; i < 10; ++i)
        machine.add_busy("Busy", busy_rate);
}

/// One interval in three a slow host lets the machine do a small part of its work only.
void slow_down(Machine& machine) {
    for (std::size_t i = 0; i < points; ++i)
        machine.work_done.push_back(machine.even(0, 3) < 1 ? machine.even(0.1, 0.5) : machine.even(0.8, 1));
}

constexpr unsigned seeds = 40;

TEST(Lockstep, UnrelatedLeaksOfASlowMachineAreApart) {
    std::size_t wrong = 0;
    for (unsigned seed = 0; seed < seeds; ++seed) {
        Machine machine(seed, points);
        slow_down(machine);
        machine.own_time.assign(points, 1); // its clock is kept right
        add_unrelated(machine);
        wrong += machine.groups().empty() ? 0 : 1;
    }
    EXPECT_LE(wrong, seeds / 20);
}

TEST(Lockstep, UnrelatedLeaksAreApartWhereTheMachinesOwnTimeIsSlow) {
    std::size_t wrong = 0;
    for (unsigned seed = 0; seed < seeds; ++seed) {
        Machine machine(seed, points);
        slow_down(machine);
        machine.own_time = machine.work_done;
        add_unrelated(machine, 0); // nothing but time tells
        wrong += machine.groups().empty() ? 0 : 1;
    }
    EXPECT_LE(wrong, seeds / 20);
}

TEST(Lockstep, WhatIsOneLeakIsFoundOnASlowMachineToo) {
    std::size_t found = 0;
    for (unsigned seed = 0; seed < seeds; ++seed) {
        Machine machine(seed, points);
        slow_down(machine);
        machine.own_time.assign(points, 1);
        add_unrelated(machine);
        const std::vector<double> parent = machine.leak(50);
        machine.add_leak("Pare", parent);
        std::vector<double> child;
        for (const double blocks : parent)
            child.push_back(1.7 * blocks + machine.even(0, 4));
        machine.add_leak("Chil", child);
        const auto groups = machine.groups();
        found +=
            groups.size() == 1 && groups[0].size() == 2 && groups[0][0] == "Pare" && groups[0][1] == "Chil" ? 1 : 0;
    }
    EXPECT_GE(found, seeds - seeds / 10);
}

TEST(Lockstep, OneLeakOfAnEvenPaceIsFoundByItsRatio) {
    Machine machine(1, points);
    machine.work_done.assign(points, 1);
    machine.own_time.assign(points, 1);
    std::vector<double> parent, child, other;
    for (std::size_t i = 0; i < points; ++i) {
        parent.push_back(1000.0 + 100.0 * static_cast<double>(i));
        child.push_back(500.0 + 200.0 * static_cast<double>(i));
        other.push_back(900.0 + 137.0 * static_cast<double>(i));
    }
    machine.add_leak("Pare", parent);
    machine.add_leak("Othe", other);
    machine.add_leak("Chil", child);
    EXPECT_THAT(machine.groups(), ::testing::ElementsAre(UnorderedElementsAre("Pare", "Chil")));
}

} // namespace
} // namespace poolkd::hunt

#include "simulation.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace poolkd::kd::test {
namespace {

using namespace std::chrono_literals;

ByteVector read_request(std::uint64_t address, std::uint32_t count) {
    ByteVector request = manipulate_request(Api::read_virtual, 0);
    store(request, 16, address);
    store(request, 24, count);
    return request;
}

/// A host that works through a plan of reads, writes, breakpoints and continues, checking each answer against the
/// model, while prints, module loads, prompts, file requests and reboots come in between.
class Host {
  public:
    Host(std::uint64_t seed, Faults faults) : sim(seed, faults) {}

    void attach() {
        for (unsigned attempt = 0; attempt < 60 && sim.stops.empty(); ++attempt) {
            if (attempt % 2 == 0) {
                sim.engine.break_in();
            } else {
                sim.engine.reset(sim.now);
            }
            sim.run([&] { return !sim.stops.empty(); }, 2s);
        }
        ASSERT_FALSE(sim.stops.empty()) << "no contact";
        sim.stops.clear();
    }

    /// Sends one request. Nothing: it failed, which is allowed while the line is bad.
    std::optional<ByteVector> ask(ByteVector request, Expect expect = Expect::reply) {
        sim.reply.reset();
        sim.failure.reset();
        sim.taken.reset();
        sim.engine.request(std::move(request), expect, sim.now);
        const bool ended = sim.run([&] { return sim.reply || sim.failure || sim.taken; }, 120s);
        EXPECT_TRUE(ended) << "a request neither succeeded nor failed";
        return std::move(sim.reply);
    }

    bool read_and_check(std::uint64_t address, std::uint32_t count) {
        const unsigned boots = sim.target.boots();
        const auto reply = ask(read_request(address, count));
        if (!reply || boots != sim.target.boots()) return false;
        const auto done = load_or<std::uint32_t>(*reply, 28);
        EXPECT_EQ(reply->size(), manipulate_header_size + done);
        std::uint32_t expected = 0;
        while (expected < count && TargetModel::mapped(address + expected))
            ++expected;
        EXPECT_EQ(done, expected);
        EXPECT_EQ(succeeded(load_or<std::uint32_t>(*reply, 8)), expected == count);
        for (std::uint32_t i = 0; i < done && i + manipulate_header_size < reply->size(); ++i) {
            if ((*reply)[manipulate_header_size + i] == sim.target.byte_at(address + i)) continue;
            ADD_FAILURE() << "wrong byte at " << address + i;
            break;
        }
        return true;
    }

    bool write_and_check(std::uint64_t address, std::uint32_t count) {
        ByteVector bytes(count);
        for (std::byte& b : bytes)
            b = static_cast<std::byte>(sim.chance(256));
        ByteVector request = manipulate_request(Api::write_virtual, 0, bytes);
        store(request, 16, address);
        store(request, 24, count);
        const unsigned boots = sim.target.boots();
        const auto reply = ask(std::move(request));
        if (!reply || boots != sim.target.boots()) return false;
        const auto done = load_or<std::uint32_t>(*reply, 28);
        for (std::uint32_t i = 0; i < done; ++i)
            if (sim.target.byte_at(address + i) != bytes[i]) {
                ADD_FAILURE() << "write lost at " << address + i;
                break;
            }
        return read_and_check(address, count);
    }

    /// Lets the target go; what it does meanwhile is drawn by lot. Ends at the next stop.
    void go() {
        ByteVector request = manipulate_request(Api::continue2, 0);
        store(request, 16, dbg_continue);
        sim.stops.clear();
        ask(std::move(request), Expect::resumes);
        const unsigned lots = sim.chance(8);
        // A continue that no one acknowledged may not have arrived: then the target still stands there.
        if (!sim.target.busy()) {
            if (lots == 0) sim.target.boot(sim.now);
            if (lots == 1) sim.target.prompt("Break, Ignore (bi)? ", sim.now);
            if (lots == 2) sim.target.ask_for_file(sim.now);
            for (unsigned i = sim.chance(4); i > 0; --i) {
                const std::string text = "line " + std::to_string(++printed) + "\n";
                sim.target.print(text, sim.now);
                said.push_back(text);
            }
            if (lots == 3) sim.target.stop_with_module("\\x\\leaky.sys", sim.now);
            if (lots >= 4) sim.target.stop_with_exception(sim.now);
        }
        for (unsigned attempt = 0; attempt < 30 && sim.stops.empty(); ++attempt) {
            sim.run([&] { return !sim.stops.empty(); }, 3s);
            if (sim.stops.empty()) sim.engine.break_in();
        }
        EXPECT_FALSE(sim.stops.empty()) << "no stop any more";
    }

    /// Every line at most once and in order; lines are missing only where the target gave them up.
    void check_prints() const {
        auto next = said.begin();
        for (const std::string& line : sim.prints) {
            while (next != said.end() && *next != line) {
                EXPECT_TRUE(sim.target.given_up.contains(*next)) << "lost: " << *next;
                ++next;
            }
            ASSERT_NE(next, said.end()) << "twice or out of order: " << line;
            ++next;
        }
    }

    Simulation sim;
    unsigned printed = 0;
    std::vector<std::string> said;
};

void play(std::uint64_t seed, Faults faults, bool all_must_succeed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Host host(seed, faults);
    host.sim.target.boot(host.sim.now);
    if (seed % 3 == 0) host.sim.target.stop_with_exception(host.sim.now); // it waits for a debugger already
    ASSERT_NO_FATAL_FAILURE(host.attach());
    unsigned good = 0;
    unsigned tried = 0;
    for (unsigned step = 0; step < 12; ++step) {
        for (unsigned i = host.sim.chance(4); i > 0; --i) {
            const std::uint64_t at = TargetModel::memory_base + host.sim.chance(TargetModel::memory_size);
            const std::uint32_t count = 1 + host.sim.chance(host.sim.chance(8) == 0 ? 3944 : 100);
            good += host.sim.chance(3) == 0 ? host.write_and_check(at, std::min(count, 3000u))
                                            : host.read_and_check(at, count);
            ++tried;
        }
        host.go();
        if (testing::Test::HasFailure()) return;
    }
    if (all_must_succeed) {
        EXPECT_EQ(good, tried);
    }
    // When the line is good again, everything works.
    host.sim.stop_faults();
    host.sim.run([] { return false; }, 10s);
    bool works = false;
    for (unsigned i = 0; i < 5 && !works; ++i) {
        if (!host.sim.engine.stopped()) {
            host.sim.stops.clear();
            ASSERT_NO_FATAL_FAILURE(host.attach());
        }
        works = host.read_and_check(TargetModel::memory_base, 512);
    }
    EXPECT_TRUE(works) << "did not recover";
    if (!host.sim.header_damaged) host.check_prints();
}

TEST(Simulation, AGoodLineLosesNothing) {
    for (std::uint64_t seed = 1; seed <= 100; ++seed) {
        play(seed, Faults{}, true);
        if (HasFailure()) break;
    }
}

TEST(Simulation, LossDuplicationCorruptionDelayAndReboot) {
    for (std::uint64_t seed = 1; seed <= 1000; ++seed) {
        Faults faults{
            .lose_byte = 5, .lose_all = 20, .duplicate = 20, .flip_bit = 20, .garbage = 10, .longest_delay_ms = 5};
        if (seed % 4 == 1) faults = {.lose_all = 100, .longest_delay_ms = 1};
        if (seed % 4 == 2) faults.longest_delay_ms = 80; // longer than the target waits for an acknowledgement
        play(seed, faults, false);
        if (HasFailure()) break;
    }
}

} // namespace
} // namespace poolkd::kd::test

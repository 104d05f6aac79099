#include "simulation.h"

#include <gtest/gtest.h>

#include <algorithm>

/// The engine against a target model on a line that loses, doubles, damages, cuts and delays, with everything that may
/// happen besides, in the middle of each kind of request and of each kind of event. A failing seed is the bug report:
/// --gtest_filter='Simulation.*' with POOLKD_SIMULATION_SEED=N plays that one alone.
namespace poolkd::kd::test {
namespace {

using namespace std::chrono_literals;

#ifdef POOLKD_SIMULATION_SEEDS
constexpr std::uint64_t seeds = POOLKD_SIMULATION_SEEDS;
#else
constexpr std::uint64_t seeds = 1'000; // without optimization a seed takes ten times as long
#endif

/// What may happen besides, at any moment.
enum class Happening : unsigned {
    break_in,     ///< the user presses Ctrl-C
    host_reset,   ///< the host brings both sides in step
    target_reset, ///< the target does
    restart,      ///< the target starts anew
    reopened,     ///< the carrier breaks and comes back
    silence,      ///< nothing gets through for some seconds
    print,        ///< the target prints
    oddity,       ///< the target sends packets that mean nothing to us
    abandoned,    ///< the user does not wait for the reply
};
constexpr std::array<std::string_view, 9> happening_names = {
    "break-in", "host reset", "target reset", "restart", "reopened", "silence", "print", "oddity", "abandoned"};

/// Every request that the client sends (client_requests.cpp).
constexpr std::array requests = {
    Api::read_virtual, Api::write_virtual,  Api::read_physical,    Api::write_physical,     Api::get_context,
    Api::set_context,  Api::get_context_ex, Api::set_context_ex,   Api::read_control_space, Api::write_control_space,
    Api::read_msr,     Api::write_msr,      Api::write_breakpoint, Api::restore_breakpoint, Api::get_version,
    Api::continue2,    Api::reboot,         Api::cause_bug_check,  Api::switch_processor};

/// Every event that a target has; the host's side of each differs.
enum class Arrival : unsigned { exception, module, command, prints, prompt, file, debug_register, oddity, restart };
constexpr std::array<std::string_view, 9> arrival_names = {"exception", "module", "command",        "prints", "prompt",
                                                           "file",      "oddity", "debug register", "restart"};

/// How often each fault met each request and each event: the proof that the seeds reach everything.
class Meetings {
  public:
    static constexpr std::size_t rows = requests.size() + arrival_names.size();
    static constexpr std::size_t columns = fault_names.size() + happening_names.size();

    void count(std::size_t row, Fault fault) { ++cells_[row][static_cast<std::size_t>(fault)]; }
    void count(std::size_t row, Happening happening) {
        ++cells_[row][fault_names.size() + static_cast<std::size_t>(happening)];
    }
    void expect_all() const {
        for (std::size_t row = 0; row < rows; ++row) {
            for (std::size_t column = 0; column < columns; ++column) {
                const bool fault = column < fault_names.size();
                const bool abandoned = column == columns - 1;
                if (abandoned && (row >= requests.size() || resumes(requests[row]))) continue; // nothing to wait for
                EXPECT_GT(cells_[row][column], 0u)
                    << (fault ? fault_names[column] : happening_names[column - fault_names.size()]) << " never met "
                    << (row < requests.size() ? std::to_string(static_cast<unsigned>(requests[row]))
                                              : std::string(arrival_names[row - requests.size()]));
            }
        }
    }
    static bool resumes(Api api) {
        return api == Api::continue2 || api == Api::reboot || api == Api::cause_bug_check ||
               api == Api::switch_processor;
    }

  private:
    std::array<std::array<unsigned, columns>, rows> cells_{};
};

/// What the line of one seed is like.
struct Line {
    Faults faults;
    unsigned happenings = 0; ///< in 100 requests and events
    std::chrono::microseconds poll_every{0};
};

Line line_of(std::uint64_t seed) {
    const std::array<unsigned, 6> mixed = {20, 15, 10, 20, 20, 10};
    switch (seed % 8) {
    case 0: return {.faults = {{100, 0, 0, 0, 0, 0}, 1}};
    case 1: return {.faults = {{0, 60, 20, 0, 0, 30}, 5}, .happenings = 20};
    case 2: return {.faults = {mixed, 80}, .happenings = 20}; // longer than the target waits for an acknowledgement
    case 3: return {.faults = {{20, 0, 0, 0, 0, 0}, 1}, .happenings = 60, .poll_every = 15625us};
    case 4: return {.faults = {}, .happenings = 80};
    default: return {.faults = {mixed, 5}, .happenings = 40};
    }
}

/// A host that works through a plan of requests and continues, checking each answer against the model.
class Host {
  public:
    Host(std::uint64_t seed, const Line& line, Meetings& meetings)
        : sim(seed, line.faults, seed / 8 % 2 ? TargetModel::MachineKind::x86 : TargetModel::MachineKind::x64),
          line_(line), meetings_(meetings) {
        sim.target.context_style = static_cast<TargetModel::ContextStyle>(seed / 16 % 3);
        sim.target.poll_every = line.poll_every;
        sim.target.processors = 2;
        sim.on_fault = [this](Fault fault) {
            if (under_way_) meetings_.count(*under_way_, fault);
        };
        for (std::byte& b : sim.target.context)
            b = static_cast<std::byte>(sim.chance(256));
    }

    /// Until the target stands and requests can be sent: as the client connects.
    void attach() {
        under_way_.reset();
        for (unsigned attempt = 0; attempt < 60 && !sim.engine.stopped(); ++attempt) {
            if (attempt % 2 == 0) {
                sim.engine.break_in();
            } else {
                sim.engine.reset(sim.now);
            }
            sim.run([&] { return sim.engine.stopped(); }, 2s);
        }
        ASSERT_TRUE(sim.engine.stopped()) << "no contact";
    }

    /// Sends one request. Nothing: it has no reply, or it failed, which is allowed while the line is bad.
    std::optional<ByteVector> ask(ByteVector request) {
        const auto api = static_cast<Api>(load_or<std::uint32_t>(request, 0));
        if (!sim.engine.stopped()) attach();
        if (testing::Test::HasFailure()) return std::nullopt;
        under_way_ = static_cast<std::size_t>(std::ranges::find(requests, api) - requests.begin());
        sim.reply.reset();
        sim.failure.reset();
        sim.taken.reset();
        sim.outcomes = 0;
        const auto ended = [&] { return sim.reply || sim.failure || sim.taken; };
        const Expect expect = Meetings::resumes(api) ? Expect::resumes : Expect::reply;
        sim.log(fmt::format("-- request {:#x}", static_cast<unsigned>(api)));
        sim.engine.request(std::move(request), expect, sim.now);
        if (sim.chance(100) < line_.happenings &&
            !sim.run(ended, std::chrono::microseconds(sim.chance(sim.chance(3) == 0 ? 200000 : 4000)))) {
            const auto happening = static_cast<Happening>(sim.chance(happening_names.size()));
            if (happening == Happening::abandoned && expect == Expect::reply) {
                meetings_.count(*under_way_, happening);
                sim.log("-- abandoned");
                sim.engine.abandon();
                return std::nullopt;
            }
            happen(happening);
        }
        EXPECT_TRUE(sim.run(ended, 90s)) << "a request neither succeeded nor failed";
        EXPECT_EQ(sim.outcomes, 1u);
        check_passed();
        return std::move(sim.reply);
    }

    /// One request of any kind. True: it was answered, and rightly.
    bool request(Api api) {
        const unsigned boots = sim.target.boots();
        const auto same_boot = [&](const auto& reply) { return reply && boots == sim.target.boots(); };
        switch (api) {
        case Api::read_virtual:
        case Api::read_physical: return read(api, random_offset(), random_size());
        case Api::write_virtual:
        case Api::write_physical: {
            const std::uint64_t offset = random_offset();
            const std::uint64_t place = start_of(api) + offset;
            const ByteVector bytes = random_bytes(std::min(random_size(), 3000u));
            const auto reply = ask(memory_request(api, place, static_cast<std::uint32_t>(bytes.size()), bytes));
            if (!same_boot(reply)) return false;
            const auto done = load_or<std::uint32_t>(*reply, 28);
            EXPECT_LE(done, bytes.size());
            for (std::uint32_t i = 0; i < done && i < bytes.size(); ++i)
                if (sim.target.byte_at(sim.target.base() + offset + i) != bytes[i]) {
                    ADD_FAILURE() << "write lost at " << offset + i;
                    break;
                }
            return true;
        }
        case Api::get_version: {
            const auto reply = ask(manipulate_request(api, 0));
            if (reply) {
                EXPECT_EQ(decode_version(*reply).value_or(Version{}).kernel_base, sim.target.base());
            }
            return reply.has_value();
        }
        case Api::get_context:
        case Api::get_context_ex: {
            ByteVector ask_for = manipulate_request(api, 0);
            store(ask_for, 20, static_cast<std::uint32_t>(sim.target.context.size()));
            const auto reply = ask(std::move(ask_for));
            if (!same_boot(reply)) return false;
            const bool absent = api == Api::get_context_ex && no_context_ex();
            expect_data(*reply, absent ? Bytes{} : Bytes(sim.target.context));
            return true;
        }
        case Api::set_context:
        case Api::set_context_ex: {
            const ByteVector bytes = random_bytes(static_cast<std::uint32_t>(sim.target.context.size()));
            ByteVector set = manipulate_request(api, 0, bytes);
            store(set, 20, static_cast<std::uint32_t>(bytes.size()));
            store(set, 24, static_cast<std::uint32_t>(bytes.size()));
            const auto reply = ask(std::move(set));
            if (!same_boot(reply)) return false;
            const bool absent = api == Api::set_context_ex && no_context_ex();
            EXPECT_NE(succeeded(load_or<std::uint32_t>(*reply, 8)), absent);
            if (!absent) {
                EXPECT_EQ(sim.target.context, bytes);
            }
            return true;
        }
        case Api::read_control_space:
        case Api::write_control_space: {
            const bool x86 = sim.target.special.size() == 0x54;
            const std::uint64_t selector = x86 ? sim.target.context.size() : 2;
            const auto size = static_cast<std::uint32_t>(sim.target.special.size());
            const bool write = api == Api::write_control_space;
            const ByteVector bytes = random_bytes(write ? size : 0);
            const auto reply = ask(memory_request(api, selector, size, bytes));
            if (!same_boot(reply)) return false;
            if (write) {
                EXPECT_EQ(sim.target.special, bytes);
            } else {
                expect_data(*reply, sim.target.special);
            }
            return true;
        }
        case Api::read_msr:
        case Api::write_msr: {
            const std::uint64_t value = sim.chance(1u << 31);
            ByteVector msr = manipulate_request(api, 0);
            store(msr, 16, 0xc0000080u + sim.chance(3));
            store(msr, 20, api == Api::write_msr ? value : 0);
            const auto number = load_or<std::uint32_t>(msr, 16);
            const auto reply = ask(std::move(msr));
            if (!same_boot(reply)) return false;
            EXPECT_EQ(sim.target.msrs[number], api == Api::write_msr ? value : load_or<std::uint64_t>(*reply, 20));
            return true;
        }
        case Api::write_breakpoint: return set_breakpoint();
        case Api::restore_breakpoint: {
            if (handles.empty()) set_breakpoint();
            if (handles.empty() || boots != sim.target.boots()) return false;
            ByteVector clear = manipulate_request(api, 0);
            const auto handle = handles.back();
            handles.pop_back();
            store(clear, 16, handle);
            return ask(std::move(clear)).has_value();
        }
        default: break;
        }
        ByteVector away = manipulate_request(api, api == Api::switch_processor ? std::uint16_t(sim.chance(2)) : 0);
        store(away, 16, dbg_continue);
        sim.stops.clear();
        ask(std::move(away));
        return false; // there is no reply
    }

    /// Reads from an offset of the model's memory, by virtual or by physical address.
    bool read(Api api, std::uint64_t offset, std::uint32_t count) {
        const unsigned boots = sim.target.boots();
        const std::uint64_t place = sim.target.base() + offset;
        const auto reply = ask(memory_request(api, start_of(api) + offset, count));
        if (!reply || boots != sim.target.boots()) return false;
        std::uint32_t expected = 0;
        while (expected < count && sim.target.mapped(place + expected))
            ++expected;
        EXPECT_EQ(load_or<std::uint32_t>(*reply, 28), expected);
        EXPECT_EQ(succeeded(load_or<std::uint32_t>(*reply, 8)), expected == count);
        ByteVector bytes(expected);
        for (std::uint32_t i = 0; i < expected; ++i)
            bytes[i] = sim.target.byte_at(place + i);
        expect_data(*reply, bytes);
        return true;
    }

    /// Lets the target go and makes it come back with an event; ends at the next stop.
    void go(Arrival arrival) {
        ByteVector request = manipulate_request(Api::continue2, 0);
        store(request, 16, dbg_continue);
        sim.stops.clear();
        ask(std::move(request));
        if (testing::Test::HasFailure()) return;
        under_way_ = requests.size() + static_cast<std::size_t>(arrival);
        // A continue that no one acknowledged may not have arrived: then the target still stands there.
        if (!sim.target.busy()) {
            arrive(arrival);
            const auto stopped = [&] { return !sim.stops.empty(); };
            if (sim.chance(100) < line_.happenings &&
                !sim.run(stopped, std::chrono::microseconds(sim.chance(sim.chance(3) == 0 ? 200000 : 4000))))
                happen(static_cast<Happening>(sim.chance(happening_names.size() - 1)));
        }
        for (unsigned attempt = 0; attempt < 30 && sim.stops.empty(); ++attempt) {
            sim.run([&] { return !sim.stops.empty(); }, 3s);
            if (sim.stops.empty()) sim.engine.break_in();
            if (attempt % 8 == 7) sim.engine.reset(sim.now); // it may stand, with all that told of it lost
        }
        EXPECT_FALSE(sim.stops.empty()) << "no stop any more";
        check_passed();
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
    std::vector<std::string> said;
    bool lines_may_suffer = false;
    std::vector<std::uint32_t> handles; ///< of breakpoints that were set since the last restart

  private:
    static ByteVector memory_request(Api api, std::uint64_t place, std::uint32_t count, Bytes data = {}) {
        ByteVector request = manipulate_request(api, 0, data);
        store(request, 16, place);
        store(request, 24, count);
        return request;
    }

    static void expect_data(Bytes reply, Bytes expected) {
        const Bytes data = reply.subspan(manipulate_header_size);
        EXPECT_EQ(data.size(), expected.size());
        EXPECT_TRUE(std::ranges::equal(data, expected)) << "wrong data";
    }

    /// Packets are still under way when a RESET or a restart is over; one-bit ids cannot tell that they are old.
    [[nodiscard]] bool slow() const { return line_.faults.longest_delay_ms > 20; }
    [[nodiscard]] bool no_context_ex() const {
        return sim.target.context_style == TargetModel::ContextStyle::whole_only;
    }

    [[nodiscard]] std::uint64_t start_of(Api api) const {
        return api == Api::read_physical || api == Api::write_physical ? 0 : sim.target.base();
    }
    std::uint64_t random_offset() { return sim.chance(TargetModel::memory_size); }
    std::uint32_t random_size() { return 1 + sim.chance(sim.chance(16) == 0 ? 3944 : 60); }
    ByteVector random_bytes(std::uint32_t count) {
        ByteVector bytes(count);
        for (std::byte& b : bytes)
            b = static_cast<std::byte>(sim.chance(256));
        return bytes;
    }

    bool set_breakpoint() {
        const unsigned boots = sim.target.boots();
        std::uint64_t place = 0;
        do {
            place = sim.target.base() + random_offset();
        } while (sim.target.breakpoint_addresses().contains(place));
        ByteVector set = manipulate_request(Api::write_breakpoint, 0);
        store(set, 16, place);
        const auto reply = ask(std::move(set));
        if (boots != sim.target.boots()) handles.clear();
        if (!reply || boots != sim.target.boots()) return false;
        if (succeeded(load_or<std::uint32_t>(*reply, 8))) {
            EXPECT_TRUE(sim.target.breakpoint_addresses().contains(place));
            handles.push_back(load_or<std::uint32_t>(*reply, 24));
        }
        return true;
    }

    void print() {
        const std::string text = "line " + std::to_string(said.size()) + "\n";
        sim.target.print(text, sim.now);
        said.push_back(text);
    }

    void happen(Happening happening) {
        if (slow() && happening == Happening::host_reset) happening = Happening::break_in;
        meetings_.count(*under_way_, happening);
        sim.log(fmt::format("-- {}", happening_names[static_cast<std::size_t>(happening)]));
        switch (happening) {
        case Happening::break_in: sim.engine.break_in(); break;
        case Happening::host_reset:
            sim.engine.reset(sim.now);
            lines_may_suffer = true; // one that crosses the RESET
            break;
        case Happening::target_reset: sim.target.send_reset(); break;
        case Happening::restart: sim.restart(); break;
        case Happening::reopened:
            sim.reopen();
            lines_may_suffer = true;
            break;
        case Happening::silence: sim.silence_until(sim.now + std::chrono::milliseconds(sim.chance(8000))); break;
        case Happening::print: print(); break;
        case Happening::oddity: sim.target.send_oddities(sim.now); break;
        case Happening::abandoned: break;
        }
    }

    void arrive(Arrival arrival) {
        sim.log(fmt::format("-- event: {}", arrival_names[static_cast<std::size_t>(arrival)]));
        switch (arrival) {
        case Arrival::exception: sim.target.stop_with_exception(sim.now); break;
        case Arrival::module: sim.target.stop_with_module("\\x\\leaky.sys", sim.now); break;
        case Arrival::command: sim.target.stop_with_command("kb", sim.now); break;
        case Arrival::prints:
            for (unsigned i = 1 + sim.chance(4); i > 0; --i)
                print();
            break;
        case Arrival::prompt: sim.target.prompt("Break, Ignore (bi)? ", sim.now); break;
        case Arrival::file: sim.target.ask_for_file(sim.now); break;
        case Arrival::debug_register: sim.target.ask_for_debug_register(sim.now); break;
        case Arrival::oddity: sim.target.send_oddities(sim.now); break;
        case Arrival::restart: sim.restart(); break;
        }
        if (sim.chance(2) == 0) sim.target.stop_with_exception(sim.now);
    }

    /// No stop may pass unseen: what let the target go was always meant for a stop that the user knew.
    void check_passed() const {
        if (sim.header_damaged || slow()) return;
        for (const std::uint64_t stop : sim.target.passed)
            EXPECT_TRUE(sim.told.contains(stop) || sim.target.maybe_unseen.contains(stop))
                << "stop " << stop << " passed unseen";
    }

    Line line_;
    Meetings& meetings_;
    std::optional<std::size_t> under_way_; ///< a row of `Meetings`
};

void play(std::uint64_t seed, const Line& line, unsigned steps, Meetings& meetings) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Host host(seed, line, meetings);
    Simulation& sim = host.sim;
    sim.target.boot(sim.now);
    const bool good = line.happenings == 0 && line.faults.chances == Faults{}.chances;
    if (sim.chance(3) == 0) sim.target.was_debugged(sim.chance(4));
    if (sim.chance(3) == 0) sim.target.stop_with_exception(sim.now); // it waits for a debugger already
    ASSERT_NO_FATAL_FAILURE(host.attach());
    for (unsigned step = 0; step < steps; ++step) {
        for (unsigned i = sim.chance(4); i > 0; --i) {
            const Api api = requests[sim.chance(requests.size())];
            const bool answered = host.request(api);
            if (good) {
                EXPECT_TRUE(answered || Meetings::resumes(api));
            }
            if (testing::Test::HasFailure()) return;
        }
        host.go(static_cast<Arrival>(sim.chance(arrival_names.size())));
        if (testing::Test::HasFailure()) return;
    }
    // When the line is good again, everything works.
    sim.stop_faults();
    sim.log("-- the line is good");
    sim.run([] { return false; }, 10s);
    bool works = false;
    for (unsigned i = 0; i < 5 && !works && !testing::Test::HasFailure(); ++i) {
        works = host.read(Api::read_virtual, 0, 512);
        if (works) break;
        sim.engine.break_in(); // it may have restarted without a word, and run
        sim.run([] { return false; }, 2s);
    }
    EXPECT_TRUE(works) << "did not recover";
    if (!sim.header_damaged && !host.lines_may_suffer) host.check_prints();
    for (const Api api : sim.target.served)
        EXPECT_TRUE(std::ranges::find(requests, api) != requests.end()) << static_cast<unsigned>(api) << " was sent";
}

/// The rules for one seed of a good line, for tests of a single course of events.
struct Course : testing::Test {
    Course() { host.sim.target.boot(host.sim.now); }
    Meetings meetings;
    Host host{8, Line{}, meetings}; // x86 and x64 do not differ here
};

TEST_F(Course, ATargetThatStandsAtAPromptIsAnswered) {
    host.sim.target.was_debugged(1);
    host.sim.target.prompt("Break, Ignore (bi)? ", host.sim.now);
    EXPECT_TRUE(host.sim.run([&] { return !host.sim.target.prompt_answer().empty(); }, 5s));
    EXPECT_EQ(host.sim.prompts, 1u);
}

TEST_F(Course, ABreakInDoesNotWaitForTheAcknowledgementOfAContinue) {
    // Ctrl-C has five seconds; the continue was taken, its acknowledgement is lost, and what the host repeats has to be
    // read by a running target byte by byte.
    Simulation& sim = host.sim;
    for (const auto pressed_after : {300ms, 2500ms, 4500ms}) {
        host.attach();
        sim.target.poll_every = 15625us;
        ByteVector request = manipulate_request(Api::continue2, 0);
        store(request, 16, dbg_continue);
        sim.engine.request(std::move(request), Expect::resumes, sim.now);
        sim.run([] { return true; }, 0s);
        sim.silence_until(sim.now + 200ms); // the acknowledgement
        sim.run([] { return false; }, pressed_after);
        EXPECT_FALSE(sim.target.busy());
        EXPECT_FALSE(sim.engine.stopped());
        sim.stops.clear();
        sim.engine.break_in();
        EXPECT_TRUE(sim.run([&] { return !sim.stops.empty(); }, 5s)) << pressed_after.count();
    }
}

TEST(Simulation, AGoodLineLosesNothing) {
    Meetings meetings;
    for (std::uint64_t seed = 1; seed <= 100 && !HasFailure(); ++seed)
        play(seed, Line{}, 6, meetings);
}

TEST(Simulation, EveryFaultInTheMiddleOfEverything) {
    Meetings meetings;
    if (const char* one = std::getenv("POOLKD_SIMULATION_SEED")) {
        const std::uint64_t seed = std::stoull(one);
        play(seed, line_of(seed), 4, meetings);
        return;
    }
    for (std::uint64_t seed = 1; seed <= seeds && !HasFailure(); ++seed)
        play(seed, line_of(seed), 4, meetings);
    if (seeds >= 10'000 && !HasFailure()) meetings.expect_all();
}

} // namespace
} // namespace poolkd::kd::test

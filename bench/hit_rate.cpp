// PoolHitTag stop, stack, go: the rate of poolkd against the fastest loop that the protocol allows, on one machine in
// one run. The replay loop does what must cross the link at each stop and nothing else: the state change, GetContextEx,
// one KiB of stack, SetContextEx of the instruction pointer, Continue2.
//
// trace_rate: the same for a trace of the tag, with and without block pointers, against the bare loop that looks at
// nothing: the state change, GetContextEx and SetContextEx of the instruction pointer, Continue2.

#include "app/lab_command.h"
#include "base/text.h"
#include "code/stack.h"
#include "control/controller.h"
#include "debugger/debuggee.h"
#include "debugger/symbol_service.h"
#include "hunt/trace.h"
#include "target/live_target.h"

#include <benchmark/benchmark.h>

namespace poolkd {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int batches = 6, stops_a_batch = 200;
constexpr std::uint32_t context_bytes = 0x4d0, rip_offset = 0xf8, stack_bytes = 1024;

double seconds(Clock::duration time) {
    return std::chrono::duration<double>(time).count();
}

template <class T>
T must(Result<T> result) {
    if (!result) throw std::runtime_error(result.error().message);
    return std::move(*result);
}
void must(Result<void> result) {
    if (!result) throw std::runtime_error(result.error().message);
}

/// A practice machine whose kernel stops at each event of the leaking tag.
struct HitMachine {
    explicit HitMachine(const std::string& pipe)
        : symbols(symbols::SymbolEnvironment{}, work), machine(must(app::start_session_lab({.pipe = pipe}))) {
        symbols.set_path(machine.images.string());
        auto spec = must(kd::parse_connection_string("unix:" + machine.kd_socket().string()));
        auto target = must(target::LiveTarget::connect(spec, {}, work));
        live = target.get();
        debuggee = std::make_unique<debugger::Debuggee>(std::move(target), symbols.loader(), std::filesystem::path{});
        (void)debuggee->kernel.reload();
        must(debuggee->controller.adopt_stop());
        const VirtAddr hit_tag = must(debuggee->kernel.address_of("PoolHitTag"));
        must(live->write(hit_tag, std::as_bytes(std::span("Abc ", 4))));
        must(debuggee->controller.go_and_wait(work));
    }
    ~HitMachine() {
        debuggee.reset();
        (void)app::stop_lab(machine);
    }

    Work work;
    debugger::SymbolService symbols;
    app::LabMachine machine;
    target::LiveTarget* live = nullptr;
    std::unique_ptr<debugger::Debuggee> debuggee;
};

/// What `g` and `kb` do, names included.
void poolkd_batch(HitMachine& m, int stops) {
    for (int i = 0; i < stops; ++i) {
        auto registers = must(m.live->registers(0));
        auto trace = code::walk_stack(m.debuggee->kernel, registers);
        std::size_t length = 0;
        for (const code::Frame& frame : trace.value.frames)
            length += m.debuggee->kernel.modules().at(frame.ip).text().size();
        if (length == 0) throw std::runtime_error("a stack without names");
        must(m.debuggee->controller.go_and_wait(m.work));
    }
}

void replay_batch(HitMachine& m, int stops) {
    kd::Client& client = m.live->client();
    std::byte stack[stack_bytes];
    for (int i = 0; i < stops; ++i) {
        ByteVector context = must(client.get_context_ex(0, 0, context_bytes));
        RegisterFile registers(x64_machine(), context);
        (void)client.read_virtual(registers.sp(), stack);
        const std::uint64_t rip = registers.ip().value + 1;
        must(client.set_context_ex(0, rip_offset, std::as_bytes(std::span(&rip, 1)), rip_offset + sizeof rip));
        must(client.continue2(0, 0, {}));
        // The last stop goes to the controller, so that both loops can take turns.
        if (i + 1 == stops) {
            must(m.debuggee->controller.wait(m.work));
        } else if (!must(client.wait(m.work, std::chrono::seconds(10)))) {
            throw std::runtime_error("the kernel does not stop any more");
        }
    }
}

/// The instruction pointer alone: a kernel takes registers only after it has given them.
void bare_batch(HitMachine& m, int stops) {
    kd::Client& client = m.live->client();
    must(m.debuggee->controller.go_and_wait(m.work)); // a trace may end behind the allocator
    for (int i = 0; i < stops; ++i) {
        const ByteVector ip = must(client.get_context_ex(0, rip_offset, sizeof(std::uint64_t)));
        const std::uint64_t rip = load_or<std::uint64_t>(ip, 0) + 1;
        must(client.set_context_ex(0, rip_offset, std::as_bytes(std::span(&rip, 1)), rip_offset + sizeof rip));
        must(client.continue2(0, 0, {}));
        // The last stop goes to the controller, so that both loops can take turns.
        if (i + 1 == stops) {
            must(m.debuggee->controller.wait(m.work));
        } else if (!must(client.wait(m.work, std::chrono::seconds(10)))) {
            throw std::runtime_error("the kernel does not stop any more");
        }
    }
}

/// Its stops are some more where the block of the last one is still waited for: the tag stays set.
hunt::TraceReport trace_batch(HitMachine& m, int stops, bool blocks) {
    hunt::TraceOptions options;
    options.tag = *PoolTag::from_text("Abc ");
    options.stops = static_cast<std::uint64_t>(stops);
    options.blocks = blocks;
    auto report = must(hunt::trace_tag(m.debuggee->kernel, m.debuggee->controller, options, m.work));
    if (report.end != hunt::TraceEnd::limit || report.hits < *options.stops || report.unknown != 0)
        throw std::runtime_error("not all stops were hits");
    return report;
}

void trace_rate(benchmark::State& state, const std::string& pipe) {
    for (auto _ : state) {
        HitMachine m(pipe);
        trace_batch(m, stops_a_batch / 2, true); // symbols, unwind tables, places of the pointer
        Clock::duration bare{}, stacks{}, blocks{};
        double stack_hits = 0, stack_requests = 0, block_hits = 0, block_requests = 0;
        auto traced = [&](bool with_blocks, Clock::duration& time, double& hits, double& requests) {
            const auto start = Clock::now();
            const hunt::TraceReport report = trace_batch(m, stops_a_batch, with_blocks);
            time += Clock::now() - start;
            hits += static_cast<double>(report.hits);
            requests += static_cast<double>(report.requests);
        };
        for (int i = 0; i < batches; ++i) {
            const auto start = Clock::now();
            bare_batch(m, stops_a_batch);
            bare += Clock::now() - start;
            traced(false, stacks, stack_hits, stack_requests);
            traced(true, blocks, block_hits, block_requests);
        }
        const double bare_rate = batches * (stops_a_batch + 1) / seconds(bare);
        state.counters["bare_stops_per_s"] = bare_rate;
        state.counters["trace_stops_per_s"] = stack_hits / seconds(stacks);
        state.counters["with_blocks_per_s"] = block_hits / seconds(blocks);
        state.counters["ratio"] = stack_hits / seconds(stacks) / bare_rate;
        state.counters["ratio_with_blocks"] = block_hits / seconds(blocks) / bare_rate;
        state.counters["requests_a_stop"] = stack_requests / stack_hits;
        state.counters["requests_with_blocks"] = block_requests / block_hits;
    }
}

void hit_rate(benchmark::State& state, const std::string& pipe) {
    for (auto _ : state) {
        HitMachine m(pipe);
        poolkd_batch(m, stops_a_batch / 2); // unwind tables and symbols are warm from here on
        Clock::duration ours{}, replay{};
        for (int i = 0; i < batches; ++i) {
            auto start = Clock::now();
            poolkd_batch(m, stops_a_batch);
            auto middle = Clock::now();
            replay_batch(m, stops_a_batch);
            ours += middle - start;
            replay += Clock::now() - middle;
        }
        const double all = batches * stops_a_batch;
        state.counters["poolkd_stops_per_s"] = all / seconds(ours);
        state.counters["replay_stops_per_s"] = all / seconds(replay);
        state.counters["ratio"] = seconds(replay) / seconds(ours);
    }
}

BENCHMARK_CAPTURE(hit_rate, virtio, "virtio")->Iterations(1)->Unit(benchmark::kSecond);
BENCHMARK_CAPTURE(hit_rate, com1, "com1")->Iterations(1)->Unit(benchmark::kSecond);
BENCHMARK_CAPTURE(trace_rate, virtio, "virtio")->Iterations(1)->Unit(benchmark::kSecond);
BENCHMARK_CAPTURE(trace_rate, com1, "com1")->Iterations(1)->Unit(benchmark::kSecond);

} // namespace
} // namespace poolkd

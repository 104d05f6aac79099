#pragma once

#include "kd/engine.h"
#include "target_model.h"

#include <fmt/format.h>

#include <array>
#include <cstdlib>
#include <deque>
#include <functional>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace poolkd::kd::test {

/// What may go wrong with a packet on its way. A byte stream keeps its order, so nothing overtakes anything; packets of
/// the two directions cross each other as delays have it.
enum class Fault : unsigned { lost, cut, byte_lost, flipped, doubled, garbage, late };
inline constexpr std::array<std::string_view, 7> fault_names = {"lost",    "cut",     "byte lost", "flipped",
                                                                "doubled", "garbage", "late"};

/// Chances are per packet, out of 1000, in the order of `Fault`; `late` follows from the delays.
struct Faults {
    std::array<unsigned, 6> chances{};
    unsigned longest_delay_ms = 1;
};

/// An engine and a target model on a faulty line, in virtual time.
class Simulation {
  public:
    Simulation(std::uint64_t seed, Faults faults, TargetModel::MachineKind machine)
        : target(seed, machine), engine(options()), faults_(faults), random_(seed) {}

    /// Runs until `until` holds, or until `limit` of virtual time has passed (false).
    template <class Until>
    bool run(Until until, std::chrono::microseconds limit) {
        const Time end = now + limit;
        while (true) {
            exchange();
            if (until()) return true;
            Time next = end;
            auto consider = [&](std::optional<Time> t) {
                if (t && *t < next) next = *t;
            };
            consider(engine.deadline());
            consider(target.deadline());
            if (!to_target_.empty()) consider(to_target_.front().at);
            if (!to_host_.empty()) consider(to_host_.front().at);
            if (next >= end) {
                now = end;
                return until();
            }
            now = std::max(now + std::chrono::microseconds(1), next);
            deliver(to_target_, [&](Bytes b) { target.receive(b, now); });
            deliver(to_host_, [&](Bytes b) { engine.receive(b, now); });
            target.tick(now);
            engine.tick(now);
        }
    }

    /// The carrier breaks and is opened anew: what was on it is lost.
    void reopen() {
        exchange();
        to_target_.clear();
        to_host_.clear();
        engine.link_reopened(now);
    }
    void log(std::string_view text) const {
        if (std::getenv("POOLKD_SIMULATION_SEED"))
            fmt::print("{:12.3f} ms  {}\n", std::chrono::duration<double, std::milli>(now - start).count(), text);
    }
    /// The target starts anew. That takes longer than anything is on its way.
    void restart() {
        exchange();
        to_target_.clear();
        to_host_.clear();
        target.boot(now);
    }
    void silence_until(Time end) { silent_until_ = end; }
    void stop_faults() {
        faults_ = Faults{};
        silent_until_ = now;
    }
    [[nodiscard]] unsigned chance(unsigned n) { return static_cast<unsigned>(random_() % n); }

    // What the engine told, in order.
    std::vector<std::string> prints;
    std::deque<StopEvent> stops;
    std::set<std::uint64_t> told; ///< numbers of the stops that were told
    std::optional<ByteVector> reply;
    std::optional<Failure> failure;
    std::optional<DoneEvent> taken;
    unsigned outcomes = 0; ///< replies, failures and done requests
    unsigned prompts = 0;
    unsigned notices = 0;
    /// A type, count or id was changed on the way. No checksum covers them: an acknowledgement of the wrong packet or a
    /// repetition taken for a new packet may then cost or double a line of text.
    bool header_damaged = false;
    std::function<void(Fault)> on_fault = [](Fault) {};

    TargetModel target;
    Engine engine;
    static constexpr Time start{std::chrono::hours(1)};
    Time now = start;

  private:
    struct Chunk {
        Time at;
        ByteVector bytes;
    };
    /// With POOLKD_SIMULATION_SEED set, one seed is played, and its packets are printed.
    EngineOptions options() {
        EngineOptions options;
        if (std::getenv("POOLKD_SIMULATION_SEED"))
            options.trace = [this](bool sent, const Frame& frame) {
                log(fmt::format("host {} type {} id {:#x} size {} {:02x}", sent ? "sends" : "gets ",
                                static_cast<unsigned>(frame.type), frame.id, frame.payload.size(),
                                load_or<std::uint32_t>(frame.payload, 0)));
            };
        return options;
    }
    static constexpr std::chrono::milliseconds late_after{30}; // the target then repeats its packet

    void exchange() {
        put(to_target_, engine.take_output());
        put(to_host_, target.take_output());
        while (auto event = engine.next_event()) {
            if (auto* print = std::get_if<PrintEvent>(&*event)) prints.push_back(std::move(print->text));
            if (auto* stop = std::get_if<StopEvent>(&*event)) {
                log(fmt::format("stop {}{}", stop->change.program_counter - target.base(),
                                stop->repeated ? " (repeated)" : ""));
                told.insert(stop->change.program_counter - target.base());
                stops.push_back(std::move(*stop));
            }
            if (auto* answer = std::get_if<ReplyEvent>(&*event)) reply = std::move(answer->payload), ++outcomes;
            if (auto* failed = std::get_if<FailedEvent>(&*event)) failure = failed->why, ++outcomes;
            if (auto* done = std::get_if<DoneEvent>(&*event)) taken = *done, ++outcomes;
            if (std::holds_alternative<NoticeEvent>(*event)) ++notices;
            if (std::holds_alternative<PromptEvent>(*event)) {
                ++prompts;
                engine.answer_prompt("o", now);
            }
        }
        if (engine.has_output()) put(to_target_, engine.take_output());
    }

    /// Packets meet their faults one by one: a line may repeat a packet, but does not repeat two in a row as a pair,
    /// which the protocol's one-bit ids cannot tell from new ones.
    void put(std::deque<Chunk>& line, const ByteVector& bytes) {
        Bytes rest = bytes;
        while (!rest.empty()) {
            std::size_t size = 1; // a break-in byte
            if (rest[0] == std::byte{control_leader_byte}) size = packet_header_size;
            if (rest[0] == std::byte{data_leader_byte}) size = packet_header_size + load_or<std::uint16_t>(rest, 6) + 1;
            if (now >= silent_until_) put_packet(line, rest.first(size));
            rest = rest.subspan(size);
        }
    }

    bool happens(Fault fault) {
        const unsigned in_1000 = faults_.chances[static_cast<unsigned>(fault)];
        if (in_1000 == 0 || chance(1000) >= in_1000) return false;
        on_fault(fault);
        return true;
    }

    void put_packet(std::deque<Chunk>& line, Bytes bytes) {
        unsigned copies = 1;
        if (happens(Fault::lost)) copies = 0;
        if (happens(Fault::doubled)) copies = 2;
        for (unsigned copy = 0; copy < copies; ++copy) {
            ByteVector sent(bytes.begin(), bytes.end());
            if (happens(Fault::flipped)) {
                const std::size_t at_byte = random_() % sent.size();
                sent[at_byte] ^= static_cast<std::byte>(1u << chance(8));
                if (at_byte >= 4 && at_byte < 12) header_damaged = true;
            }
            if (happens(Fault::byte_lost))
                sent.erase(sent.begin() + static_cast<std::ptrdiff_t>(random_() % sent.size()));
            if (happens(Fault::cut)) sent.resize(random_() % (sent.size() + 1));
            if (happens(Fault::garbage))
                for (unsigned i = chance(40); i > 0; --i)
                    sent.push_back(static_cast<std::byte>(chance(256)));
            const auto delay = std::chrono::microseconds(100 + random_() % (1000 * faults_.longest_delay_ms));
            if (delay > late_after) on_fault(Fault::late);
            Time at = now + delay;
            if (!line.empty()) at = std::max(at, line.back().at);
            line.push_back({at, std::move(sent)});
        }
    }

    template <class Sink>
    void deliver(std::deque<Chunk>& line, Sink sink) {
        while (!line.empty() && line.front().at <= now) {
            const ByteVector bytes = std::move(line.front().bytes);
            line.pop_front();
            sink(bytes);
        }
    }

    Faults faults_;
    std::mt19937_64 random_;
    Time silent_until_{};
    std::deque<Chunk> to_target_;
    std::deque<Chunk> to_host_;
};

} // namespace poolkd::kd::test

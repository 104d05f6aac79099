#pragma once

#include "kd/engine.h"
#include "target_model.h"

#include <deque>
#include <functional>
#include <random>
#include <string>
#include <vector>

namespace poolkd::kd::test {

/// What the simulated line does to what it carries. Chances are per packet, out of 1000.
struct Faults {
    unsigned lose_byte = 0;
    unsigned lose_all = 0;
    unsigned duplicate = 0;
    unsigned flip_bit = 0;
    unsigned garbage = 0;
    unsigned longest_delay_ms = 1;
};

/// An engine and a target model on a faulty line, in virtual time.
class Simulation {
  public:
    Simulation(std::uint64_t seed, Faults faults)
        : target(seed), engine(EngineOptions{}), faults_(faults), random_(seed) {}

    /// Runs until `until` holds, or until `limit` of virtual time has passed (false).
    bool run(const std::function<bool()>& until, std::chrono::milliseconds limit) {
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

    void stop_faults() { faults_ = Faults{}; }
    [[nodiscard]] unsigned chance(unsigned n) { return static_cast<unsigned>(random_() % n); }

    // What the engine told, in order.
    std::vector<std::string> prints;
    std::deque<StopEvent> stops;
    std::optional<ByteVector> reply;
    std::optional<Failure> failure;
    std::optional<DoneEvent> taken;
    std::string prompt_reply = "o";
    unsigned prompts = 0;
    /// A type, count or id was changed on the way. No checksum covers them: an acknowledgement of the wrong packet or a
    /// repetition taken for a new packet may then cost or double a line of text.
    bool header_damaged = false;

    TargetModel target;
    Engine engine;
    Time now{std::chrono::hours(1)};

  private:
    struct Chunk {
        Time at;
        ByteVector bytes;
    };

    void exchange() {
        put(to_target_, engine.take_output());
        put(to_host_, target.take_output());
        while (auto event = engine.next_event()) {
            if (auto* print = std::get_if<PrintEvent>(&*event)) prints.push_back(std::move(print->text));
            if (auto* stop = std::get_if<StopEvent>(&*event)) stops.push_back(std::move(*stop));
            if (auto* told = std::get_if<ReplyEvent>(&*event)) reply = std::move(told->payload);
            if (auto* failed = std::get_if<FailedEvent>(&*event)) failure = failed->why;
            if (auto* done = std::get_if<DoneEvent>(&*event)) taken = *done;
            if (std::holds_alternative<PromptEvent>(*event)) {
                ++prompts;
                engine.answer_prompt(prompt_reply, now);
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
            put_packet(line, ByteVector(rest.begin(), rest.begin() + static_cast<std::ptrdiff_t>(size)));
            rest = rest.subspan(size);
        }
    }

    void put_packet(std::deque<Chunk>& line, const ByteVector& bytes) {
        auto happens = [&](unsigned in_1000) { return in_1000 > 0 && chance(1000) < in_1000; };
        unsigned copies = 1;
        if (happens(faults_.lose_all)) copies = 0;
        if (happens(faults_.duplicate)) copies = 2;
        for (unsigned copy = 0; copy < copies; ++copy) {
            ByteVector sent = bytes;
            if (happens(faults_.flip_bit)) {
                const std::size_t at_byte = random_() % sent.size();
                sent[at_byte] ^= static_cast<std::byte>(1u << chance(8));
                if (at_byte >= 4 && at_byte < 12) header_damaged = true;
            }
            if (happens(faults_.lose_byte))
                sent.erase(sent.begin() + static_cast<std::ptrdiff_t>(random_() % sent.size()));
            if (happens(faults_.garbage))
                for (unsigned i = chance(40); i > 0; --i)
                    sent.push_back(static_cast<std::byte>(chance(256)));
            Time at = now + std::chrono::microseconds(100 + random_() % (1000 * faults_.longest_delay_ms));
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
    std::deque<Chunk> to_target_;
    std::deque<Chunk> to_host_;
};

} // namespace poolkd::kd::test

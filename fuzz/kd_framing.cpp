// A hostile target on the line: the engine must neither crash nor grow without bound, and must hand on only whole
// packets. The first byte of the input chooses what the host is doing and the size of the pieces.
#include "kd/engine.h"

#include <algorithm>
#include <cstdlib>

using namespace poolkd;

namespace {

void check(bool holds) {
    if (!holds) std::abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const unsigned mode = data[0];
    Bytes rest = std::as_bytes(std::span(data + 1, size - 1));
    const std::size_t step = 1 + mode / 4 * 16;

    kd::Time now{std::chrono::hours(1)};
    kd::Engine engine;
    if (mode & 1) engine.break_in();
    if (mode & 2) engine.reset(now);
    std::size_t stops = 0;
    while (!rest.empty()) {
        const Bytes piece = rest.first(std::min(step, rest.size()));
        rest = rest.subspan(piece.size());
        now += std::chrono::milliseconds(7);
        engine.receive(piece, now);
        engine.tick(now);
        // An answer is never more than a few packets for each packet received.
        check(engine.take_output().size() <= (piece.size() / 16 + 4) * (kd::max_payload + 64));
        while (auto event = engine.next_event()) {
            if (const auto* reply = std::get_if<kd::ReplyEvent>(&*event))
                check(reply->payload.size() >= kd::manipulate_header_size && reply->payload.size() <= kd::max_payload);
            if (std::holds_alternative<kd::PromptEvent>(*event)) engine.answer_prompt("b", now);
            if (std::holds_alternative<kd::StopEvent>(*event)) ++stops;
        }
        if (engine.stopped() && engine.idle()) {
            const bool go = stops % 3 == 2;
            engine.request(kd::manipulate_request(go ? kd::Api::continue2 : kd::Api::get_version, 0),
                           go ? kd::Expect::resumes : kd::Expect::reply, now);
        }
    }
    // Whatever was under way ends when nothing more comes.
    for (unsigned i = 0; i < 200 && engine.deadline(); ++i) {
        now = std::max(now, *engine.deadline());
        engine.tick(now);
        check(engine.take_output().size() <= 4 * (kd::max_payload + 64));
        while (engine.next_event()) {
        }
    }
    check(!engine.deadline());
    check(engine.idle());
    return 0;
}

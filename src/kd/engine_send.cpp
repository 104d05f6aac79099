#include "kd/engine.h"

#include <algorithm>

/// The engine's public calls, timers and everything that puts packets on the wire.
namespace poolkd::kd {

namespace {

constexpr std::size_t most_queued = 8;
constexpr milliseconds resend_pause{10};
constexpr milliseconds progress_grace{1000};
constexpr milliseconds longest_request{60000};
constexpr unsigned sends_of_a_continue = 3;

} // namespace

Engine::Engine(EngineOptions options) : options_(std::move(options)) {}

void Engine::receive(Bytes bytes, Time now) {
    statistics_.bytes_received += bytes.size();
    bool completed = false;
    while (std::optional<Frame> frame = deframer_.next(bytes)) {
        completed = true;
        on_frame(std::move(*frame), now);
    }
    statistics_.garbage = deframer_.garbage();
    if (!deframer_.inside()) {
        frame_deadline_.reset();
    } else {
        if (!frame_deadline_ || completed) frame_deadline_ = now + options_.frame_timeout + allowance(max_payload);
        if (pending_ && pending_->acknowledged && now < pending_->started + longest_request)
            pending_->deadline = std::max(pending_->deadline, now + progress_grace);
    }
}

void Engine::tick(Time now) {
    if (frame_deadline_ && now >= *frame_deadline_) {
        frame_deadline_.reset();
        if (deframer_.abandon()) {
            ++statistics_.rejected;
            ask_again(now);
        }
    }
    if (reset_ && now >= reset_->deadline) {
        if (reset_->tries_left > 0) {
            const auto old_rx = reset_->old_rx;
            start_reset(now, reset_->tries_left);
            reset_->old_rx = old_rx;
        } else {
            give_up_reset();
        }
    }
    if (current_ && now >= current_->deadline) {
        unsigned sends = options_.sends;
        if (continue_under_way()) sends = break_in_deferred_ ? 1 : std::min(sends, sends_of_a_continue);
        if (current_->sends < sends) {
            ++statistics_.resends;
            transmit_current(now);
        } else {
            give_up_current(now);
        }
    }
    if (!reset_ && pending_ && pending_->acknowledged && now >= pending_->deadline) recover_or_fail(now);
}

std::optional<Time> Engine::deadline() const {
    std::optional<Time> first = frame_deadline_;
    auto consider = [&](Time t) { first = first ? std::min(*first, t) : t; };
    if (reset_) consider(reset_->deadline);
    if (current_) consider(current_->deadline);
    if (!reset_ && pending_ && pending_->acknowledged) consider(pending_->deadline);
    return first;
}

ByteVector Engine::take_output() {
    statistics_.bytes_sent += output_.size();
    ByteVector out;
    out.swap(output_);
    return out;
}

std::optional<Event> Engine::next_event() {
    if (events_.empty()) return std::nullopt;
    Event event = std::move(events_.front());
    events_.pop_front();
    if (const auto* print = std::get_if<PrintEvent>(&event)) kept_print_bytes_ -= print->text.size();
    return event;
}

void Engine::request(ByteVector payload, Expect expect, Time now) {
    const bool must_reset = stale_ || !synchronized_ || pending_.has_value();
    pending_ = Pending{.payload = std::move(payload), .expect = expect, .started = now};
    ++statistics_.requests;
    if (reset_) return; // sent when the exchange under way is over
    if (must_reset) {
        start_reset(now, options_.recoveries + 1);
    } else {
        send_pending(now);
    }
}

void Engine::abandon() {
    // A continue is never abandoned: it may have happened.
    if (pending_ && pending_->expect == Expect::reply) pending_->abandoned = true;
}

void Engine::answer_prompt(const std::string& answer, Time now) {
    Outgoing packet;
    packet.type = PacketType::debug_io;
    packet.payload = encode_prompt_answer(prompt_processor_, answer, prompt_longest_);
    enqueue(std::move(packet), now);
}

bool Engine::continue_under_way() const {
    return current_ && current_->is_request && pending_ && pending_->expect == Expect::resumes;
}

void Engine::break_in() {
    // The acknowledgement of a continue that was repeated already is most likely what got lost: the target runs, and
    // has to read each repetition byte by byte before it comes to the break-in. One that stands tells its stop again.
    break_in_deferred_ = pending_ && pending_->expect == Expect::resumes;
    if (!break_in_deferred_) {
        output_.push_back(std::byte{break_in_byte});
    } else if (continue_under_way() && current_->sends > 1) {
        continue_unconfirmed();
    }
}

void Engine::continue_unconfirmed() {
    current_.reset();
    synchronized_ = false;
    finish_pending(false);
}

void Engine::reset(Time now, unsigned tries) {
    start_reset(now, std::max(tries, 1u));
}

void Engine::link_reopened(Time now) {
    deframer_.abandon();
    frame_deadline_.reset();
    output_.clear();
    drop_outgoing();
    reset_.reset();
    reset_answers_due_ = 0;
    rx_.reset();
    synchronized_ = false;
    break_in_deferred_ = false;
    if (pending_) {
        if (pending_->expect == Expect::reply) {
            fail_pending(Failure::no_answer);
        } else {
            finish_pending(false);
        }
    }
    const bool was_stopped = state_ == State::stopped;
    state_ = State::unknown;
    last_stop_.reset();
    if (was_stopped) start_reset(now, options_.recoveries + 1);
}

void Engine::enqueue(Outgoing packet, Time now) {
    if (queue_.size() >= most_queued) return;
    queue_.push_back(std::move(packet));
    start_next(now);
}

void Engine::start_next(Time now) {
    if (current_ || queue_.empty()) return;
    current_ = std::move(queue_.front());
    queue_.pop_front();
    transmit_current(now);
}

void Engine::transmit_current(Time now) {
    ++current_->sends;
    append_data_packet(output_, current_->type, tx_, current_->payload);
    ++statistics_.packets_sent;
    current_->deadline = now + options_.ack_timeout + allowance(current_->payload.size());
    if (options_.trace) options_.trace(true, Frame{Frame::Kind::data, current_->type, tx_, current_->payload});
}

void Engine::send_control(PacketType type, std::uint32_t id) {
    append_control_packet(output_, type, id);
    ++statistics_.packets_sent;
    if (options_.trace) options_.trace(true, Frame{Frame::Kind::control, type, id, {}});
}

void Engine::ask_again(Time now) {
    // A burst of garbage is answered once: each RESEND makes the target repeat a whole packet.
    if (now < resend_sent_ + resend_pause) return;
    resend_sent_ = now;
    send_control(PacketType::resend, 0);
}

void Engine::send_pending(Time now) {
    Outgoing packet;
    packet.type = PacketType::manipulate;
    packet.payload = pending_->payload;
    packet.is_request = true;
    pending_->acknowledged = false;
    enqueue(std::move(packet), now);
}

void Engine::start_reset(Time now, unsigned tries) {
    const std::optional<std::uint32_t> old_rx = rx_;
    drop_outgoing();
    tx_ = initial_id;
    rx_ = initial_id;
    stale_ = false;
    last_sync_id_ = 0;
    if (pending_) pending_->acknowledged = false;
    reset_ = ResetExchange{tries - 1, false, now + options_.reset_timeout, old_rx};
    reset_sent_ = now;
    ++reset_answers_due_;
    ++statistics_.resets;
    send_control(PacketType::reset, 0);
}

void Engine::await_repeated_stop(Time now) {
    drop_outgoing();
    tx_ = initial_id;
    rx_ = initial_id;
    synchronized_ = true;
    last_sync_id_ = 0;
    first_after_reset_ = true;
    if (pending_) pending_->acknowledged = false;
    if (!reset_ && state_ == State::running && !pending_) return; // it repeats nothing
    const unsigned tries_left = reset_ ? reset_->tries_left : options_.recoveries;
    reset_ = ResetExchange{tries_left, true, now + options_.reset_timeout, std::nullopt};
}

void Engine::recover_or_fail(Time now) {
    if (pending_->abandoned || pending_->recoveries >= options_.recoveries) {
        fail_pending(Failure::no_answer);
        stale_ = true;
        return;
    }
    ++pending_->recoveries;
    start_reset(now, 2);
}

void Engine::finish_pending(bool confirmed) {
    const bool resumes = pending_->expect == Expect::resumes;
    pending_.reset();
    if (resumes) {
        state_ = State::running;
        last_stop_.reset();
    }
    emit(DoneEvent{confirmed});
    if (break_in_deferred_) {
        break_in_deferred_ = false;
        break_in();
    }
}

void Engine::fail_pending(Failure why) {
    const bool abandoned = pending_->abandoned;
    pending_.reset();
    if (!abandoned) emit(FailedEvent{why});
}

void Engine::drop_outgoing() {
    current_.reset();
    queue_.clear();
}

void Engine::current_acknowledged(Time now) {
    const bool is_request = current_->is_request;
    current_.reset();
    tx_ ^= 1;
    last_sync_id_ = 0;
    if (is_request && pending_) {
        pending_->acknowledged = true;
        pending_->deadline = now + options_.reply_timeout + allowance(max_payload);
        if (pending_->expect != Expect::reply) finish_pending(true);
    }
    start_next(now);
}

void Engine::give_up_current(Time now) {
    if (continue_under_way()) return continue_unconfirmed(); // it may run, deaf to packets
    const bool is_request = current_->is_request;
    current_.reset();
    if (!is_request || !pending_) {
        start_reset(now, options_.recoveries + 1); // if it still waits, it asks again
    } else {
        recover_or_fail(now);
    }
}

void Engine::give_up_reset() {
    reset_.reset();
    rx_.reset();
    synchronized_ = false;
    if (!pending_) return;
    if (pending_->expect == Expect::resumes) {
        finish_pending(false);
    } else {
        fail_pending(Failure::no_answer);
        stale_ = true;
    }
}

std::chrono::nanoseconds Engine::allowance(std::size_t bytes) const {
    if (options_.bytes_per_second == 0) return std::chrono::nanoseconds{0};
    return std::chrono::nanoseconds{bytes * 1'000'000'000ull / options_.bytes_per_second};
}

} // namespace poolkd::kd

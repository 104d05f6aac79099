#include "kd/engine.h"

#include <fmt/format.h>

#include <algorithm>

/// What the engine makes of the packets it receives.
namespace poolkd::kd {

namespace {

constexpr unsigned most_asked_again = 100;
constexpr unsigned most_strange_replies = 8;
constexpr std::chrono::seconds late_reset_window{2};
constexpr std::size_t most_kept_events = 4096;
constexpr std::size_t most_kept_print_bytes = 4u << 20;

/// How many bytes of a request's union the target echoes unchanged, so that a reply to another request is found out.
std::ptrdiff_t echoed_bytes(Api api) {
    switch (api) {
    case Api::read_virtual:
    case Api::write_virtual:
    case Api::read_control_space:
    case Api::write_control_space:
    case Api::read_physical:
    case Api::write_physical: return 12; // address and count
    case Api::write_breakpoint: return 8;
    case Api::restore_breakpoint:
    case Api::get_context_ex:
    case Api::set_context_ex:
    case Api::read_msr:
    case Api::write_msr: return 4; // handle, offset or number
    default: return 0;
    }
}

} // namespace

void Engine::emit(Event event) {
    // Whoever drives the engine takes events after each call; a bound all the same, should he not.
    if (const auto* print = std::get_if<PrintEvent>(&event)) {
        if (kept_print_bytes_ + print->text.size() > most_kept_print_bytes || events_.size() > most_kept_events) return;
        kept_print_bytes_ += print->text.size();
    }
    if (std::holds_alternative<NoticeEvent>(event) && events_.size() > most_kept_events) return;
    events_.push_back(std::move(event));
}

void Engine::on_frame(Frame frame, Time now) {
    if (frame.kind == Frame::Kind::bad) {
        ++statistics_.rejected;
        ask_again(now);
        return;
    }
    ++statistics_.packets_received;
    if (options_.trace) options_.trace(false, frame);
    if (frame.kind == Frame::Kind::control) {
        on_control(frame, now);
    } else {
        on_data(std::move(frame), now);
    }
}

void Engine::on_control(const Frame& frame, Time now) {
    switch (frame.type) {
    case PacketType::acknowledge:
        if (current_ && (frame.id & ~sync_bit) == tx_) current_acknowledged(now);
        return;
    case PacketType::resend:
        if (current_ && current_->asked_again < most_asked_again) {
            ++current_->asked_again;
            ++statistics_.resends;
            transmit_current(now);
        }
        return;
    case PacketType::reset: on_reset(now); return;
    default: return; // unknown control packets mean nothing to us
    }
}

void Engine::on_reset(Time now) {
    if (reset_answers_due_ > 0 && now - reset_sent_ < late_reset_window) {
        --reset_answers_due_;
        await_repeated_stop(now);
        return;
    }
    if (reset_ && reset_->answered) return; // the answer again: nothing was exchanged since
    // The target restarts the streams by itself. Our answer may in turn be answered by a target that never asked.
    reset_sent_ = now;
    reset_answers_due_ = 1;
    send_control(PacketType::reset, 0);
    await_repeated_stop(now);
}

bool Engine::repeats_last_sync(const Frame& frame) const {
    return frame.id == last_sync_id_ && checksum(frame.payload) == last_sync_sum_ &&
           frame.payload.size() == last_sync_size_;
}

void Engine::on_data(Frame frame, Time now) {
    const std::uint32_t id = frame.id & ~sync_bit;
    const bool sync = (frame.id & sync_bit) != 0;
    const bool is_stop = frame.type == PacketType::state_change_64;
    if (sync) {
        send_control(PacketType::acknowledge, id);
        if (repeats_last_sync(frame)) { // our ACK was late
            ++statistics_.duplicates;
            return;
        }
        restart_streams(id, is_stop);
        last_sync_id_ = frame.id;
        last_sync_sum_ = checksum(frame.payload);
        last_sync_size_ = frame.payload.size();
    } else if (reset_ && !reset_->answered) {
        // Sent before our RESET was read, or the repeated stop after a RESET whose answer was lost: only the answer
        // tells. Without an ACK it comes again. Prints are the exception: they must not wait, and never come twice.
        const auto io = frame.type == PacketType::debug_io ? decode_debug_io(frame.payload) : std::nullopt;
        if (!io || io->prompt) return;
        send_control(PacketType::acknowledge, id);
        if (reset_->old_rx && id != *reset_->old_rx) {
            ++statistics_.duplicates;
            return;
        }
        reset_->old_rx = id ^ 1;
    } else {
        send_control(PacketType::acknowledge, id);
        if (rx_ && id != *rx_) {
            ++statistics_.duplicates;
            return;
        }
        rx_ = id ^ 1;
        last_sync_id_ = 0;
    }
    contact_ = true;
    // A target that had not seen our ACK says its print again after a RESET, and only the text tells.
    const bool is_print =
        frame.type == PacketType::debug_io && load_or<std::uint32_t>(frame.payload, 0) == print_string;
    const bool print_again = first_after_reset_ && last_print_ && is_print && frame.payload == *last_print_;
    first_after_reset_ = false;
    if (print_again) {
        ++statistics_.duplicates;
        return;
    }
    last_print_.reset();
    if (is_print) last_print_ = frame.payload; // a prompt said again has to be answered again
    dispatch(std::move(frame), sync, now);
}

void Engine::restart_streams(std::uint32_t id, bool is_stop) {
    drop_outgoing();
    reset_.reset();
    tx_ = initial_id; // rewinding only rx would leave a target that acknowledges and never answers
    rx_ = id ^ 1;
    synchronized_ = true;
    stale_ = false;
    if (contact_) restart_seen_ = true;
    if (pending_) {
        if (pending_->expect == Expect::resumes) {
            finish_pending(true);
        } else {
            fail_pending(Failure::restarted);
        }
    }
    last_stop_.reset();
    if (!is_stop) state_ = State::running;
}

void Engine::dispatch(Frame frame, bool sync, Time now) {
    switch (frame.type) {
    case PacketType::manipulate: on_reply(std::move(frame), now); return;
    case PacketType::debug_io: on_debug_io(frame, now); return;
    case PacketType::state_change_64: on_state_change(frame, sync, now); return;
    case PacketType::file_io:
    case PacketType::control_request: on_service_request(frame, now); return;
    case PacketType::trace_io: return; // one-way; nothing known produces it
    case PacketType::state_change_32:
        emit(NoticeEvent{
            "The target reports stops in the 32-bit form of systems before Windows XP, which is not supported."});
        return;
    default:
        emit(NoticeEvent{
            fmt::format("The target sent a packet of unknown type {}.", static_cast<unsigned>(frame.type))});
        return;
    }
}

bool Engine::answers_pending(Bytes reply) const {
    const Bytes asked = pending_->payload;
    const auto api = load_or<std::uint32_t>(asked, 0);
    if (load_or<std::uint32_t>(reply, 0) != api) return false;
    return std::equal(asked.begin() + 16, asked.begin() + 16 + echoed_bytes(static_cast<Api>(api)), reply.begin() + 16);
}

void Engine::on_reply(Frame frame, Time now) {
    // A reply that nobody here asked for, at first contact: the target stands, and repeats what it told a debugger that
    // is gone. A RESET makes it tell where.
    if (!pending_ && !synchronized_ && !reset_) start_reset(now, options_.recoveries + 1);
    if (!pending_ || pending_->expect != Expect::reply || reset_) return; // an orphan
    if (!answers_pending(frame.payload)) {
        if (++pending_->strange_replies > most_strange_replies) fail_pending(Failure::no_answer);
        return;
    }
    if (!pending_->acknowledged && current_ && current_->is_request) current_acknowledged(now); // its ACK was lost
    const bool abandoned = pending_->abandoned;
    const auto round_trip = now - pending_->started;
    pending_.reset();
    if (abandoned) return;
    ++statistics_.replies;
    statistics_.round_trip_total += round_trip;
    statistics_.round_trip_worst = std::max<std::chrono::nanoseconds>(statistics_.round_trip_worst, round_trip);
    statistics_.round_trip_best = statistics_.replies == 1
                                      ? round_trip
                                      : std::min<std::chrono::nanoseconds>(statistics_.round_trip_best, round_trip);
    emit(ReplyEvent{std::move(frame.payload)});
}

void Engine::moved_on(Time now) {
    if (!current_) return;
    if (!current_->is_request || continue_under_way()) current_acknowledged(now);
}

bool Engine::must_settle_ids() const {
    // An answer with the wrong id would be dropped silently. That is so before the first RESET or SYNC, and when a
    // question comes while our answer to the one before is not acknowledged: it may be the same question or a new one.
    return !reset_ && (!synchronized_ || (current_ && !current_->is_request));
}

void Engine::on_debug_io(const Frame& frame, Time now) {
    std::optional<DebugIo> io = decode_debug_io(frame.payload);
    if (!io) {
        emit(NoticeEvent{"The target sent a malformed print; it was dropped."});
        return;
    }
    if (!io->prompt) {
        moved_on(now);
        if (state_ == State::unknown && !reset_) state_ = State::running;
        emit(PrintEvent{io->processor, std::move(io->text)});
        return;
    }
    if (must_settle_ids()) {
        start_reset(now, options_.recoveries + 1);
        return;
    }
    reset_.reset();
    moved_on(now);
    if (pending_) fail_pending(Failure::new_stop);
    state_ = State::running;
    last_stop_.reset();
    prompt_processor_ = io->processor;
    prompt_longest_ = io->longest_answer;
    emit(PromptEvent{std::move(io->text), io->longest_answer});
}

void Engine::on_service_request(const Frame& frame, Time now) {
    if (must_settle_ids()) {
        start_reset(now, options_.recoveries + 1);
        return;
    }
    reset_.reset();
    moved_on(now);
    const bool file = frame.type == PacketType::file_io;
    auto answer = file ? refuse_file_io(frame.payload) : refuse_control_request(frame.payload);
    if (!answer) return;
    if (std::string name = file ? file_io_name(frame.payload) : std::string(); !name.empty())
        emit(NoticeEvent{fmt::format("The target asked for the file {}; not served.", name)});
    Outgoing packet;
    packet.type = frame.type;
    packet.payload = std::move(*answer);
    enqueue(std::move(packet), now);
}

void Engine::on_state_change(const Frame& frame, bool sync, Time now) {
    std::optional<StateChange> change = decode_state_change(frame.payload);
    if (!change) {
        emit(NoticeEvent{"The target sent a malformed state change; it was dropped."});
        return;
    }
    const bool repeat = !sync && state_ == State::stopped && last_stop_ && change->same_stop(*last_stop_);
    if (reset_) {
        on_stop_after_reset(std::move(*change), repeat, now);
    } else if (!sync && !synchronized_) {
        // Its id tells only the phase of its own stream; a RESET settles both.
        start_reset(now, options_.recoveries + 3);
    } else if (pending_) {
        on_stop_during_request(std::move(*change), repeat, now);
    } else if (!repeat) {
        moved_on(now);
        deliver_stop(std::move(*change), false);
    }
}

void Engine::on_stop_after_reset(StateChange change, bool repeat, Time now) {
    reset_.reset();
    if (repeat) {
        if (pending_ && !pending_->abandoned) send_pending(now);
        if (pending_ && pending_->abandoned) pending_.reset();
        return;
    }
    if (pending_) {
        if (pending_->expect == Expect::resumes && state_ == State::stopped) {
            finish_pending(true);
        } else {
            fail_pending(Failure::new_stop);
        }
    }
    deliver_stop(std::move(change), true);
}

void Engine::on_stop_during_request(StateChange change, bool repeat, Time now) {
    if (pending_->expect == Expect::resumes) {
        // The same stop again is most likely a second hit whose continue was acknowledged in vain. Should it be a
        // mere repetition, the next request has the wrong id, and a RESET mends that.
        moved_on(now);
        if (pending_) finish_pending(true);
        deliver_stop(std::move(change), false);
        return;
    }
    if (repeat) {
        if (pending_->acknowledged) recover_or_fail(now); // it dropped our request
        return;
    }
    const bool phase_known = pending_->acknowledged;
    fail_pending(Failure::new_stop);
    if (phase_known) {
        deliver_stop(std::move(change), false);
    } else {
        last_stop_.reset();
        start_reset(now, options_.recoveries + 1);
    }
}

void Engine::deliver_stop(StateChange change, bool repeated) {
    state_ = State::stopped;
    last_stop_ = change;
    break_in_deferred_ = false;
    emit(StopEvent{std::move(change), restart_seen_, repeated});
    restart_seen_ = false;
}

} // namespace poolkd::kd

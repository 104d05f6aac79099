#pragma once

#include "kd/framing.h"
#include "kd/messages.h"

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <variant>

namespace poolkd::kd {

using Time = std::chrono::steady_clock::time_point;
using std::chrono::milliseconds;

/// What happened on the link since it was made. Round trips: from the first sending of a request to its reply.
struct Statistics {
    std::uint64_t packets_sent = 0, packets_received = 0;
    std::uint64_t bytes_sent = 0, bytes_received = 0;
    std::uint64_t requests = 0;
    std::uint64_t replies = 0;
    std::uint64_t resends = 0;    ///< our packets sent again
    std::uint64_t rejected = 0;   ///< packets of the target with a bad header, checksum or trailer
    std::uint64_t duplicates = 0; ///< good packets of the target that we had already
    std::uint64_t resets = 0;     ///< RESET exchanges begun by us
    std::uint64_t garbage = 0;    ///< bytes outside packets
    std::chrono::nanoseconds round_trip_total{0}, round_trip_best{0}, round_trip_worst{0};
};

/// What follows the acknowledgement of a request.
enum class Expect {
    reply,   ///< a packet with the same API number
    resumes, ///< nothing: the target leaves the stop (Continue2, Reboot, SwitchProcessor, CauseBugCheck)
    nothing, ///< nothing, and the target stays
};

enum class Failure {
    no_answer, ///< all repetitions and a RESET were in vain
    new_stop,  ///< the target reported another stop instead of answering
    restarted, ///< the target restarted its streams (boot)
};

struct PrintEvent {
    std::uint16_t processor = 0;
    std::string text;
};
/// Must be answered with `answer_prompt`; the target waits for it.
struct PromptEvent {
    std::string text;
    std::uint32_t longest_answer = 0;
};
struct StopEvent {
    StateChange change;
    bool restarted = false; ///< the target restarted its streams since the stop before
    bool repeated = false;  ///< told again after a RESET: the target stood there already
};
struct ReplyEvent {
    ByteVector payload; ///< at least `manipulate_header_size` bytes
};
/// A request without reply was taken. Not confirmed: no acknowledgement came, the target most likely runs.
struct DoneEvent {
    bool confirmed = true;
};
struct FailedEvent {
    Failure why = Failure::no_answer;
};
/// Something worth a line in a log: a file the target asked for, an unknown packet.
struct NoticeEvent {
    std::string text;
};
using Event = std::variant<PrintEvent, PromptEvent, StopEvent, ReplyEvent, DoneEvent, FailedEvent, NoticeEvent>;

struct EngineOptions {
    milliseconds ack_timeout{2000};   ///< a stopped target may need a second to notice a packet
    milliseconds reply_timeout{5000}; ///< from the acknowledgement on
    milliseconds reset_timeout{1000};
    milliseconds frame_timeout{500};    ///< for the rest of a packet after its leader
    unsigned sends = 5;                 ///< of one packet, before a RESET is tried
    unsigned recoveries = 2;            ///< RESETs for one request
    std::uint32_t bytes_per_second = 0; ///< of a slow line, added to the times above; 0: no allowance
    /// Called for every whole packet, `sent` or received.
    std::function<void(bool sent, const Frame&)> trace;
};

/// The host's side of the KD protocol over a byte stream, without any I/O: bytes and the time go in, bytes and events
/// come out. One request at a time. Sources: ReactOS's kdcom and kd64, public captures.
class Engine {
  public:
    enum class State { unknown, running, stopped };

    explicit Engine(EngineOptions options = {});

    void receive(Bytes bytes, Time now);
    void tick(Time now);
    /// When `tick` is due at the latest; nothing: not before something is received or asked.
    [[nodiscard]] std::optional<Time> deadline() const;
    /// Bytes to send, in order; the caller sends all of them.
    [[nodiscard]] ByteVector take_output();
    [[nodiscard]] bool has_output() const { return !output_.empty(); }
    [[nodiscard]] std::optional<Event> next_event();

    [[nodiscard]] State state() const { return state_; }
    /// It stands still and nothing under way lets it go: requests can be sent.
    [[nodiscard]] bool stopped() const {
        return state_ == State::stopped && !(pending_ && pending_->expect == Expect::resumes);
    }
    [[nodiscard]] bool resetting() const { return reset_.has_value(); }
    [[nodiscard]] bool idle() const { return !pending_ || pending_->abandoned; }
    [[nodiscard]] const Statistics& statistics() const { return statistics_; }

    /// Sends a manipulate request; `idle()` must be true. Ends with exactly one ReplyEvent, DoneEvent or FailedEvent,
    /// unless it is abandoned.
    void request(ByteVector payload, Expect expect, Time now);
    /// Nobody waits for the reply any more; it is dropped when it comes.
    void abandon();
    void answer_prompt(const std::string& answer, Time now);
    /// Sends one break-in byte, after a continue just sent: at the latest when its acknowledgement is overdue.
    void break_in();
    /// Starts a RESET exchange: a stopped target repeats its stop.
    void reset(Time now, unsigned tries = 1);
    /// The carrier was opened anew: whatever was under way is lost, ids must be found again.
    void link_reopened(Time now);

  private:
    struct Outgoing {
        PacketType type{};
        ByteVector payload;
        bool is_request = false;
        unsigned sends = 0;
        unsigned asked_again = 0;
        Time deadline{};
    };
    struct Pending {
        ByteVector payload;
        Expect expect = Expect::reply;
        Time started{};
        Time deadline{}; ///< counts once acknowledged
        bool acknowledged = false;
        bool abandoned = false;
        unsigned recoveries = 0;
        unsigned strange_replies = 0;
    };
    struct ResetExchange {
        unsigned tries_left = 0;
        bool answered = false; ///< RESET came back; the repeated stop is awaited
        Time deadline{};
        std::optional<std::uint32_t> old_rx; ///< for prints that were under way
    };

    // engine_send.cpp
    void enqueue(Outgoing packet, Time now);
    void start_next(Time now);
    void transmit_current(Time now);
    void send_control(PacketType type, std::uint32_t id);
    void ask_again(Time now);
    void send_pending(Time now);
    void start_reset(Time now, unsigned tries);
    void await_repeated_stop(Time now);
    void recover_or_fail(Time now);
    void finish_pending(bool confirmed);
    void fail_pending(Failure why);
    void drop_outgoing();
    void current_acknowledged(Time now);
    void give_up_current(Time now);
    void continue_unconfirmed();
    [[nodiscard]] bool continue_under_way() const;
    void give_up_reset();
    [[nodiscard]] std::chrono::nanoseconds allowance(std::size_t bytes) const;

    // engine_receive.cpp
    void on_frame(Frame frame, Time now);
    void on_control(const Frame& frame, Time now);
    void on_reset(Time now);
    void on_data(Frame frame, Time now);
    [[nodiscard]] bool repeats_last_sync(const Frame& frame) const;
    void restart_streams(std::uint32_t id, bool is_stop);
    void dispatch(Frame frame, bool sync, Time now);
    void on_reply(Frame frame, Time now);
    [[nodiscard]] bool answers_pending(Bytes reply) const;
    void on_debug_io(const Frame& frame, Time now);
    void on_state_change(const Frame& frame, bool sync, Time now);
    void on_stop_after_reset(StateChange change, bool repeat, Time now);
    void on_stop_during_request(StateChange change, bool repeat, Time now);
    void on_service_request(const Frame& frame, Time now);
    void moved_on(Time now);
    [[nodiscard]] bool must_settle_ids() const;
    void deliver_stop(StateChange change, bool repeated);
    void emit(Event event);

    EngineOptions options_;
    Deframer deframer_;
    ByteVector output_;
    std::deque<Event> events_;
    std::size_t kept_print_bytes_ = 0;
    Statistics statistics_;

    State state_ = State::unknown;
    std::uint32_t tx_ = initial_id;
    std::optional<std::uint32_t> rx_; ///< nothing: not known, any id will do
    bool synchronized_ = false;       ///< the target expects `tx_` (it began with SYNC, or a RESET was exchanged)
    bool stale_ = false;              ///< an unanswered request may still be answered: RESET before the next one
    bool contact_ = false;            ///< a data packet was accepted at some time
    bool restart_seen_ = false;       ///< since the last stop told
    bool break_in_deferred_ = false;

    std::optional<Outgoing> current_;
    std::deque<Outgoing> queue_;
    std::optional<Pending> pending_;
    std::optional<ResetExchange> reset_;
    unsigned reset_answers_due_ = 0;
    Time reset_sent_{};
    Time resend_sent_{};
    std::optional<Time> frame_deadline_;
    std::optional<StateChange> last_stop_;

    std::uint32_t last_sync_id_ = 0; ///< with SYNC; 0: none, or other traffic followed
    std::uint32_t last_sync_sum_ = 0;
    std::size_t last_sync_size_ = 0;
    std::optional<ByteVector> last_print_; ///< the print accepted last, if nothing followed it
    bool first_after_reset_ = false;       ///< no data packet was accepted since the ids began anew
    std::uint16_t prompt_processor_ = 0;
    std::uint32_t prompt_longest_ = 0;
};

} // namespace poolkd::kd

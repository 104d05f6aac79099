#include "kd/client.h"

#include "base/exception_codes.h"

#include <algorithm>
#include <thread>

/// The client's pump: connecting, waiting, answering what the target asks. Requests are in client_requests.cpp.
namespace poolkd::kd {

namespace {

/// A stopped target without a debugger repeats its report every 15 to 80 ms; listening first spares it a break-in
/// that would stop it a second time after the next continue.
constexpr milliseconds listen_first{100};
constexpr milliseconds between_attempts{2000};
constexpr milliseconds already_stopped_window{1500};
constexpr std::size_t most_kept_stops = 64;

std::string default_answer(std::string_view prompt) {
    // Assertions offer letters, "(boipt)? ": breaking once leaves the decision to the person at the debugger.
    const std::size_t open = prompt.rfind('(');
    const std::string_view letters = open == std::string_view::npos ? std::string_view{} : prompt.substr(open);
    for (char letter : {'o', 'b'})
        if (letters.find(letter) != std::string_view::npos) return std::string(1, letter);
    return "i";
}

bool is_breakpoint(const StateChange& change) {
    const auto* exception = std::get_if<ExceptionReport>(&change.report);
    return exception && exception->code == status_breakpoint;
}

} // namespace

Client::Client(std::unique_ptr<ByteLink> link, ClientOptions options)
    : link_(std::move(link)), options_(std::move(options)), engine_(options_.engine) {}

void Client::close() {
    // QEMU, for one, drops what a closed socket still held: a continue that went out last would not reach the target.
    const Time end = Clock::now() + options_.engine.ack_timeout;
    while (!broken_ && !engine_.idle() && !wants_stop(nullptr) && Clock::now() < end)
        if (!pump(slice)) break;
    link_->close();
    broken_ = true;
}

bool Client::wants_stop(const Work* work) const {
    return (work && work->stop_requested()) || (options_.interrupt && options_.interrupt->stop_requested());
}

Result<void> Client::open(const Work& work, std::optional<Time> end) {
    while (true) {
        auto opened = link_->open();
        if (opened || !options_.reconnect || opened.error().kind == ErrorKind::usage) return opened;
        for (auto waited = milliseconds{0}; waited < milliseconds{200}; waited += slice) {
            if (wants_stop(&work)) return fail(ErrorKind::stopped, "Stopped while waiting for the connection.");
            if (end && Clock::now() >= *end) return opened;
            std::this_thread::sleep_for(slice);
        }
    }
}

Result<FirstStop> Client::connect(bool break_in, const Work& work, std::optional<milliseconds> limit) {
    const Time began = Clock::now();
    const std::optional<Time> end = limit ? std::optional<Time>(began + *limit) : std::nullopt;
    POOLKD_CHECK(open(work, end));
    if (options_.on_open) options_.on_open();
    broken_ = false;
    FirstStop first;
    if (!break_in && options_.resets) engine_.reset(Clock::now());
    Time next_attempt = Clock::now() + listen_first;
    bool reset_turn = false;
    while (stops_.empty()) {
        const Time now = Clock::now();
        if (wants_stop(&work))
            return fail(ErrorKind::stopped, "Stopped while waiting for the target.{}",
                        first.break_ins == 0 ? "" : " It was asked to break in, and may still do so.");
        if (end && now >= *end) return fail(ErrorKind::link, "The target does not answer.");
        if (break_in && now >= next_attempt && !engine_.resetting()) {
            if (reset_turn && options_.resets) {
                engine_.reset(now);
            } else {
                engine_.break_in();
                ++first.break_ins;
            }
            reset_turn = !reset_turn;
            next_attempt = now + between_attempts;
        }
        if (auto pumped = pump(slice); !pumped) {
            if (!options_.reconnect) return std::unexpected(std::move(pumped).error());
            POOLKD_CHECK(open(work, end));
            broken_ = false;
            engine_.link_reopened(Clock::now());
        }
    }
    first.stop = std::move(stops_.front());
    stops_.pop_front();
    if (first.break_ins > 0) {
        first.already_stopped = !is_breakpoint(first.stop.change); // a break-in is an int3
    } else {
        first.already_stopped = Clock::now() - began < already_stopped_window;
    }
    return first;
}

Result<std::optional<StopEvent>> Client::wait(const Work& work, milliseconds limit) {
    const Time end = Clock::now() + limit;
    while (true) {
        if (!stops_.empty()) {
            StopEvent stop = std::move(stops_.front());
            stops_.pop_front();
            return stop;
        }
        if (wants_stop(&work)) return fail(ErrorKind::stopped, "Stopped.");
        const milliseconds left = std::max(std::chrono::ceil<milliseconds>(end - Clock::now()), milliseconds{0});
        if (!broken_ || reopen()) {
            auto pumped = pump(std::min(slice, left));
            if (!pumped && !options_.reconnect) return std::unexpected(std::move(pumped).error());
        } else if (!options_.reconnect) {
            return fail(ErrorKind::link, "The connection is closed.");
        } else {
            std::this_thread::sleep_for(std::min(slice, left));
        }
        if (left == milliseconds{0} && stops_.empty()) return std::nullopt;
    }
}

Result<void> Client::break_in() {
    if (broken_) POOLKD_CHECK(reopen());
    engine_.break_in();
    return flush();
}

Result<void> Client::reopen() {
    if (!options_.reconnect) return fail(ErrorKind::link, "The connection is closed.");
    POOLKD_CHECK(link_->open());
    broken_ = false;
    engine_.link_reopened(Clock::now());
    handle_events();
    notice("The connection was opened again.");
    return {};
}

Result<void> Client::flush() {
    if (!engine_.has_output()) return {};
    auto sent = link_->send(engine_.take_output());
    if (!sent) broken_ = true;
    return sent;
}

Result<void> Client::pump(milliseconds limit) {
    if (broken_) return fail(ErrorKind::link, "The connection is closed.");
    POOLKD_CHECK(flush());
    milliseconds wait = limit;
    if (const auto due = engine_.deadline())
        wait = std::clamp(std::chrono::ceil<milliseconds>(*due - Clock::now()), milliseconds{0}, limit);
    inbox_.clear();
    auto received = link_->receive(inbox_, wait);
    const Time now = Clock::now();
    if (!inbox_.empty()) engine_.receive(inbox_, now);
    engine_.tick(now);
    handle_events();
    if (!received) {
        broken_ = true;
        return received;
    }
    if (more_follows_ && reply_) return {};
    return flush();
}

void Client::handle_events() {
    while (auto event = engine_.next_event()) {
        if (auto* print = std::get_if<PrintEvent>(&*event)) {
            if (options_.on_print) options_.on_print(print->text);
        } else if (auto* prompt = std::get_if<PromptEvent>(&*event)) {
            answer(*prompt);
        } else if (auto* stop = std::get_if<StopEvent>(&*event)) {
            if (stops_.size() >= most_kept_stops) stops_.pop_front();
            stops_.push_back(std::move(*stop));
        } else if (auto* reply = std::get_if<ReplyEvent>(&*event)) {
            reply_ = std::move(reply->payload);
        } else if (auto* failed = std::get_if<FailedEvent>(&*event)) {
            failure_ = failed->why;
        } else if (auto* told = std::get_if<NoticeEvent>(&*event)) {
            notice(told->text);
        }
    }
}

void Client::answer(const PromptEvent& prompt) {
    if (options_.on_print) options_.on_print(prompt.text);
    const std::string text =
        options_.on_prompt ? options_.on_prompt(prompt.text, prompt.longest_answer) : default_answer(prompt.text);
    if (!options_.on_prompt && options_.on_print) options_.on_print(text + "\n");
    engine_.answer_prompt(text, Clock::now());
}

void Client::notice(std::string_view text) {
    if (options_.on_notice) options_.on_notice(text);
}

} // namespace poolkd::kd

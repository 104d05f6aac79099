#include "target_model.h"

#include <algorithm>

namespace poolkd::kd::test {

namespace {

constexpr std::chrono::milliseconds retry_after{30};
constexpr std::chrono::milliseconds byte_timeout{200};
constexpr unsigned print_retries = 20;

template <class T>
void put(ByteVector& out, T value) {
    out.resize(out.size() + sizeof(T));
    store(out, out.size() - sizeof(T), value);
}

std::uint64_t mix(std::uint64_t x) {
    x ^= x >> 33;
    x *= 0xff51afd7ed558ccdull;
    x ^= x >> 29;
    return x;
}

} // namespace

bool TargetModel::mapped(std::uint64_t address) const {
    if (address < base() || address >= base() + memory_size) return false;
    return (address - base()) / 4096 % 7 != 5; // every seventh page is a hole
}

std::byte TargetModel::byte_at(std::uint64_t address) const {
    if (auto it = written_.find(address); it != written_.end()) return it->second;
    return static_cast<std::byte>(mix(address * 31 + seed_ + boots_) & 0xff);
}

void TargetModel::boot(ModelTime) {
    ++boots_;
    tx_ = initial_id | sync_bit;
    rx_ = initial_id;
    waiting_ = Waiting::nothing;
    if (sending_ && !sending_->print_text.empty()) given_up.insert(sending_->print_text);
    for (const Sending& lost : queued_)
        if (!lost.print_text.empty()) given_up.insert(lost.print_text);
    sending_.reset();
    repeated_.reset();
    queued_.clear();
    break_pending_ = false;
    reset_sent_ = false;
    written_.clear();
    breakpoints_.clear();
    msrs.clear();
    processor_ = 0;
    present_ = true;
    unread_.clear();
    run_ = 0;
    packet_.clear();
}

void TargetModel::print(const std::string& text, ModelTime now) {
    if (!present_) {
        given_up.insert(text);
        return;
    }
    Sending packet{PacketType::debug_io, ByteVector(16), print_retries, text};
    store(packet.payload, 0, print_string);
    store(packet.payload, 8, static_cast<std::uint32_t>(text.size()));
    store(packet.payload, 12, std::uint32_t{0xdeadbeef});
    for (char c : text)
        packet.payload.push_back(static_cast<std::byte>(c));
    queue(std::move(packet), now);
}

/// A state change. Its program counter is the base and the number of the stop, so that a test can tell which it is.
void TargetModel::stop(std::uint32_t new_state, unsigned retries, const std::string& data, ModelTime now) {
    ++stop_number_;
    Sending packet{PacketType::state_change_64, ByteVector(state_change_size, std::byte{0x69}), retries, {}};
    store(packet.payload, 0, new_state);
    store(packet.payload, 6, processor_);
    store(packet.payload, 8, std::uint32_t{processors});
    store(packet.payload, 16, base() + 0x1000);
    store(packet.payload, 24, base() + stop_number_);
    if (new_state == state_exception) {
        store(packet.payload, 32, stop_code_);
        store(packet.payload, 36, std::uint32_t{0});
        store(packet.payload, 48, base() + stop_number_);
        store(packet.payload, 56, std::uint32_t{1});
        store(packet.payload, 64, std::uint64_t{0});
        store(packet.payload, 184, std::uint32_t{1});
    } else if (new_state == state_load_symbols) {
        store(packet.payload, 32, static_cast<std::uint32_t>(data.size()));
        store(packet.payload, 40, base());
        store(packet.payload, 60, std::uint32_t{0x20000});
        store(packet.payload, 64, std::uint8_t{0});
    }
    for (char c : data)
        packet.payload.push_back(static_cast<std::byte>(c));
    queue(std::move(packet), now);
}

void TargetModel::stop_with_exception(ModelTime now) {
    stop(state_exception, 0, {}, now);
}

void TargetModel::stop_with_module(const std::string& path, ModelTime now) {
    stop(state_load_symbols, print_retries, path + '\0', now);
}

void TargetModel::stop_with_command(const std::string& command, ModelTime now) {
    stop(state_command_string, 0, std::string("name") + '\0' + command + '\0', now);
}

void TargetModel::prompt(const std::string& text, ModelTime now) {
    prompt_answer_.clear();
    Sending packet{PacketType::debug_io, ByteVector(16), 0, {}};
    store(packet.payload, 0, get_string);
    store(packet.payload, 8, static_cast<std::uint32_t>(text.size()));
    store(packet.payload, 12, std::uint32_t{2});
    for (char c : text)
        packet.payload.push_back(static_cast<std::byte>(c));
    queue(std::move(packet), now);
}

void TargetModel::ask_for_file(ModelTime now) {
    file_refused_ = false;
    Sending packet{PacketType::file_io, ByteVector(64), 0, {}};
    store(packet.payload, 0, create_file);
    for (char c : std::string("a.sys"))
        put(packet.payload, static_cast<std::uint16_t>(c));
    put(packet.payload, std::uint16_t{0});
    queue(std::move(packet), now);
}

void TargetModel::ask_for_debug_register(ModelTime now) {
    Sending packet{PacketType::control_request, ByteVector(control_request_size), 0, {}};
    store(packet.payload, 0, std::uint32_t{0x4300});
    queue(std::move(packet), now);
}

void TargetModel::send_oddities(ModelTime now) {
    queue({PacketType::trace_io, ByteVector(trace_io_header_size), print_retries, {}}, now);
    queue({static_cast<PacketType>(0x21), ByteVector(8), print_retries, {}}, now);
}

void TargetModel::send_reset() {
    if (sending_) return;
    tx_ = rx_ = initial_id;
    reset_sent_ = true;
    control(PacketType::reset, 0);
}

void TargetModel::was_debugged(unsigned phases) {
    tx_ = initial_id | (phases & 1);
    rx_ = initial_id | (phases >> 1 & 1);
}

void TargetModel::queue(Sending packet, ModelTime now) {
    queued_.push_back(std::move(packet));
    next_queued(now);
}

void TargetModel::next_queued(ModelTime now) {
    if (sending_ || waiting_ != Waiting::nothing || queued_.empty()) return;
    Sending packet = std::move(queued_.front());
    queued_.pop_front();
    send(std::move(packet), now);
}

void TargetModel::send(Sending packet, ModelTime now) {
    sending_ = std::move(packet);
    transmit(now);
}

void TargetModel::transmit(ModelTime now) {
    put(out_, std::uint32_t{0x30303030});
    put(out_, static_cast<std::uint16_t>(sending_->type));
    put(out_, static_cast<std::uint16_t>(sending_->payload.size()));
    put(out_, tx_);
    std::uint32_t sum = 0;
    for (std::byte b : sending_->payload)
        sum += std::to_integer<std::uint32_t>(b);
    put(out_, sum);
    out_.insert(out_.end(), sending_->payload.begin(), sending_->payload.end());
    out_.push_back(std::byte{0xaa});
    retry_at_ = now + retry_after;
}

void TargetModel::control(PacketType type, std::uint32_t id) {
    put(out_, std::uint32_t{0x69696969});
    put(out_, static_cast<std::uint16_t>(type));
    put(out_, std::uint16_t{0});
    put(out_, id);
    put(out_, std::uint32_t{0});
}

std::optional<ModelTime> TargetModel::deadline() const {
    std::optional<ModelTime> due = sending_ ? std::optional(retry_at_) : std::nullopt;
    if (!unread_.empty() && !busy() && (!due || poll_at_ < *due)) due = poll_at_;
    return due;
}

void TargetModel::tick(ModelTime now) {
    poll(now);
    if (!sending_ || now < retry_at_) return;
    if (sending_->retries_left == 1) { // nobody listens: go on without a debugger
        if (!sending_->print_text.empty()) given_up.insert(sending_->print_text);
        sending_.reset();
        waiting_ = Waiting::nothing;
        tx_ = initial_id | sync_bit;
        rx_ = initial_id;
        next_queued(now);
        return;
    }
    if (sending_->retries_left > 0) --sending_->retries_left;
    transmit(now);
}

void TargetModel::acknowledged(ModelTime now) {
    Sending sent = std::move(*sending_);
    sending_.reset();
    tx_ = (tx_ ^ 1) & ~sync_bit;
    switch (sent.type) {
    case PacketType::state_change_64:
        waiting_ = Waiting::request;
        repeated_ = std::move(sent);
        break;
    case PacketType::debug_io:
        if (load_or<std::uint32_t>(sent.payload, 0) == get_string) {
            waiting_ = Waiting::prompt_answer;
            repeated_ = std::move(sent);
        }
        break;
    case PacketType::file_io:
    case PacketType::control_request:
        waiting_ = Waiting::file_answer;
        repeated_ = std::move(sent);
        break;
    default: break;
    }
    next_queued(now);
}

void TargetModel::receive(Bytes bytes, ModelTime now) {
    if (now - last_byte_ > byte_timeout) { // a packet that never got complete
        run_ = 0;
        packet_.clear();
    }
    last_byte_ = now;
    if (unread_.empty()) poll_at_ = now + poll_every;
    unread_.insert(unread_.end(), bytes.begin(), bytes.end());
    poll(now);
}

void TargetModel::poll(ModelTime now) {
    while (!unread_.empty() && (busy() || poll_every.count() == 0 || now >= poll_at_)) {
        const auto byte = std::to_integer<std::uint8_t>(unread_.front());
        unread_.pop_front();
        if (!busy()) poll_at_ = now + poll_every;
        byte_in(byte, now);
    }
}

void TargetModel::byte_in(std::uint8_t byte, ModelTime now) {
    if (!busy()) { // running: it looks for break-ins only
        run_ = 0;
        packet_.clear();
        if (byte == break_in_byte || break_pending_) {
            break_pending_ = false;
            stop_with_exception(now);
        }
        return;
    }
    if (run_ < 4) {
        const bool leader = byte == 0x30 || byte == 0x69;
        if (leader && run_ > 0 && byte == run_byte_) {
            ++run_;
        } else {
            run_ = leader ? 1 : 0;
            run_byte_ = byte;
        }
        if (byte == break_in_byte && waiting_ != Waiting::nothing && !sending_) {
            break_pending_ = true;
            report(now); // as a new packet with the next id
        }
        packet_.clear();
        return;
    }
    if (packet_.empty()) wanted_ = 2;
    present_ = true;
    packet_.push_back(std::byte{byte});
    if (packet_.size() < wanted_) return;
    if (packet_.size() == 2) {
        wanted_ = 12;
        if (run_byte_ != 0x69 || load_or<std::uint16_t>(packet_, 0) != 5) return;
        run_ = 0; // RESEND: the rest is left to the hunt
        on_control(PacketType::resend, 0, now);
        return;
    }
    const auto type = static_cast<PacketType>(load_or<std::uint16_t>(packet_, 0));
    const std::size_t count = load_or<std::uint16_t>(packet_, 2);
    const auto id = load_or<std::uint32_t>(packet_, 4);
    if (run_byte_ == 0x69) {
        run_ = 0;
        on_control(type, id, now);
        return;
    }
    if (count > max_payload || count == 0) {
        run_ = 0;
        control(PacketType::resend, 0);
        return;
    }
    wanted_ = 12 + count + 1;
    if (packet_.size() < wanted_) return;
    run_ = 0;
    const ByteVector packet = std::move(packet_);
    packet_.clear();
    const Bytes payload = Bytes(packet).subspan(12, count);
    std::uint32_t sum = 0;
    for (std::byte b : payload)
        sum += std::to_integer<std::uint32_t>(b);
    if (packet.back() != std::byte{0xaa} || sum != load_or<std::uint32_t>(packet, 8)) {
        control(PacketType::resend, 0);
        return;
    }
    on_data(type, id, payload, now);
}

void TargetModel::on_control(PacketType type, std::uint32_t id, ModelTime now) {
    if (type == PacketType::acknowledge) {
        if (sending_ && id == (tx_ & ~sync_bit)) acknowledged(now);
    } else if (type == PacketType::resend) {
        if (sending_) transmit(now);
    } else if (type == PacketType::reset) {
        tx_ = rx_ = initial_id;
        if (!reset_sent_) control(PacketType::reset, 0); // else it is the answer to its own
        reset_sent_ = false;
        report(now);
    }
}

/// Says again what it stands at: the report, prompt or file request it waits on, or the packet under way.
void TargetModel::report(ModelTime now) {
    if (waiting_ != Waiting::nothing && repeated_) {
        send(*repeated_, now);
    } else if (sending_) {
        transmit(now);
    }
}

void TargetModel::on_data(PacketType type, std::uint32_t id, Bytes payload, ModelTime now) {
    if (sending_) { // counts as an acknowledgement, right or wrong; the packet itself is dropped
        if (!sending_->print_text.empty()) given_up.insert(sending_->print_text);
        if (sending_->type == PacketType::state_change_64)
            maybe_unseen.insert(load_or<std::uint64_t>(sending_->payload, 24) - base());
        acknowledged(now);
        control(PacketType::resend, 0);
        return;
    }
    control(PacketType::acknowledge, id & ~sync_bit);
    if (id != rx_) return;
    rx_ ^= 1;
    if (type == PacketType::manipulate && waiting_ == Waiting::request) {
        serve(payload, now);
    } else if (type == PacketType::debug_io && waiting_ == Waiting::prompt_answer) {
        const auto count = std::min<std::size_t>(load_or<std::uint32_t>(payload, 12), payload.size() - 16);
        for (std::byte b : payload.subspan(16, count))
            prompt_answer_.push_back(static_cast<char>(b));
        resume(now);
    } else if (waiting_ == Waiting::file_answer && repeated_ && type == repeated_->type) {
        file_refused_ = !succeeded(load_or<std::uint32_t>(payload, 4));
        resume(now);
    }
}

void TargetModel::resume(ModelTime now) {
    waiting_ = Waiting::nothing;
    repeated_.reset();
    poll_at_ = now + poll_every;
    if (break_pending_ && queued_.empty()) {
        break_pending_ = false;
        stop_with_exception(now);
    }
    next_queued(now);
}

std::set<std::uint64_t> TargetModel::breakpoint_addresses() const {
    std::set<std::uint64_t> addresses;
    for (const auto& [handle, address] : breakpoints_)
        addresses.insert(address);
    return addresses;
}

/// The register requests, in the three styles that systems have.
std::uint32_t TargetModel::serve_context(Api api, Bytes request, ByteVector& out) {
    const Bytes data = request.subspan(56);
    const auto offset = load_or<std::uint32_t>(request, 16);
    const auto count = load_or<std::uint32_t>(request, 20);
    const bool fits = offset <= context.size() && count <= context.size() - offset;
    const auto copy_to = [&](ByteVector& record) {
        std::copy(data.begin(), data.end(), record.begin() + static_cast<std::ptrdiff_t>(offset));
    };
    if (api == Api::get_context) {
        out.insert(out.end(), context.begin(), context.end());
        return 0;
    }
    if (api == Api::set_context && data.size() == context.size()) {
        context.assign(data.begin(), data.end());
        return 0;
    }
    if (context_style == ContextStyle::whole_only || !fits) return status_unsuccessful;
    if (api == Api::get_context_ex) {
        const Bytes part = Bytes(context).subspan(offset, count);
        out.insert(out.end(), part.begin(), part.end());
        store(out, 24, count);
        return 0;
    }
    if (api != Api::set_context_ex || data.size() != count) return status_unsuccessful;
    if (context_style == ContextStyle::at_once) {
        copy_to(context);
    } else { // gathered, and taken when the announced total is reached
        copy_to(staged_);
        const auto total = load_or<std::uint32_t>(request, 24);
        if (offset + count == total) {
            std::copy_n(staged_.begin(), total, context.begin());
            std::fill(staged_.begin(), staged_.end(), std::byte{0});
        }
    }
    store(out, 24, count);
    return 0;
}

std::uint32_t TargetModel::serve_memory(Api api, Bytes request, ByteVector& out) {
    const auto address = load_or<std::uint64_t>(request, 16);
    const auto count = std::min(load_or<std::uint32_t>(request, 24), static_cast<std::uint32_t>(max_manipulate_data));
    const bool write = api == Api::write_virtual || api == Api::write_physical;
    const bool physical = api == Api::read_physical || api == Api::write_physical;
    std::uint32_t done = 0;
    while (done < count) {
        const std::uint64_t at = address + done + (physical ? base() : 0); // its physical memory is the same bytes
        if (!mapped(at)) break;
        if (write) {
            written_[at] = request[56 + done];
        } else {
            out.push_back(byte_at(at));
        }
        ++done;
    }
    store(out, 28, done);
    return done < count ? status_unsuccessful : 0;
}

std::uint32_t TargetModel::serve_breakpoint(Api api, Bytes request, ByteVector& out) {
    if (api == Api::restore_breakpoint)
        return breakpoints_.erase(load_or<std::uint32_t>(request, 16)) ? 0 : status_unsuccessful;
    const auto address = load_or<std::uint64_t>(request, 16);
    std::uint32_t handle = 0;
    for (std::uint32_t h = 1; h <= 32 && handle == 0; ++h)
        if (!breakpoints_.contains(h)) handle = h;
    for (const auto& [h, at] : breakpoints_)
        if (at == address) handle = 0;
    if (handle) breakpoints_[handle] = address;
    store(out, 24, handle);
    return handle ? 0 : status_unsuccessful;
}

std::uint32_t TargetModel::serve_control_space(Api api, Bytes request, ByteVector& out) {
    const auto address = load_or<std::uint64_t>(request, 16);
    const auto count = load_or<std::uint32_t>(request, 24);
    const bool write = api == Api::write_control_space;
    const Bytes data = request.subspan(56);
    if (machine_ == MachineKind::x86) { // an offset into KPROCESSOR_STATE: the CONTEXT and then the special registers
        const std::uint64_t whole = context.size() + special.size();
        if (address >= whole) return status_unsuccessful;
        const auto done = static_cast<std::uint32_t>(std::min<std::uint64_t>(count, whole - address));
        for (std::uint32_t i = 0; i < done; ++i) {
            const auto at = static_cast<std::size_t>(address + i);
            std::byte& b = at < context.size() ? context[at] : special[at - context.size()];
            if (write) {
                b = data[i];
            } else {
                out.push_back(b);
            }
        }
        store(out, 28, done);
        return 0;
    }
    if (address == 2 && write) {
        if (data.size() > special.size()) return status_unsuccessful;
        std::copy(data.begin(), data.end(), special.begin());
        store(out, 28, static_cast<std::uint32_t>(data.size()));
    } else if (address == 2) { // the whole size is told, also where less was asked
        out.insert(out.end(), special.begin(),
                   special.begin() + static_cast<std::ptrdiff_t>(std::min<std::size_t>(count, special.size())));
        store(out, 28, static_cast<std::uint32_t>(special.size()));
    } else if (address == 1 && !write) {
        out.resize(56 + 8);
        store(out, 56, base() + 0x180);
        store(out, 28, std::uint32_t{8});
    } else {
        return status_unsuccessful;
    }
    return 0;
}

std::uint32_t TargetModel::serve_msr(Api api, Bytes request, ByteVector& out) {
    const auto number = load_or<std::uint32_t>(request, 16);
    if (api == Api::write_msr) {
        msrs[number] = load_or<std::uint64_t>(request, 20);
    } else {
        store(out, 20, msrs[number]);
    }
    return 0;
}

bool TargetModel::serve_without_reply(Api api, Bytes request, ModelTime now) {
    switch (api) {
    case Api::reboot:
        boot(now);
        stop_with_exception(now);
        return true;
    case Api::continue_:
    case Api::continue2: leave_stop(now); return true;
    case Api::cause_bug_check:
        leave_stop(now);
        stop_with_exception(now);
        return true;
    case Api::switch_processor:
        processor_ = static_cast<std::uint16_t>(std::min(load_or<std::uint16_t>(request, 6) + 0, processors - 1));
        leave_stop(now);
        stop_code_ = 0x80000007;
        stop_with_exception(now);
        stop_code_ = 0x80000003;
        return true;
    default: return false;
    }
}

void TargetModel::leave_stop(ModelTime now) {
    passed.push_back(load_or<std::uint64_t>(repeated_->payload, 24) - base());
    resume(now);
}

void TargetModel::serve(Bytes request, ModelTime now) {
    const auto api = static_cast<Api>(load_or<std::uint32_t>(request, 0));
    served.push_back(api);
    if (serve_without_reply(api, request, now)) return;
    Sending reply{PacketType::manipulate, ByteVector(request.begin(), request.begin() + 56), 0, {}};
    ByteVector& out = reply.payload;
    std::uint32_t status = 0;
    switch (api) {
    case Api::read_virtual:
    case Api::write_virtual:
    case Api::read_physical:
    case Api::write_physical: status = serve_memory(api, request, out); break;
    case Api::get_version:
        store(out, 16, std::uint16_t{0xf});
        store(out, 18, std::uint16_t{9600});
        store(out, 24, machine_ == MachineKind::x64 ? std::uint16_t{0x8664} : std::uint16_t{0x014c});
        store(out, 32, base());
        break;
    case Api::write_breakpoint:
    case Api::restore_breakpoint: status = serve_breakpoint(api, request, out); break;
    case Api::read_control_space:
    case Api::write_control_space: status = serve_control_space(api, request, out); break;
    case Api::read_msr:
    case Api::write_msr: status = serve_msr(api, request, out); break;
    case Api::get_context:
    case Api::set_context:
    case Api::get_context_ex:
    case Api::set_context_ex: status = serve_context(api, request, out); break;
    default: status = status_unsuccessful; break;
    }
    store(out, 8, status);
    send(std::move(reply), now);
}

ByteVector TargetModel::take_output() {
    ByteVector out;
    out.swap(out_);
    if (mute) out.clear();
    return out;
}

} // namespace poolkd::kd::test

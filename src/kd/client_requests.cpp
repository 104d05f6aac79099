#include "kd/client.h"

#include <algorithm>

/// The manipulate API, one function a request. Offsets are payload offsets (windbgkd.h of ReactOS).
namespace poolkd::kd {

namespace {

constexpr milliseconds deaf_while_changing{2000}; // a living target answers in a fraction of that

std::uint32_t status_of(Bytes reply) {
    return load_or<std::uint32_t>(reply, 8);
}

Bytes data_of(Bytes reply) {
    return reply.subspan(std::min(reply.size(), manipulate_header_size));
}

/// The reply's data as far as the target vouches for it with `count`.
Bytes data_of(Bytes reply, std::size_t count) {
    const Bytes data = data_of(reply);
    return data.first(std::min(data.size(), count));
}

} // namespace

Result<ByteVector> Client::call(ByteVector payload, const Work* work) {
    return call_until(std::move(payload), work, Clock::time_point::min());
}

Result<ByteVector> Client::changing_call(ByteVector payload) {
    return call_until(std::move(payload), nullptr, Clock::now() + deaf_while_changing);
}

Result<ByteVector> Client::call_until(ByteVector payload, const Work* work, Clock::time_point deaf_until) {
    if (broken_) return fail(ErrorKind::link, "The connection is closed.");
    if (!engine_.stopped()) return fail(ErrorKind::refused, "The target is running.");
    reply_.reset();
    failure_.reset();
    engine_.request(std::move(payload), Expect::reply, Clock::now());
    while (!reply_ && !failure_) {
        if (wants_stop(work) && Clock::now() >= deaf_until) {
            engine_.abandon();
            return fail(ErrorKind::stopped, "Stopped while waiting for the target's reply.");
        }
        POOLKD_CHECK(pump(slice));
    }
    if (reply_) return std::move(*reply_);
    switch (*failure_) {
    case Failure::new_stop: return fail(ErrorKind::link, "The target reported a new stop instead of answering.");
    case Failure::restarted: return fail(ErrorKind::link, "The target was restarted.");
    case Failure::no_answer: break;
    }
    return fail(ErrorKind::link, "The target does not answer.");
}

Result<ByteVector> Client::checked(Result<ByteVector> reply, std::string_view what) {
    if (!reply || succeeded(status_of(*reply))) return reply;
    return fail(ErrorKind::unsupported, "The target refused {} (status {:#010x}).", what, status_of(*reply));
}

Result<void> Client::send_away(ByteVector payload) {
    if (broken_) return fail(ErrorKind::link, "The connection is closed.");
    if (!engine_.stopped()) return fail(ErrorKind::refused, "The target is running.");
    engine_.request(std::move(payload), Expect::resumes, Clock::now());
    return flush();
}

memory::ReadResult Client::read_pieces(Api api, std::uint64_t address, MutableBytes out, const Work* work) {
    std::size_t done = 0;
    std::optional<GapReason> gap;
    while (done < out.size() && !gap) {
        if (wants_stop(work)) {
            gap = GapReason::stopped;
            break;
        }
        const std::size_t want = std::min(out.size() - done, max_manipulate_data);
        ByteVector request = manipulate_request(api, 0);
        store(request, 16, address + done);
        store(request, 24, static_cast<std::uint32_t>(want));
        more_follows_ = want < out.size() - done;
        auto reply = call(std::move(request), work);
        if (!reply) {
            gap = reply.error().kind == ErrorKind::stopped ? GapReason::stopped : GapReason::link_lost;
            break;
        }
        // A failure comes with the bytes before the first hole; a short success is the target's own limit.
        const Bytes got = data_of(*reply, std::min<std::size_t>(load_or<std::uint32_t>(*reply, 28), want));
        std::copy(got.begin(), got.end(), out.begin() + static_cast<std::ptrdiff_t>(done));
        done += got.size();
        if (!succeeded(status_of(*reply))) {
            if (done < out.size()) gap = GapReason::unmapped;
        } else if (got.empty()) {
            gap = GapReason::malformed;
        }
    }
    more_follows_ = false;
    if (!broken_ && !flush() && done < out.size()) gap = GapReason::link_lost;
    return {done, gap};
}

memory::ReadResult Client::read_virtual(VirtAddr address, MutableBytes out, const Work* work) {
    return read_pieces(Api::read_virtual, address.value, out, work);
}

memory::ReadResult Client::read_physical(PhysAddr address, MutableBytes out, const Work* work) {
    return read_pieces(Api::read_physical, address.value, out, work);
}

Result<void> Client::write_pieces(Api api, std::uint64_t address, Bytes bytes) {
    constexpr std::uint64_t page = 4096; // a write is cut at pages, so that a failure tells the exact place
    std::size_t done = 0;
    while (done < bytes.size()) {
        if (done != 0 && wants_stop(nullptr))
            return fail_at(VirtAddr(address + done), ErrorKind::stopped,
                           fmt::format("Stopped after {} of {} bytes were written.", done, bytes.size()));
        const std::size_t to_page_end = static_cast<std::size_t>(page - (address + done) % page);
        const Bytes piece = bytes.subspan(done, std::min({bytes.size() - done, to_page_end, max_manipulate_data}));
        ByteVector request = manipulate_request(api, 0, piece);
        store(request, 16, address + done);
        store(request, 24, static_cast<std::uint32_t>(piece.size()));
        POOLKD_TRY(const ByteVector reply, changing_call(std::move(request)));
        const std::size_t written = std::min<std::size_t>(load_or<std::uint32_t>(reply, 28), piece.size());
        done += written;
        if (!succeeded(status_of(reply)) || written < piece.size()) {
            Error error{ErrorKind::unwritable,
                        fmt::format("{} of {} bytes were written; the target refused the rest (status {:#010x}).", done,
                                    bytes.size(), status_of(reply)),
                        VirtAddr(address + done)};
            return std::unexpected(std::move(error));
        }
    }
    return {};
}

Result<void> Client::write_virtual(VirtAddr address, Bytes bytes) {
    return write_pieces(Api::write_virtual, address.value, bytes);
}

Result<void> Client::write_physical(PhysAddr address, Bytes bytes) {
    return write_pieces(Api::write_physical, address.value, bytes);
}

Result<Version> Client::version() {
    // It changes nothing; but a target that was just broken into can only be let go by those who know what it is.
    POOLKD_TRY(const ByteVector reply,
               checked(changing_call(manipulate_request(Api::get_version, 0)), "to tell its version"));
    if (auto version = decode_version(reply)) return *version;
    return fail(ErrorKind::malformed, "The target's version block is too short.");
}

Result<ByteVector> Client::get_context_ex(std::uint16_t processor, std::uint32_t offset, std::uint32_t count) {
    ByteVector request = manipulate_request(Api::get_context_ex, processor);
    store(request, 16, offset);
    store(request, 20, count);
    POOLKD_TRY(const ByteVector reply, checked(call(std::move(request)), "to give a part of the registers"));
    const Bytes got = data_of(reply, std::min(load_or<std::uint32_t>(reply, 24), count));
    if (got.size() < count)
        return fail(ErrorKind::malformed, "The target gave {} of {} bytes of the registers.", got.size(), count);
    return ByteVector(got.begin(), got.end());
}

Result<ByteVector> Client::get_context(std::uint16_t processor) {
    POOLKD_TRY(const ByteVector reply,
               checked(call(manipulate_request(Api::get_context, processor)), "to give the registers"));
    const Bytes got = data_of(reply);
    return ByteVector(got.begin(), got.end());
}

Result<void> Client::set_context_ex(std::uint16_t processor, std::uint32_t offset, Bytes bytes, std::uint32_t total) {
    if (bytes.size() > max_manipulate_data) return fail(ErrorKind::usage, "Too many bytes of registers at once.");
    ByteVector request = manipulate_request(Api::set_context_ex, processor, bytes);
    store(request, 16, offset);
    store(request, 20, static_cast<std::uint32_t>(bytes.size()));
    store(request, 24, total);
    POOLKD_TRY(const ByteVector reply, checked(changing_call(std::move(request)), "to set a part of the registers"));
    return {};
}

Result<void> Client::set_context(std::uint16_t processor, Bytes context) {
    if (context.size() > max_manipulate_data) return fail(ErrorKind::usage, "The register record is too long.");
    ByteVector request = manipulate_request(Api::set_context, processor, context);
    POOLKD_TRY(const ByteVector reply, checked(changing_call(std::move(request)), "to set the registers"));
    return {};
}

Result<ByteVector> Client::read_control_space(std::uint16_t processor, std::uint64_t selector, std::uint32_t count) {
    ByteVector request = manipulate_request(Api::read_control_space, processor);
    store(request, 16, selector);
    store(request, 24, count);
    POOLKD_TRY(const ByteVector reply, checked(call(std::move(request)), "to give its control registers"));
    // ReactOS tells the whole structure's size and sends stale bytes behind what was asked for.
    const Bytes got = data_of(reply, std::min(load_or<std::uint32_t>(reply, 28), count));
    return ByteVector(got.begin(), got.end());
}

Result<void> Client::write_control_space(std::uint16_t processor, std::uint64_t selector, Bytes bytes) {
    if (bytes.size() > max_manipulate_data)
        return fail(ErrorKind::usage, "Too many bytes of control registers at once.");
    ByteVector request = manipulate_request(Api::write_control_space, processor, bytes);
    store(request, 16, selector);
    store(request, 24, static_cast<std::uint32_t>(bytes.size()));
    POOLKD_TRY(const ByteVector reply, checked(changing_call(std::move(request)), "to set its control registers"));
    return {};
}

Result<std::uint64_t> Client::read_msr(std::uint16_t processor, std::uint32_t msr) {
    ByteVector request = manipulate_request(Api::read_msr, processor);
    store(request, 16, msr);
    POOLKD_TRY(const ByteVector reply, checked(call(std::move(request)), fmt::format("to read MSR {:#x}", msr)));
    return load_or<std::uint32_t>(reply, 20) | std::uint64_t{load_or<std::uint32_t>(reply, 24)} << 32;
}

Result<void> Client::write_msr(std::uint16_t processor, std::uint32_t msr, std::uint64_t value) {
    ByteVector request = manipulate_request(Api::write_msr, processor);
    store(request, 16, msr);
    store(request, 20, value);
    POOLKD_TRY(const ByteVector reply,
               checked(changing_call(std::move(request)), fmt::format("to write MSR {:#x}", msr)));
    return {};
}

Result<std::uint32_t> Client::set_breakpoint(VirtAddr address) {
    ByteVector request = manipulate_request(Api::write_breakpoint, 0);
    store(request, 16, address.value);
    POOLKD_TRY(const ByteVector reply, changing_call(std::move(request)));
    const auto handle = load_or<std::uint32_t>(reply, 24);
    if (!succeeded(status_of(reply)) || handle == 0)
        return fail_at(address, ErrorKind::refused,
                       "The target did not set the breakpoint: it holds at most 32, and one at an address.");
    return handle;
}

Result<void> Client::clear_breakpoint(std::uint32_t handle) {
    ByteVector request = manipulate_request(Api::restore_breakpoint, 0);
    store(request, 16, handle);
    POOLKD_TRY(const ByteVector reply, changing_call(std::move(request)));
    if (!succeeded(status_of(reply)))
        return fail(ErrorKind::not_found, "The target has no breakpoint with handle {}.", handle);
    return {};
}

Result<void> Client::continue2(std::uint16_t processor, std::uint16_t machine, const ContinueCommand& command) {
    ByteVector request = manipulate_request(Api::continue2, processor);
    store(request, 16, command.status);
    store(request, 20, std::uint32_t{command.trace ? 1u : 0u});
    // Symbol start 1 and end 0: leave the target's own range stepping alone.
    if (machine == machine_x86) {
        store(request, 24, static_cast<std::uint32_t>(command.dr7));
        store(request, 28, std::uint32_t{1});
    } else if (machine != machine_arm64) {
        store(request, 24, command.dr7);
        store(request, 32, std::uint64_t{1});
    }
    return send_away(std::move(request));
}

Result<void> Client::reboot() {
    return send_away(manipulate_request(Api::reboot, 0));
}

Result<void> Client::cause_bug_check() {
    return send_away(manipulate_request(Api::cause_bug_check, 0));
}

Result<void> Client::switch_processor(std::uint16_t processor) {
    return send_away(manipulate_request(Api::switch_processor, processor));
}

} // namespace poolkd::kd

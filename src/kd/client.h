#pragma once

#include "base/address.h"
#include "base/error.h"
#include "base/work.h"
#include "kd/engine.h"
#include "kd/link.h"
#include "memory/memory.h"

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace poolkd::kd {

struct ClientOptions {
    EngineOptions engine;
    bool reconnect = false; ///< open the carrier again when it closes
    bool resets = true;     ///< RESET while the first contact is made
    std::function<void(std::string_view)> on_print;
    /// Answers a question of the target (an assertion, a "(boipt)?" dialog); without it a sensible letter is chosen.
    std::function<std::string(std::string_view prompt, std::size_t longest)> on_prompt;
    std::function<void(std::string_view)> on_notice;
    std::function<void()> on_open; ///< the carrier is there for the first time
    /// Its stop request ends every wait within about 20 ms, also where no Work is passed. Must outlive the client.
    const Work* interrupt = nullptr;
};

/// The stop at which contact was made.
struct FirstStop {
    StopEvent stop;
    bool already_stopped = false; ///< it stood before we came, or stopped for a reason of its own
    unsigned break_ins = 0;       ///< break-in bytes that were sent; more than one may leave a second stop behind
};

struct ContinueCommand {
    std::uint32_t status = dbg_continue;
    bool trace = false;
    std::uint64_t dr7 = 0x400;
};

/// A blocking client: drives the engine over a carrier. Requests need a stopped target (kind `refused` otherwise).
/// Errors of kind `link` tell that the carrier is gone or the target does not answer, `stopped` that the user stopped
/// the wait, `unsupported` that the target refused the request; the message gives its status.
class Client {
  public:
    Client(std::unique_ptr<ByteLink> link, ClientOptions options);

    // --- connection -------------------------------------------------------------------------------------------
    /// Opens the carrier and waits for the first stop. With `break_in` the target is asked to stop, by break-in bytes
    /// and RESETs in turn, since one works on a running and the other on a stopped target.
    Result<FirstStop> connect(bool break_in, const Work& work, std::optional<milliseconds> limit = std::nullopt);
    /// The next stop; nothing when the time is over first. Reopens a broken carrier where that is wanted.
    Result<std::optional<StopEvent>> wait(const Work& work, milliseconds limit);
    Result<void> break_in();
    [[nodiscard]] bool stopped() const { return engine_.stopped() && !broken_; }
    /// A stop came in the place of a reply; the next `wait` returns it at once.
    [[nodiscard]] bool stop_waits() const { return !stops_.empty(); }
    [[nodiscard]] const Statistics& statistics() const { return engine_.statistics(); }
    /// Once the target has acknowledged what was sent last, within the time that it has for that.
    void close();

    // --- memory -----------------------------------------------------------------------------------------------
    memory::ReadResult read_virtual(VirtAddr address, MutableBytes out, const Work* work = nullptr);
    memory::ReadResult read_physical(PhysAddr address, MutableBytes out, const Work* work = nullptr);
    /// All bytes or an error that tells how many were written.
    Result<void> write_virtual(VirtAddr address, Bytes bytes);
    Result<void> write_physical(PhysAddr address, Bytes bytes);

    // --- processors -------------------------------------------------------------------------------------------
    Result<Version> version();
    /// `count` bytes of the CONTEXT from `offset` on; `unsupported` on systems before Windows 8.
    Result<ByteVector> get_context_ex(std::uint16_t processor, std::uint32_t offset, std::uint32_t count);
    Result<ByteVector> get_context(std::uint16_t processor);
    /// `total`: how many bytes of CONTEXT are replaced when the last piece has come (Windows gathers pieces until
    /// offset + size reaches it; ReactOS takes each piece at once).
    Result<void> set_context_ex(std::uint16_t processor, std::uint32_t offset, Bytes bytes, std::uint32_t total);
    Result<void> set_context(std::uint16_t processor, Bytes context);
    /// At most `count` bytes of a control space; what `selector` means depends on the machine.
    Result<ByteVector> read_control_space(std::uint16_t processor, std::uint64_t selector, std::uint32_t count);
    Result<void> write_control_space(std::uint16_t processor, std::uint64_t selector, Bytes bytes);
    Result<std::uint64_t> read_msr(std::uint16_t processor, std::uint32_t msr);
    Result<void> write_msr(std::uint16_t processor, std::uint32_t msr, std::uint64_t value);

    // --- breakpoints and running ------------------------------------------------------------------------------
    Result<std::uint32_t> set_breakpoint(VirtAddr address);
    Result<void> clear_breakpoint(std::uint32_t handle);
    /// Lets the target go. Returns once the request is on its way; `wait` sees to the rest.
    Result<void> continue2(std::uint16_t processor, std::uint16_t machine, const ContinueCommand& command);
    Result<void> reboot();
    Result<void> cause_bug_check();
    /// The stop then reported comes from that processor.
    Result<void> switch_processor(std::uint16_t processor);

  private:
    using Clock = std::chrono::steady_clock;
    /// Ctrl-C only sets a flag; a wait looks at it this often.
    static constexpr milliseconds slice{20};

    Result<void> open(const Work& work, std::optional<Time> end);
    Result<void> reopen();
    Result<void> flush();
    Result<void> pump(milliseconds limit);
    void handle_events();
    void answer(const PromptEvent& prompt);
    void notice(std::string_view text);
    /// One request and its reply, whatever the status in it.
    Result<ByteVector> call(ByteVector payload, const Work* work = nullptr);
    /// The same for what changes the target: a stop request waits a while for the reply. Without it nobody would know
    /// the handle of a breakpoint that is set, or whether bytes were written.
    Result<ByteVector> changing_call(ByteVector payload);
    Result<ByteVector> call_until(ByteVector payload, const Work* work, Clock::time_point deaf_until);
    /// A failure status becomes an error of kind `unsupported`.
    [[nodiscard]] static Result<ByteVector> checked(Result<ByteVector> reply, std::string_view what);
    Result<void> send_away(ByteVector payload);
    [[nodiscard]] bool wants_stop(const Work* work) const;
    memory::ReadResult read_pieces(Api api, std::uint64_t address, MutableBytes out, const Work* work);
    Result<void> write_pieces(Api api, std::uint64_t address, Bytes bytes);

    std::unique_ptr<ByteLink> link_;
    ClientOptions options_;
    Engine engine_;
    ByteVector inbox_;
    std::deque<StopEvent> stops_;
    std::optional<ByteVector> reply_;
    std::optional<Failure> failure_;
    bool more_follows_ = false; ///< the next request comes at once: its write carries the ACK
    bool broken_ = false;
};

} // namespace poolkd::kd

#pragma once

#include "base/bytes.h"
#include "kd/wire.h"

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace poolkd::kd::test {

using ModelTime = std::chrono::steady_clock::time_point;

/// A small KD target: what a kernel's stub does with ids, acknowledgements, repetitions, RESET and break-in, written
/// from the protocol description with a parser of its own, so that it checks the engine rather than repeats it.
class TargetModel {
  public:
    enum class MachineKind { x64, x86 };
    explicit TargetModel(std::uint64_t seed, MachineKind machine = MachineKind::x64)
        : context(machine == MachineKind::x64 ? 0x4d0 : 0x2cc),
          special(machine == MachineKind::x64 ? 0xd8 : 0x54, std::byte{0x11}), seed_(seed), machine_(machine),
          staged_(context.size()) {}

    // --- what the world does to it
    void boot(ModelTime now);
    void print(const std::string& text, ModelTime now);
    void stop_with_exception(ModelTime now);
    void stop_with_module(const std::string& path, ModelTime now);
    void stop_with_command(const std::string& command, ModelTime now);
    void prompt(const std::string& text, ModelTime now);
    void ask_for_file(ModelTime now);
    void ask_for_debug_register(ModelTime now);
    /// A trace packet and one of a type that nobody knows: acknowledged, and otherwise ignored.
    void send_oddities(ModelTime now);
    /// Restarts the streams by itself, between two packets.
    void send_reset();
    /// Talked with a debugger before, in this boot: no SYNC any more, and ids of any phase.
    void was_debugged(unsigned phases);

    // --- the line
    void receive(Bytes bytes, ModelTime now);
    void tick(ModelTime now);
    [[nodiscard]] std::optional<ModelTime> deadline() const;
    ByteVector take_output();

    // --- what a test may look at
    [[nodiscard]] bool busy() const { return sending_.has_value() || waiting_ != Waiting::nothing; }
    [[nodiscard]] bool stopped() const { return waiting_ == Waiting::request; }
    [[nodiscard]] std::uint64_t stop_number() const { return stop_number_; }
    [[nodiscard]] std::byte byte_at(std::uint64_t address) const;
    [[nodiscard]] bool mapped(std::uint64_t address) const;
    [[nodiscard]] std::uint64_t base() const { return machine_ == MachineKind::x64 ? memory_base : 0xffffffff80400000; }
    [[nodiscard]] const std::string& prompt_answer() const { return prompt_answer_; }
    [[nodiscard]] bool file_refused() const { return file_refused_; }
    [[nodiscard]] unsigned boots() const { return boots_; }
    [[nodiscard]] bool present() const { return present_; }
    [[nodiscard]] std::uint16_t processor() const { return processor_; }
    std::vector<std::uint64_t> passed;    ///< numbers of the stops at which a request let it go
    std::set<std::uint64_t> maybe_unseen; ///< numbers of the stops that only a chance packet acknowledged
    std::set<std::string> given_up;       ///< prints that may be lost: nobody acknowledged them properly

    static constexpr std::uint64_t memory_base = 0xfffff80000000000;
    static constexpr std::uint64_t memory_size = 64 * 4096;
    enum class ContextStyle { at_once, staged, whole_only };
    ContextStyle context_style = ContextStyle::at_once;
    ByteVector context; ///< of all its processors
    ByteVector special; ///< KSPECIAL_REGISTERS
    std::map<std::uint32_t, std::uint64_t> msrs;
    bool mute = false; ///< says nothing any more
    /// While it runs it looks at one byte each time; zero: at once at whatever comes.
    std::chrono::microseconds poll_every{0};
    std::uint16_t processors = 1;
    std::set<std::uint64_t> breakpoint_addresses() const;
    std::vector<Api> served; ///< in order

  private:
    enum class Waiting { nothing, request, prompt_answer, file_answer };
    struct Sending {
        PacketType type{};
        ByteVector payload;
        unsigned retries_left = 0; ///< 0: for ever
        std::string print_text;
    };

    void send(Sending packet, ModelTime now);
    void transmit(ModelTime now);
    void acknowledged(ModelTime now);
    void poll(ModelTime now);
    void byte_in(std::uint8_t byte, ModelTime now);
    void on_control(PacketType type, std::uint32_t id, ModelTime now);
    void on_data(PacketType type, std::uint32_t id, Bytes payload, ModelTime now);
    void control(PacketType type, std::uint32_t id);
    void report(ModelTime now);
    void stop(std::uint32_t new_state, unsigned retries, const std::string& data, ModelTime now);
    void queue(Sending packet, ModelTime now);
    std::uint32_t serve_context(Api api, Bytes request, ByteVector& out);
    std::uint32_t serve_control_space(Api api, Bytes request, ByteVector& out);
    std::uint32_t serve_memory(Api api, Bytes request, ByteVector& out);
    std::uint32_t serve_breakpoint(Api api, Bytes request, ByteVector& out);
    std::uint32_t serve_msr(Api api, Bytes request, ByteVector& out);
    bool serve_without_reply(Api api, Bytes request, ModelTime now);
    void serve(Bytes request, ModelTime now);
    void leave_stop(ModelTime now);
    void resume(ModelTime now);
    void next_queued(ModelTime now);

    std::uint64_t seed_;
    MachineKind machine_;
    unsigned boots_ = 0;
    std::uint32_t tx_ = initial_id | sync_bit;
    std::uint32_t rx_ = initial_id;
    Waiting waiting_ = Waiting::nothing;
    std::optional<Sending> sending_;
    std::optional<Sending> repeated_; ///< the message that a RESET makes it say again
    std::deque<Sending> queued_;
    ModelTime retry_at_{};
    ModelTime last_byte_{};
    std::deque<std::byte> unread_; ///< what waits to be polled
    ModelTime poll_at_{};
    ByteVector out_;
    bool break_pending_ = false;
    bool reset_sent_ = false;
    bool present_ = true;
    std::uint64_t stop_number_ = 0;
    std::uint16_t processor_ = 0; ///< the one that reports
    std::uint32_t stop_code_ = 0x80000003;
    std::map<std::uint64_t, std::byte> written_;
    std::map<std::uint32_t, std::uint64_t> breakpoints_;
    ByteVector staged_;
    std::string prompt_answer_;
    bool file_refused_ = false;

    std::uint8_t run_byte_ = 0;
    unsigned run_ = 0;
    ByteVector packet_;      ///< behind the leader
    std::size_t wanted_ = 0; ///< bytes of it to look at next
};

} // namespace poolkd::kd::test

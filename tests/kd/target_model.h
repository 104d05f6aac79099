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
    explicit TargetModel(std::uint64_t seed) : seed_(seed) {}

    // --- what the world does to it
    void boot(ModelTime now);
    void print(const std::string& text, ModelTime now);
    void stop_with_exception(ModelTime now);
    void stop_with_module(const std::string& path, ModelTime now);
    void prompt(const std::string& text, ModelTime now);
    void ask_for_file(ModelTime now);

    // --- the line
    void receive(Bytes bytes, ModelTime now);
    void tick(ModelTime now);
    [[nodiscard]] std::optional<ModelTime> deadline() const {
        return sending_ ? std::optional(retry_at_) : std::nullopt;
    }
    ByteVector take_output();

    // --- what a test may look at
    [[nodiscard]] bool busy() const { return sending_.has_value() || waiting_ != Waiting::nothing; }
    [[nodiscard]] bool stopped() const { return waiting_ == Waiting::request; }
    [[nodiscard]] std::uint64_t stop_number() const { return stop_number_; }
    [[nodiscard]] std::byte byte_at(std::uint64_t address) const;
    [[nodiscard]] static bool mapped(std::uint64_t address);
    [[nodiscard]] const std::string& prompt_answer() const { return prompt_answer_; }
    [[nodiscard]] bool file_refused() const { return file_refused_; }
    [[nodiscard]] unsigned boots() const { return boots_; }
    [[nodiscard]] bool present() const { return present_; }
    std::set<std::string> given_up; ///< prints that may be lost: nobody acknowledged them properly

    static constexpr std::uint64_t memory_base = 0xfffff80000000000;
    static constexpr std::uint64_t memory_size = 64 * 4096;
    enum class ContextStyle { at_once, staged, whole_only };
    ContextStyle context_style = ContextStyle::at_once;
    ByteVector context = ByteVector(0x4d0); ///< of its only processor
    bool mute = false;                      ///< says nothing any more
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
    void byte_in(std::uint8_t byte, ModelTime now);
    void on_control(PacketType type, std::uint32_t id, ModelTime now);
    void on_data(PacketType type, std::uint32_t id, Bytes payload, ModelTime now);
    void control(PacketType type, std::uint32_t id);
    void report(ModelTime now);
    std::uint32_t serve_context(Api api, Bytes request, ByteVector& out);
    void serve(Bytes request, ModelTime now);
    void resume(ModelTime now);
    void next_queued(ModelTime now);

    std::uint64_t seed_;
    unsigned boots_ = 0;
    std::uint32_t tx_ = initial_id | sync_bit;
    std::uint32_t rx_ = initial_id;
    Waiting waiting_ = Waiting::nothing;
    std::optional<Sending> sending_;
    std::optional<Sending> repeated_; ///< the message that a RESET makes it say again
    std::deque<Sending> queued_;
    ModelTime retry_at_{};
    ModelTime last_byte_{};
    ByteVector out_;
    bool break_pending_ = false;
    bool present_ = true;
    std::uint64_t stop_number_ = 0;
    std::map<std::uint64_t, std::byte> written_;
    std::map<std::uint32_t, std::uint64_t> breakpoints_;
    ByteVector staged_ = ByteVector(0x4d0);
    std::string prompt_answer_;
    bool file_refused_ = false;

    std::uint8_t run_byte_ = 0;
    unsigned run_ = 0;
    ByteVector packet_; ///< behind the leader
};

} // namespace poolkd::kd::test

#pragma once

#include "kd/client.h"
#include "kd/connection_string.h"
#include "memory/cache.h"
#include "target/context_access.h"
#include "target/target.h"

#include <functional>
#include <memory>
#include <string_view>

namespace poolkd::target {

struct LiveOptions {
    bool break_in = true;                           ///< false: wait for the target to stop by itself
    std::optional<std::chrono::milliseconds> limit; ///< for the first contact; nothing: until it comes or is stopped
    std::function<void(std::string_view)> on_print;
    std::function<std::string(std::string_view prompt, std::size_t longest)> on_prompt;
    std::function<void(std::string_view)> on_notice;
    std::function<void(bool sent, const kd::Frame&)> trace;
    std::function<void()> on_open; ///< the line is there; what the target says to it comes later
    /// Ends every wait for the target, also inside requests that take no Work. Must outlive the target.
    const Work* interrupt = nullptr;
};

/// A kernel at the other end of a KD connection. Everything it does happens in the caller's thread.
class LiveTarget final : public Target, public Writable, public RunControl, public BreakpointSlots {
  public:
    /// Connects and waits for the first stop. Kinds of failure: `link` (no connection, no answer), `stopped` (by the
    /// user), `unsupported` (a machine that poolkd cannot debug).
    static Result<std::unique_ptr<LiveTarget>> connect(const kd::LinkSpec& spec, LiveOptions options, const Work& work);
    /// The same over a carrier of the caller's.
    static Result<std::unique_ptr<LiveTarget>> connect(std::unique_ptr<kd::ByteLink> link, const kd::LinkSpec& spec,
                                                       LiveOptions options, const Work& work);
    ~LiveTarget() override;

    /// True when the target stood still before we came (a debugger left it so, or it waits at boot), or stopped by
    /// itself before our break-in reached it.
    [[nodiscard]] bool was_already_stopped() const { return already_stopped_; }

    [[nodiscard]] const Identity& identity() const override { return identity_; }
    [[nodiscard]] Epoch epoch() const override { return epoch_; }
    memory::AddressSpace& memory() override { return cached_; }
    memory::PhysicalMemory& physical() override { return physical_; }
    Result<RegisterFile> registers(std::uint32_t processor) override;
    Result<ByteVector> special_registers(std::uint32_t processor) override;
    Result<VirtAddr> processor_block(std::uint32_t processor) override;
    Writable* writable() override { return this; }
    RunControl* run_control() override { return this; }
    BreakpointSlots* breakpoints() override { return this; }
    [[nodiscard]] const LinkStatistics* link_statistics() const override;

    Result<void> write(VirtAddr address, Bytes bytes) override;
    Result<void> write_physical(PhysAddr address, Bytes bytes) override;
    Result<void> set_registers(std::uint32_t processor, const RegisterFile& registers) override;
    Result<void> set_special_registers(std::uint32_t processor, Bytes record) override;

    /// Also while a stop waits that nobody has seen: `wait` hands it out.
    [[nodiscard]] bool running() const override { return !client_.stopped() || client_.stop_waits(); }
    [[nodiscard]] const Stop& last_stop() const override { return stop_; }
    Result<void> resume(const Resume& how) override;
    Result<std::optional<Stop>> wait(Work& work, std::chrono::milliseconds limit) override;
    Result<void> break_in() override;
    Result<Stop> switch_processor(std::uint32_t processor) override;
    Result<void> reboot() override;

    Result<std::uint32_t> set_breakpoint(VirtAddr address) override;
    Result<void> clear_breakpoint(std::uint32_t handle) override;

    /// For requests of the protocol that no other target has (MSRs, control spaces).
    kd::Client& client() { return client_; }

  private:
    /// Memory as the link gives it, uncached.
    struct VirtualOverLink final : memory::AddressSpace {
        explicit VirtualOverLink(LiveTarget& target) : owner(target) {}
        memory::ReadResult read(VirtAddr address, MutableBytes out, Work* work) override {
            return owner.client_.read_virtual(address, out, work);
        }
        [[nodiscard]] unsigned pointer_size() const override { return owner.identity_.machine->pointer_size; }
        LiveTarget& owner;
    };
    struct PhysicalOverLink final : memory::PhysicalMemory {
        explicit PhysicalOverLink(kd::Client& c) : client(c) {}
        memory::ReadResult read(PhysAddr address, MutableBytes out) override {
            return client.read_physical(address, out);
        }
        kd::Client& client;
    };

    LiveTarget(std::unique_ptr<kd::ByteLink> link, kd::ClientOptions options);

    Result<void> begin(const kd::LinkSpec& spec, const LiveOptions& options, const Work& work);
    Result<void> learn_identity(bool restarted);
    Result<void> check_processor(std::uint32_t processor) const;
    void accept(const kd::StopEvent& event);
    [[nodiscard]] bool is_leftover_break(const Stop& stop) const;
    /// Whether the stop with these registers is the kernel's answer to a break-in byte.
    [[nodiscard]] bool stands_in_break_in(const RegisterFile& registers);
    /// The machine whose control space is KPROCESSOR_STATE; the others have numbered records.
    [[nodiscard]] bool x86_control_space() const;
    [[nodiscard]] std::uint64_t special_registers_place() const; ///< in the control space
    /// False: it was no break-in after all, and the target still stands.
    Result<bool> step_past_leftover_break();
    void changed() { ++epoch_; }

    kd::Client client_;
    Identity identity_;
    Epoch epoch_ = 1;
    VirtualOverLink virtual_{*this};
    PhysicalOverLink physical_{client_};
    memory::CachedSpace cached_;
    ContextAccess contexts_;
    Stop stop_;
    bool already_stopped_ = false;
    unsigned break_ins_since_resume_ = 0;
    unsigned leftover_breaks_ = 0; ///< break-in bytes that may still stop the target once more
    VirtAddr break_ip_;            ///< where such a stop would be
    std::chrono::steady_clock::time_point resumed_{};
    mutable LinkStatistics statistics_;
};

} // namespace poolkd::target

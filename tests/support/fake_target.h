#pragma once

#include "target/target.h"

#include <algorithm>
#include <chrono>
#include <deque>
#include <functional>
#include <initializer_list>
#include <map>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace poolkd::testing {

/// Bytes of an address space in memory: pages of 4096 bytes that are there or not. Reads stop at the first page that
/// is not there, as a link does. Counts what is asked, so that a test can hold a bound on it.
template <class Where>
class SparseBytes {
  public:
    static constexpr std::uint64_t page_bytes = 4096;

    /// Makes every page that [address, address + size) touches present (zero where it was absent).
    void map(Where address, std::uint64_t size) {
        if (size == 0) return;
        for (std::uint64_t page = address.value / page_bytes;; ++page) {
            pages_.try_emplace(page, ByteVector(page_bytes));
            if (page == (address.value + size - 1) / page_bytes) break;
        }
    }
    void unmap(Where address) { pages_.erase(address.value / page_bytes); }

    /// Maps and fills.
    void put(Where address, Bytes bytes) {
        map(address, bytes.size());
        (void)write(address, bytes);
    }
    void put(Where address, std::initializer_list<unsigned> bytes) {
        ByteVector raw;
        for (unsigned b : bytes)
            raw.push_back(static_cast<std::byte>(b));
        put(address, Bytes(raw));
    }
    void put(Where address, std::string_view text) { put(address, std::as_bytes(std::span(text.data(), text.size()))); }
    template <class T>
    void put_value(Where address, T value) {
        put(address, std::as_bytes(std::span(&value, 1)));
    }

    [[nodiscard]] memory::ReadResult read(Where address, MutableBytes out) const {
        ++reads_;
        std::size_t done = 0;
        while (done < out.size()) {
            auto page = pages_.find((address.value + done) / page_bytes);
            if (page == pages_.end()) return {done, GapReason::unmapped};
            std::size_t inside = (address.value + done) % page_bytes;
            std::size_t count = std::min<std::size_t>(page_bytes - inside, out.size() - done);
            std::copy_n(page->second.begin() + static_cast<std::ptrdiff_t>(inside), count,
                        out.begin() + static_cast<std::ptrdiff_t>(done));
            done += count;
            bytes_read_ += count;
        }
        return {done, std::nullopt};
    }

    /// How many bytes were written before the first page that is not there.
    std::size_t write(Where address, Bytes bytes) {
        std::size_t done = 0;
        while (done < bytes.size()) {
            auto page = pages_.find((address.value + done) / page_bytes);
            if (page == pages_.end()) break;
            std::size_t inside = (address.value + done) % page_bytes;
            std::size_t count = std::min<std::size_t>(page_bytes - inside, bytes.size() - done);
            std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(done), count,
                        page->second.begin() + static_cast<std::ptrdiff_t>(inside));
            done += count;
        }
        return done;
    }

    template <class T>
    [[nodiscard]] std::optional<T> value(Where address) const {
        std::byte raw[sizeof(T)];
        if (read(address, raw).bytes != sizeof(T)) return std::nullopt;
        return load<T>(raw, 0);
    }

    [[nodiscard]] std::uint64_t reads() const { return reads_; }
    [[nodiscard]] std::uint64_t bytes_read() const { return bytes_read_; }

  private:
    std::map<std::uint64_t, ByteVector> pages_;
    mutable std::uint64_t reads_ = 0;
    mutable std::uint64_t bytes_read_ = 0;
};

class FakeMemory final : public memory::AddressSpace, public SparseBytes<VirtAddr> {
  public:
    memory::ReadResult read(VirtAddr address, MutableBytes out, Work* work = nullptr) override {
        if (work && work->stop_requested()) return {0, GapReason::stopped};
        return SparseBytes::read(address, out);
    }
};

class FakePhysicalMemory final : public memory::PhysicalMemory, public SparseBytes<PhysAddr> {
  public:
    memory::ReadResult read(PhysAddr address, MutableBytes out) override { return SparseBytes::read(address, out); }
};

/// The thread that a processor of a FakeTarget runs.
constexpr VirtAddr thread_on(std::uint32_t processor) {
    return VirtAddr(0xffff880000001000 + std::uint64_t{0x1000} * processor);
}

/// A target in memory: sparse virtual and physical bytes, registers, and stops that are prepared beforehand. It has
/// every ability unless the test switches one off.
class FakeTarget final : public target::Target,
                         public target::Writable,
                         public target::RunControl,
                         public target::BreakpointSlots {
  public:
    FakeTarget() {
        identity_.machine = &x64_machine();
        identity_.kind = "fake";
        identity_.connection = "memory";
        identity_.major = 0xf;
        identity_.build = 7601;
        identity_.protocol = 6;
        identity_.processors = 1;
        registers_.push_back(RegisterFile(x64_machine(), ByteVector(x64_machine().context_size)));
        special_.emplace_back(ByteVector(0x200));
        processor_blocks_.emplace_back();
    }

    // What a test sets up.
    FakeMemory& virtual_memory() { return memory_; }
    FakePhysicalMemory& physical_memory() { return physical_; }
    target::Identity& edit_identity() { return identity_; }
    RegisterFile& edit_registers(std::uint32_t processor = 0) { return registers_.at(processor); }
    ByteVector& edit_special(std::uint32_t processor = 0) { return special_.at(processor); }
    target::Stop& edit_stop() { return stop_; }
    void set_processor_block(std::uint32_t processor, VirtAddr prcb) { processor_blocks_.at(processor) = prcb; }
    void set_processors(std::uint32_t count) {
        identity_.processors = count;
        stop_.processors = count;
        registers_.resize(count, registers_.front());
        special_.resize(count, special_.front());
        processor_blocks_.resize(count);
    }
    /// As if it were a small dump.
    void set_driver_records(const dumps::TriageRecords* records) { driver_records_ = records; }
    void set_running(bool running) { running_ = running; }
    /// Writes stop at this address.
    void protect_from(VirtAddr address) { protected_from_ = address; }
    /// Writing the special registers of this processor fails.
    void refuse_special_writes(std::uint32_t processor) { unwritable_special_ = processor; }
    /// It stays where it stands, as if the line were gone.
    void refuse_resume(bool on) { refuses_resume_ = on; }
    /// As with a real line, a request to stop cuts off resuming, and setting and clearing of breakpoints.
    void cut_off_by(const Work& work) { interrupt_ = &work; }
    void set_writable(bool on) { can_write_ = on; }
    void set_run_control(bool on) { can_run_ = on; }
    void set_breakpoint_slots(bool on) { has_slots_ = on; }
    /// What happens on the next resumes, in order: changes registers or memory as it likes and returns the stop.
    /// When none is left the target runs until `break_in`.
    using Script = std::function<target::Stop(FakeTarget&, const target::Resume&)>;
    void on_resume(Script script) { script_.push_back(std::move(script)); }
    void on_break_in(Script script) { break_in_script_ = std::move(script); }

    // What a test looks at.
    [[nodiscard]] const std::vector<target::Resume>& resumes() const { return resumes_; }
    [[nodiscard]] const std::vector<std::pair<VirtAddr, ByteVector>>& writes() const { return writes_; }
    [[nodiscard]] const std::map<std::uint32_t, VirtAddr>& slots() const { return slots_; }
    [[nodiscard]] unsigned slots_set() const { return last_slot_; } ///< how often one was taken
    [[nodiscard]] unsigned register_reads() const { return register_reads_; }
    [[nodiscard]] unsigned special_writes() const { return special_writes_; }
    [[nodiscard]] const std::vector<std::uint32_t>& switches() const { return switches_; } ///< of the processor

    // Target.
    [[nodiscard]] const target::Identity& identity() const override { return identity_; }
    [[nodiscard]] target::Epoch epoch() const override { return epoch_; }
    memory::AddressSpace& memory() override { return memory_; }
    memory::PhysicalMemory& physical() override { return physical_; }
    Result<RegisterFile> registers(std::uint32_t processor) override {
        ++register_reads_;
        if (processor >= registers_.size())
            return fail(ErrorKind::not_found, "{} is not a valid processor number", processor);
        return registers_[processor];
    }
    Result<ByteVector> special_registers(std::uint32_t processor) override {
        if (processor >= special_.size())
            return fail(ErrorKind::not_found, "{} is not a valid processor number", processor);
        return special_[processor];
    }
    Result<VirtAddr> processor_block(std::uint32_t processor) override {
        if (processor >= processor_blocks_.size())
            return fail(ErrorKind::not_found, "{} is not a valid processor number", processor);
        return processor_blocks_[processor];
    }
    [[nodiscard]] const dumps::TriageRecords* driver_records() const override { return driver_records_; }
    target::Writable* writable() override { return can_write_ ? this : nullptr; }
    target::RunControl* run_control() override { return can_run_ ? this : nullptr; }
    target::BreakpointSlots* breakpoints() override { return has_slots_ ? this : nullptr; }

    // Writable.
    Result<void> write(VirtAddr address, Bytes bytes) override {
        ++epoch_;
        writes_.emplace_back(address, ByteVector(bytes.begin(), bytes.end()));
        const std::uint64_t open = protected_from_ && *protected_from_ >= address
                                       ? *protected_from_ - address
                                       : (protected_from_ ? 0 : bytes.size());
        std::size_t done = memory_.write(address, bytes.first(std::min<std::size_t>(open, bytes.size())));
        if (done == bytes.size()) return {};
        return fail_at(address + done, ErrorKind::unwritable,
                       fmt::format("{} of {} bytes were written", done, bytes.size()));
    }
    Result<void> write_physical(PhysAddr address, Bytes bytes) override {
        ++epoch_;
        std::size_t done = physical_.write(address, bytes);
        if (done == bytes.size()) return {};
        return fail(ErrorKind::unwritable, "{} of {} bytes were written", done, bytes.size());
    }
    Result<void> set_registers(std::uint32_t processor, const RegisterFile& registers) override {
        if (processor >= registers_.size())
            return fail(ErrorKind::not_found, "{} is not a valid processor number", processor);
        ++epoch_;
        registers_[processor] = registers;
        return {};
    }

    Result<void> set_special_registers(std::uint32_t processor, Bytes record) override {
        if (processor >= special_.size())
            return fail(ErrorKind::not_found, "{} is not a valid processor number", processor);
        if (processor == unwritable_special_) return fail(ErrorKind::unsupported, "The target refused");
        ++epoch_;
        ++special_writes_;
        special_[processor].assign(record.begin(), record.end());
        return {};
    }

    // RunControl.
    [[nodiscard]] bool running() const override { return running_; }
    [[nodiscard]] const target::Stop& last_stop() const override { return stop_; }
    Result<void> resume(const target::Resume& how) override {
        if (cut_off()) return fail(ErrorKind::stopped, "Stopped");
        if (refuses_resume_) return fail(ErrorKind::link, "The target does not answer");
        resumes_.push_back(how);
        owner_stop_.reset();
        ++epoch_;
        running_ = true;
        return {};
    }
    Result<std::optional<target::Stop>> wait(Work& work, std::chrono::milliseconds) override {
        if (work.stop_requested()) return fail(ErrorKind::stopped, "Stopped by the user");
        if (!running_) return std::optional(stop_);
        if (script_.empty()) return std::optional<target::Stop>{};
        Script next = std::move(script_.front());
        script_.pop_front();
        stop_at(next(*this, resumes_.back()));
        return std::optional(stop_);
    }
    Result<void> break_in() override {
        if (!running_) return {};
        // Before anything else that was prepared, as the break-in byte is answered at once.
        script_.push_front(break_in_script_ ? break_in_script_ : [](FakeTarget& self, const target::Resume&) {
            target::Stop stop = self.stop_;
            stop.ip = self.registers_.front().ip();
            stop.reason = target::ExceptionStop{.code = 0x80000003, .flags = 0, .address = stop.ip, .parameters = {}};
            return stop;
        });
        return {};
    }
    Result<target::Stop> switch_processor(std::uint32_t processor) override {
        if (processor >= registers_.size())
            return fail(ErrorKind::not_found, "{} is not a valid processor number", processor);
        switches_.push_back(processor);
        if (stop_.processor == processor) return stop_;
        if (!owner_stop_) owner_stop_ = stop_;
        if (processor == owner_stop_->processor) {
            stop_ = *owner_stop_;
        } else {
            stop_.processor = static_cast<std::uint16_t>(processor);
            stop_.thread = thread_on(processor);
            stop_.reason = target::ExceptionStop{.code = 0x80000007, .flags = 0, .address = {}, .parameters = {}};
        }
        stop_.ip = registers_[processor].ip();
        ++epoch_;
        return stop_;
    }
    Result<void> reboot() override {
        ++epoch_;
        running_ = true;
        return {};
    }

    // BreakpointSlots.
    Result<std::uint32_t> set_breakpoint(VirtAddr address) override {
        if (cut_off()) return fail(ErrorKind::stopped, "Stopped");
        slots_[++last_slot_] = address;
        return last_slot_;
    }
    Result<void> clear_breakpoint(std::uint32_t handle) override {
        if (cut_off()) return fail(ErrorKind::stopped, "Stopped");
        if (slots_.erase(handle) == 0) return fail(ErrorKind::not_found, "No breakpoint has the handle {}", handle);
        return {};
    }

  private:
    [[nodiscard]] bool cut_off() const { return interrupt_ && interrupt_->stop_requested(); }
    void stop_at(target::Stop stop) {
        ++epoch_;
        running_ = false;
        stop_ = std::move(stop);
        // As a kernel does: every breakpoint in [ip, ip + 15] leaves its table.
        std::erase_if(slots_, [&](const auto& slot) { return slot.second - stop_.ip < 16; });
    }

    target::Identity identity_;
    target::Epoch epoch_ = 1;
    FakeMemory memory_;
    FakePhysicalMemory physical_;
    std::vector<RegisterFile> registers_;
    std::vector<ByteVector> special_;
    std::vector<VirtAddr> processor_blocks_;
    const dumps::TriageRecords* driver_records_ = nullptr;
    bool can_write_ = true, can_run_ = true, has_slots_ = true;
    bool running_ = false, refuses_resume_ = false;
    const Work* interrupt_ = nullptr;
    target::Stop stop_;
    std::deque<Script> script_;
    Script break_in_script_;
    std::vector<target::Resume> resumes_;
    std::vector<std::pair<VirtAddr, ByteVector>> writes_;
    std::map<std::uint32_t, VirtAddr> slots_;
    std::uint32_t last_slot_ = 0;
    std::optional<target::Stop> owner_stop_; ///< of the processor that stopped the machine, while another one reports
    std::vector<std::uint32_t> switches_;
    std::optional<std::uint32_t> unwritable_special_;
    std::optional<VirtAddr> protected_from_;
    unsigned special_writes_ = 0, register_reads_ = 0;
};

} // namespace poolkd::testing

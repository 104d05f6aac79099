#pragma once

#include "base/machine.h"
#include "memory/memory.h"

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace poolkd::dumps {
struct MemoryImage;
struct TriageRecords;
} // namespace poolkd::dumps

namespace poolkd::target {

/// Names one state of the target. It changes on resume, on every write, and when the target restarts; whatever was
/// read in another epoch may no longer hold.
using Epoch = std::uint64_t;

/// What the container or the link itself states; nothing of it was read from NT's own records.
struct Identity {
    const Machine* machine = nullptr;
    std::string kind;        ///< "live kernel over KD", for people
    std::string connection;  ///< "unix:/run/lab/kd.sock", a file name, …
    std::uint16_t major = 0; ///< as DBGKD_GET_VERSION64 gives it: 0xf free, 0xc checked, high byte the product
    std::uint16_t build = 0;
    std::uint8_t protocol = 0;
    std::uint32_t processors = 1;
    VirtAddr kernel_base;
    VirtAddr loaded_module_list; ///< PsLoadedModuleList
    VirtAddr debugger_data_list; ///< head of the list of KDBG blocks
    VirtAddr debugger_data;      ///< the KDBG block itself, where that is what is known
};

/// How a machine's virtual memory is found in its physical memory.
struct PageTables {
    const Machine* machine = nullptr;
    std::uint64_t cr3 = 0;
    std::uint64_t cr4 = 0; ///< which paging mode: PAE on x86, five levels on x64
};

struct ExceptionStop {
    std::uint32_t code = 0;
    std::uint32_t flags = 0;
    VirtAddr address;
    std::vector<std::uint64_t> parameters;
    bool first_chance = true;
};

struct ModuleChange {
    bool loaded = true;
    std::string path; ///< as the target wrote it; empty when it gave none
    VirtAddr base;
    std::uint32_t size = 0;
    std::uint32_t checksum = 0;
    std::uint64_t process_id = 0;
};

struct CommandStop {
    std::string name;
    std::string command;
};

/// Why the target stands still now.
struct Stop {
    std::uint16_t processor = 0;
    std::uint32_t processors = 1;
    VirtAddr thread; ///< KTHREAD
    VirtAddr ip;
    std::uint64_t dr7 = 0;
    std::uint64_t dr6 = 0;
    ByteVector instruction_stream; ///< up to 16 bytes at ip, without the debugger's breakpoints
    bool after_restart = false;    ///< the target was restarted since the last stop
    std::variant<ExceptionStop, ModuleChange, CommandStop> reason;
};

struct Resume {
    bool handled = true; ///< false: the exception goes on to the target's own handlers
    bool trace = false;  ///< one instruction, then stop
    std::uint64_t dr7 = 0x400;
};

/// Ability: memory and registers can be changed. Every write changes the epoch.
class Writable {
  public:
    virtual ~Writable() = default;
    /// All of the bytes or an error that tells how many were written.
    virtual Result<void> write(VirtAddr address, Bytes bytes) = 0;
    virtual Result<void> write_physical(PhysAddr address, Bytes bytes) = 0;
    /// Writes back a CONTEXT that `Target::registers` gave, with what was changed in it.
    virtual Result<void> set_registers(std::uint32_t processor, const RegisterFile& registers) = 0;
    /// Writes back a record that `Target::special_registers` gave. The processor loads it when the target goes on.
    virtual Result<void> set_special_registers(std::uint32_t processor, Bytes record) = 0;
};

/// Ability: the target can go and stop.
class RunControl {
  public:
    virtual ~RunControl() = default;
    [[nodiscard]] virtual bool running() const = 0;
    /// The stop the target stands in, while it is not running.
    [[nodiscard]] virtual const Stop& last_stop() const = 0;
    virtual Result<void> resume(const Resume& how) = 0;
    /// Waits for the next stop. Nothing: the time is over and it still runs. Kind `stopped`: the user asked to stop
    /// waiting (the target still runs); kind `link`: the connection is gone.
    virtual Result<std::optional<Stop>> wait(Work& work, std::chrono::milliseconds limit) = 0;
    /// Asks the running target to stop; the stop is then what `wait` returns.
    virtual Result<void> break_in() = 0;
    /// Lets another processor of the standing target report: memory is then seen through its page tables, and the next
    /// resume is its own. Gives its report. Kind `not_found`: there is no such processor; kind `refused`: the target
    /// stays where it is, and `last_stop` tells where.
    virtual Result<Stop> switch_processor(std::uint32_t processor) = 0;
    virtual Result<void> reboot() = 0;
};

/// Ability: the target keeps breakpoints itself (and hides them from reads).
class BreakpointSlots {
  public:
    virtual ~BreakpointSlots() = default;
    virtual Result<std::uint32_t> set_breakpoint(VirtAddr address) = 0;
    virtual Result<void> clear_breakpoint(std::uint32_t handle) = 0;
};

/// Figures of the link, for `.link`. All since the connection was made.
struct LinkStatistics {
    std::uint64_t packets_sent = 0, packets_received = 0;
    std::uint64_t bytes_sent = 0, bytes_received = 0;
    std::uint64_t requests = 0;
    std::uint64_t resends = 0;  ///< our packets sent again
    std::uint64_t rejected = 0; ///< packets of the target with a bad checksum, length or trailer
    std::uint64_t resets = 0;
    std::chrono::nanoseconds round_trip_total{0}, round_trip_best{0}, round_trip_worst{0};
};

/// One machine, machine image or dump that can be asked. Abilities it lacks are null.
class Target {
  public:
    virtual ~Target() = default;

    [[nodiscard]] virtual const Identity& identity() const = 0;
    [[nodiscard]] virtual Epoch epoch() const = 0;

    /// Virtual memory as the processor that reports sees it; cached for the epoch where that makes sense.
    virtual memory::AddressSpace& memory() = 0;
    virtual memory::PhysicalMemory& physical() = 0;
    /// The same virtual memory for another thread, to be used beside `memory()` for the length of one answer. Null
    /// where only one can read at a time (a link).
    virtual std::unique_ptr<memory::AddressSpace> memory_for_thread() { return nullptr; }

    /// The CONTEXT of a processor; at least the machine's `context_core_size` bytes of it are filled.
    virtual Result<RegisterFile> registers(std::uint32_t processor) = 0;
    /// KSPECIAL_REGISTERS of a processor, as many bytes as the target has.
    virtual Result<ByteVector> special_registers(std::uint32_t processor) = 0;
    /// Those that virtual memory is seen through while the processor reports: what its special registers say, where the
    /// target knows no better.
    virtual Result<PageTables> page_tables(std::uint32_t processor);
    /// KPRCB of a processor. Kind `unsupported` where the link cannot tell (x86): nt::Kernel knows another way.
    virtual Result<VirtAddr> processor_block(std::uint32_t processor) = 0;

    /// The image that is looked at; null for a live target.
    [[nodiscard]] virtual const dumps::MemoryImage* memory_image() const { return nullptr; }
    /// The drivers that a small dump lists; null for a target whose memory has the loader's own list.
    [[nodiscard]] virtual const dumps::TriageRecords* driver_records() const { return nullptr; }

    virtual Writable* writable() { return nullptr; }
    virtual RunControl* run_control() { return nullptr; }
    virtual BreakpointSlots* breakpoints() { return nullptr; }
    [[nodiscard]] virtual const LinkStatistics* link_statistics() const { return nullptr; }
};

} // namespace poolkd::target

#pragma once

#include "base/machine.h"
#include "memory/memory.h"

#include <chrono>
#include <cstdint>
#include <optional>

namespace poolkd::nt {

/// KUSER_SHARED_DATA: the page of system data that every NT kernel maps at one fixed address. Members are at the
/// offsets of the public header ntddk.h, which no version moved.
struct SharedData {
    std::uint64_t interrupt_time = 0; ///< 100 ns since the start
    std::uint64_t system_time = 0;    ///< 100 ns since 1601, UTC; 0: not set yet
    std::uint32_t product = 0;        ///< 1 workstation, 2 domain controller, 3 server; 0 not stated
    std::uint32_t suites = 0;
    std::uint32_t physical_pages = 0; ///< since Windows Vista; 0 not stated

    [[nodiscard]] std::chrono::milliseconds uptime() const;
    /// UTC; nothing while the target has not set its clock.
    [[nodiscard]] std::optional<std::chrono::sys_time<std::chrono::milliseconds>> time() const;
};

/// Reads it. The target's clocks stand still while it is stopped.
Result<SharedData> read_shared_data(memory::AddressSpace& memory, const Machine& machine);

} // namespace poolkd::nt

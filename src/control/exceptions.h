#pragma once

#include "target/target.h"

#include <cstdint>

namespace poolkd::control {

inline constexpr std::uint32_t status_breakpoint = 0x80000003;
inline constexpr std::uint32_t status_single_step = 0x80000004;

/// The exception of a stop; null for another kind of event.
inline const target::ExceptionStop* exception_of(const target::Stop& stop) {
    return std::get_if<target::ExceptionStop>(&stop.reason);
}

} // namespace poolkd::control

#pragma once

#include "base/exception_codes.h"
#include "target/target.h"

namespace poolkd::control {

/// The exception of a stop; null for another kind of event.
inline const target::ExceptionStop* exception_of(const target::Stop& stop) {
    return std::get_if<target::ExceptionStop>(&stop.reason);
}

} // namespace poolkd::control

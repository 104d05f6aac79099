#pragma once

#include <cstdint>

namespace poolkd {

/// No Windows supports more. Whoever asks every processor must not be sent through the four thousand million that a
/// garbled number can tell.
inline constexpr std::uint32_t most_processors = 2048;

} // namespace poolkd

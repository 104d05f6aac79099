#pragma once

#include <cstdint>
#include <string>

namespace poolkd::dumps {

/// What a container promises and what its file holds of it, known when it is opened. In bytes of the target's memory.
struct ImageCoverage {
    std::uint64_t stated = 0;         ///< what the container says it has
    std::uint64_t present = 0;        ///< what can be read
    std::uint64_t beyond_file = 0;    ///< would lie behind the end of the file: it was cut, or is not written yet
    std::uint64_t overlapping = 0;    ///< told twice; the piece that begins lower counts
    std::uint64_t impossible = 0;     ///< at addresses that no machine has
    std::uint64_t twice_the_same = 0; ///< told twice with the same place in the file: no loss
    bool limit_reached = false;       ///< more pieces than a table takes: some were left out

    [[nodiscard]] bool complete() const { return present + twice_the_same == stated && !limit_reached; }
    /// Empty when complete, else "Partial: 12288 of 40960 bytes are not in the file (the file ends early: 12288)."
    [[nodiscard]] std::string sentence() const;
};

} // namespace poolkd::dumps

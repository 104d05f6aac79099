#pragma once

#include "hunt/evidence.h"
#include "hunt/export.h"
#include "hunt/import/input.h"
#include "hunt/import/reader.h"

#include <cstdint>
#include <cstdlib>
#include <string>

namespace poolkd::hunt {

/// Reads all that a reader makes of the bytes, and checks what every snapshot promises.
template <class Open>
void read_everything(const std::uint8_t* data, std::size_t size, Open open) {
    if (size > 1u << 18) return;
    const auto input = import::memory_input("fuzz", std::string(data, data + size));
    auto reader = open(input);
    if (!reader) return;
    Work work;
    Snapshot snapshot;
    std::string out;
    for (;;) {
        auto more = (*reader)->next(snapshot, work);
        if (!more || !*more) break;
        for (std::size_t i = 1; i < snapshot.rows.size(); ++i)
            if (!(snapshot.rows[i - 1].key < snapshot.rows[i].key)) std::abort();
        out.clear();
        append_json_line(out, snapshot);
        (void)append_csv(out, snapshot);
        (void)append_poolmon(out, snapshot, true);
    }
}

} // namespace poolkd::hunt

#pragma once

#include "hunt/verdict.h"

#include <cstdint>
#include <optional>
#include <string>

namespace CLI {
class App;
}

namespace poolkd::app {

/// What whoever asks for verdicts may say: how much the pool takes (`--limit`), and at which verdict a script wants to
/// be told (`--fail-on`).
struct VerdictArguments {
    std::optional<std::uint64_t> limit;
    std::string fail_on;

    void add_to(CLI::App& command);
    /// Whether this verdict is one of those that `--fail-on` looks for.
    [[nodiscard]] bool looks_for(hunt::Verdict verdict) const;
};

} // namespace poolkd::app

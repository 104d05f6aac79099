#pragma once

#include <cstdlib>
#include <string>

namespace poolkd::app {

/// The value of an environment variable; empty when it is not set.
inline std::string environment(const char* name) {
    const char* value = std::getenv(name); // NOLINT(concurrency-mt-unsafe): nobody sets one
    return value ? value : "";
}

} // namespace poolkd::app

#pragma once

#include "base/bytes.h"
#include "base/error.h"
#include "kd/connection_string.h"

#include <chrono>
#include <memory>
#include <string>

namespace poolkd::kd {

/// A carrier of bytes. Nothing in it blocks longer than asked. Errors (kind `link`) mean that the carrier is gone.
class ByteLink {
  public:
    virtual ~ByteLink() = default;

    /// Opens it, or opens it anew after it broke. Takes at most about two seconds.
    virtual Result<void> open() = 0;
    /// Sends now what the carrier takes and keeps the rest to go out during later calls.
    virtual Result<void> send(Bytes bytes) = 0;
    /// Waits up to `limit` for bytes; appends what came (nothing when the time is over or a signal arrived).
    virtual Result<void> receive(ByteVector& out, std::chrono::milliseconds limit) = 0;
    virtual void close() = 0;
};

/// The carrier that a connection string names; not opened yet.
[[nodiscard]] std::unique_ptr<ByteLink> make_link(const LinkSpec& spec);

} // namespace poolkd::kd

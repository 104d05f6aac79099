#pragma once

#include "base/address.h"
#include "base/bytes.h"
#include "base/coverage.h"
#include "base/error.h"
#include "debugger/session.h"

#include <vector>

namespace poolkd::commands {

/// A piece of memory with its holes.
struct MemoryPiece {
    ByteVector bytes;           ///< zero where nothing could be read
    std::vector<bool> readable; ///< one for each byte
    Coverage coverage;

    [[nodiscard]] bool all_readable(std::size_t first, std::size_t count) const;
};

/// Virtual or physical memory of a session's target, seen by commands that show holes instead of failing at them.
class MemoryView {
  public:
    MemoryView(debugger::Session& session, bool physical) : session_(session), physical_(physical) {}

    [[nodiscard]] bool physical() const { return physical_; }
    /// Errors are only a lost link and a stop by the user. A page that cannot be read is skipped as a whole.
    Result<MemoryPiece> read(std::uint64_t address, std::size_t size);

  private:
    memory::ReadResult read_some(std::uint64_t address, MutableBytes out);

    debugger::Session& session_;
    bool physical_;
};

/// Bytes that commands read at a time; a multiple of every element size and of a page.
inline constexpr std::size_t piece_bytes = 64 * 1024;

} // namespace poolkd::commands

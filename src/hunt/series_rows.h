#pragma once

#include "base/error.h"
#include "hunt/snapshot.h"

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

namespace poolkd::hunt {

/// The rows of a snapshot as one compressed blob of a series file. Most rows of a snapshot are those of the one before,
/// so a blob may hold only the differences to it; it then needs that snapshot's rows to be read. Format:
/// docs/formats.md.
class RowEncoder {
  public:
    RowEncoder();
    ~RowEncoder();
    RowEncoder(const RowEncoder&) = delete;
    RowEncoder& operator=(const RowEncoder&) = delete;

    /// `rows` by key, each key once. The blob holds until the next call. Every `full_every` blobs, and whenever the
    /// keys are others than before, a blob stands for itself.
    std::span<const std::byte> encode(const std::vector<TagCounts>& rows);
    /// The next blob stands for itself.
    void forget();

    static constexpr unsigned full_every = 64;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

class RowDecoder {
  public:
    RowDecoder();
    ~RowDecoder();
    RowDecoder(const RowDecoder&) = delete;
    RowDecoder& operator=(const RowDecoder&) = delete;

    /// The rows of the next blob; they hold until the next call. Kind `malformed`, also for differences to rows that
    /// are not known.
    Result<std::span<const TagCounts>> decode(std::span<const std::byte> blob);

    /// A blob that claims more is refused before memory is given to it.
    static constexpr std::size_t maximum_rows = 1u << 20;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

} // namespace poolkd::hunt

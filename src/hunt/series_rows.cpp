#include "hunt/series_rows.h"

#include <zstd.h>

#include <cassert>
#include <utility>

namespace poolkd::hunt {

namespace {

// A blob is a zstd frame of: kind, number of rows, and four columns one after the other, all as LEB128 numbers. Signed
// ones are zigzag-coded. In a blob of kind `full` the columns are the key's distance to the one before (as a number of
// 33 bits: tag in its order of text, then pool), allocations, blocks in use by the counters, bytes. In one of kind
// `difference` there are no keys, and the other columns are differences to the snapshot before.
constexpr std::uint64_t kind_full = 0, kind_difference = 1;
constexpr std::size_t longest_number = 10;
constexpr int compression_level = 3;

std::uint64_t number_of(TagKey key) {
    return static_cast<std::uint64_t>(__builtin_bswap32(key.tag.value)) << 1 | static_cast<std::uint64_t>(key.kind);
}

TagKey key_of(std::uint64_t number) {
    return {PoolTag(__builtin_bswap32(static_cast<std::uint32_t>(number >> 1))),
            (number & 1) != 0 ? PoolKind::paged : PoolKind::nonpaged};
}

constexpr std::uint64_t highest_key = (1ull << 33) - 1;

/// Differences of any two numbers of 64 bits, small for those that lie near each other.
std::uint64_t zigzag(std::uint64_t difference) {
    return difference << 1 ^ (0 - (difference >> 63));
}

std::uint64_t unzigzag(std::uint64_t code) {
    return code >> 1 ^ (0 - (code & 1));
}

/// Numbers from the front. `bad()` after the end: every number counts as read, as 0, so that loops need one check only.
class InputNumbers {
  public:
    explicit InputNumbers(std::span<const unsigned char> bytes)
        : at_(bytes.data()), end_(bytes.data() + bytes.size()) {}
    std::uint64_t next() {
        if (at_ < end_ && *at_ < 0x80) return *at_++; // most of them
        return next_long();
    }
    [[nodiscard]] bool bad() const { return bad_; }
    [[nodiscard]] std::size_t left() const { return static_cast<std::size_t>(end_ - at_); }

  private:
    std::uint64_t next_long() {
        std::uint64_t value = 0;
        for (unsigned shift = 0; shift < 70 && at_ < end_; shift += 7) {
            const std::uint64_t byte = *at_++;
            value |= shift < 64 ? (byte & 0x7f) << shift : 0;
            if (byte < 0x80) return value;
        }
        bad_ = true;
        at_ = end_;
        return 0;
    }
    const unsigned char* at_;
    const unsigned char* end_;
    bool bad_ = false;
};

bool same_keys(const std::vector<TagCounts>& a, const std::vector<TagCounts>& b) {
    if (a.size() != b.size()) return false;
    for (std::size_t i = 0; i < a.size(); ++i)
        if (a[i].key != b[i].key) return false;
    return true;
}

std::unexpected<Error> bad_blob(std::string_view why) {
    return fail(ErrorKind::malformed, "its rows are damaged ({})", why);
}

} // namespace

/// Numbers as LEB128, one behind the other. Not in the unnamed namespace, since the encoder has one as a member.
class NumberOutput {
  public:
    void clear(std::size_t most_numbers) {
        bytes_.resize(most_numbers * longest_number);
        end_ = 0;
    }
    void put(std::uint64_t value) {
        while (value >= 0x80) {
            bytes_[end_++] = static_cast<unsigned char>(value | 0x80);
            value >>= 7;
        }
        bytes_[end_++] = static_cast<unsigned char>(value);
    }
    [[nodiscard]] std::span<const unsigned char> bytes() const { return std::span(bytes_).first(end_); }

  private:
    std::vector<unsigned char> bytes_;
    std::size_t end_ = 0;
};

struct RowEncoder::State {
    ZSTD_CCtx* context = ZSTD_createCCtx();
    std::vector<TagCounts> before;
    unsigned since_full = 0;
    NumberOutput plain;
    std::vector<std::byte> blob;
};

RowEncoder::RowEncoder() : state_(std::make_unique<State>()) {}
RowEncoder::~RowEncoder() {
    ZSTD_freeCCtx(state_->context);
}

std::span<const std::byte> RowEncoder::encode(const std::vector<TagCounts>& rows) {
    State& s = *state_;
    const bool full = s.since_full == 0 || s.since_full >= full_every || !same_keys(s.before, rows);
    s.plain.clear(2 + 4 * rows.size());
    s.plain.put(full ? kind_full : kind_difference);
    s.plain.put(rows.size());
    auto column = [&](auto&& value_of) {
        for (std::size_t i = 0; i < rows.size(); ++i)
            s.plain.put(zigzag(value_of(rows[i]) - (full ? 0 : value_of(s.before[i]))));
    };
    if (full) {
        std::uint64_t last = 0;
        for (const TagCounts& row : rows) {
            const std::uint64_t number = number_of(row.key);
            s.plain.put(number - last);
            last = number;
        }
    }
    column([](const TagCounts& row) { return row.allocs; });
    column([](const TagCounts& row) { return row.allocs - row.frees; });
    column([](const TagCounts& row) { return static_cast<std::uint64_t>(row.bytes); });

    const auto plain = s.plain.bytes();
    s.blob.resize(ZSTD_compressBound(plain.size()));
    const std::size_t size =
        ZSTD_compressCCtx(s.context, s.blob.data(), s.blob.size(), plain.data(), plain.size(), compression_level);
    assert(ZSTD_isError(size) == 0); // the bound suffices for any input
    s.blob.resize(size);
    s.before = rows;
    s.since_full = full ? 1 : s.since_full + 1;
    return s.blob;
}

void RowEncoder::forget() {
    state_->since_full = 0;
}

struct RowDecoder::State {
    ZSTD_DCtx* context = ZSTD_createDCtx();
    std::vector<unsigned char> plain;
    std::vector<TagCounts> rows;
    bool known = false; ///< `rows` are those of the blob before
};

RowDecoder::RowDecoder() : state_(std::make_unique<State>()) {}
RowDecoder::~RowDecoder() {
    ZSTD_freeDCtx(state_->context);
}

Result<std::span<const TagCounts>> RowDecoder::decode(std::span<const std::byte> blob) {
    State& s = *state_;
    const bool known = std::exchange(s.known, false);
    const auto claimed = ZSTD_getFrameContentSize(blob.data(), blob.size());
    if (claimed == ZSTD_CONTENTSIZE_ERROR || claimed == ZSTD_CONTENTSIZE_UNKNOWN) return bad_blob("no zstd frame");
    if (claimed > (2 + 4 * maximum_rows) * longest_number) return bad_blob("too long");
    if (s.plain.size() < claimed) s.plain.resize(claimed);
    const std::size_t size = ZSTD_decompressDCtx(s.context, s.plain.data(), s.plain.size(), blob.data(), blob.size());
    if (ZSTD_isError(size) != 0) return bad_blob(ZSTD_getErrorName(size));

    InputNumbers numbers(std::span<const unsigned char>(s.plain).first(size));
    const std::uint64_t kind = numbers.next();
    const std::uint64_t count = numbers.next();
    // Each row takes a byte a column at least.
    if (numbers.bad() || kind > kind_difference || count > maximum_rows || count * 3 > numbers.left())
        return bad_blob("no such form");
    const bool full = kind == kind_full;
    if (!full && (!known || count != s.rows.size())) return bad_blob("the snapshot before it is missing");
    if (full) {
        s.rows.assign(count, TagCounts{});
        std::uint64_t number = 0;
        for (std::size_t i = 0; i < count; ++i) {
            const std::uint64_t step = numbers.next();
            if (step > highest_key || number + step > highest_key || (i != 0 && step == 0))
                return bad_blob("keys out of order");
            number += step;
            s.rows[i].key = key_of(number);
        }
    }
    auto column = [&](auto&& add) {
        for (TagCounts& row : s.rows)
            add(row, unzigzag(numbers.next()));
    };
    // `frees` holds the blocks in use until both columns are read.
    for (TagCounts& row : s.rows)
        row.frees = row.allocs - row.frees;
    column([](TagCounts& row, std::uint64_t value) { row.allocs += value; });
    column([](TagCounts& row, std::uint64_t value) { row.frees = row.allocs - (row.frees + value); });
    column([](TagCounts& row, std::uint64_t value) {
        row.bytes = static_cast<std::int64_t>(static_cast<std::uint64_t>(row.bytes) + value);
    });
    if (numbers.bad() || numbers.left() != 0) return bad_blob("too short or too long");
    s.known = true;
    return std::span<const TagCounts>(s.rows);
}

} // namespace poolkd::hunt

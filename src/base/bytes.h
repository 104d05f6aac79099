#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <type_traits>
#include <vector>

namespace poolkd {

using Bytes = std::span<const std::byte>;
using MutableBytes = std::span<std::byte>;
using ByteVector = std::vector<std::byte>;

static_assert(std::endian::native == std::endian::little,
              "NT targets are little-endian, and so is every host we build on");

/// The little-endian integer at `offset`, or nothing when it does not fit in `bytes`.
template <class T>
    requires std::is_trivially_copyable_v<T>
[[nodiscard]] std::optional<T> load(Bytes bytes, std::size_t offset) {
    if (offset > bytes.size() || bytes.size() - offset < sizeof(T)) return std::nullopt;
    T value;
    std::memcpy(&value, bytes.data() + offset, sizeof(T));
    return value;
}

/// The same with `fallback` where it does not fit.
template <class T>
[[nodiscard]] T load_or(Bytes bytes, std::size_t offset, T fallback = {}) {
    return load<T>(bytes, offset).value_or(fallback);
}

/// An unsigned integer of 1, 2, 4 or 8 bytes, zero-extended; nothing for other sizes or when it does not fit.
[[nodiscard]] std::optional<std::uint64_t> load_unsigned(Bytes bytes, std::size_t offset, std::size_t size);

/// Writes the low `size` bytes (1 to 8) of `value`; false when they do not fit.
bool store_unsigned(MutableBytes bytes, std::size_t offset, std::size_t size, std::uint64_t value);

template <class T>
    requires std::is_trivially_copyable_v<T>
bool store(MutableBytes bytes, std::size_t offset, const T& value) {
    if (offset > bytes.size() || bytes.size() - offset < sizeof(T)) return false;
    std::memcpy(bytes.data() + offset, &value, sizeof(T));
    return true;
}

} // namespace poolkd

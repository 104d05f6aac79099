#pragma once

#include <compare>
#include <cstdint>
#include <functional>

namespace poolkd {

/// A position in one kind of space. Addresses of different kinds do not mix: adding to one gives the same kind,
/// subtracting two of a kind gives a distance in bytes. Arithmetic wraps, as addresses do.
/// A 32-bit target's virtual addresses are held sign-extended (see Machine::canonical).
template <class Space>
struct Address {
    std::uint64_t value = 0;

    constexpr Address() = default;
    constexpr explicit Address(std::uint64_t v) : value(v) {}

    constexpr auto operator<=>(const Address&) const = default;
    constexpr explicit operator bool() const { return value != 0; }

    constexpr Address& operator+=(std::uint64_t n) {
        value += n;
        return *this;
    }
    friend constexpr Address operator+(Address a, std::uint64_t n) { return Address(a.value + n); }
    friend constexpr Address operator-(Address a, std::uint64_t n) { return Address(a.value - n); }
    friend constexpr std::uint64_t operator-(Address a, Address b) { return a.value - b.value; }
};

using VirtAddr = Address<struct VirtualSpace>;
using PhysAddr = Address<struct PhysicalSpace>;
using FileOffset = Address<struct FileSpace>;

} // namespace poolkd

template <class Space>
struct std::hash<poolkd::Address<Space>> {
    std::size_t operator()(poolkd::Address<Space> a) const noexcept { return std::hash<std::uint64_t>{}(a.value); }
};

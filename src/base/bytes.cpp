#include "base/bytes.h"

namespace poolkd {

std::optional<std::uint64_t> load_unsigned(Bytes bytes, std::size_t offset, std::size_t size) {
    if (size == 0 || size > 8 || offset > bytes.size() || bytes.size() - offset < size) return std::nullopt;
    std::uint64_t value = 0;
    std::memcpy(&value, bytes.data() + offset, size);
    return value;
}

bool store_unsigned(MutableBytes bytes, std::size_t offset, std::size_t size, std::uint64_t value) {
    if (size == 0 || size > 8 || offset > bytes.size() || bytes.size() - offset < size) return false;
    std::memcpy(bytes.data() + offset, &value, size);
    return true;
}

} // namespace poolkd

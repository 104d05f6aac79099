#include "memory/memory.h"

#include "base/text.h"

#include <algorithm>

namespace poolkd::memory {

namespace {
ErrorKind kind_of(GapReason reason) {
    if (reason == GapReason::link_lost) return ErrorKind::link;
    if (reason == GapReason::stopped) return ErrorKind::stopped;
    return ErrorKind::unreadable;
}

std::unexpected<Error> unreadable(const AddressSpace& space, VirtAddr address, const ReadResult& result) {
    GapReason reason = result.gap.value_or(GapReason::unmapped);
    VirtAddr where = address + result.bytes;
    return fail_at(where, kind_of(reason),
                   fmt::format("Memory at {} cannot be read ({})", format_address(where.value, space.pointer_size()),
                               to_words(reason)));
}
} // namespace

Result<void> read_exact(AddressSpace& space, VirtAddr address, MutableBytes out, Work* work) {
    ReadResult result = space.read(address, out, work);
    if (result.bytes == out.size()) return {};
    return unreadable(space, address, result);
}

Result<ByteVector> read_exact(AddressSpace& space, VirtAddr address, std::size_t size, Work* work) {
    ByteVector bytes(size);
    POOLKD_CHECK(read_exact(space, address, MutableBytes(bytes), work));
    return bytes;
}

Result<std::uint64_t> read_unsigned(AddressSpace& space, VirtAddr address, unsigned size) {
    std::uint64_t value = 0;
    if (size == 0 || size > sizeof value) return fail(ErrorKind::usage, "An integer has 1 to 8 bytes, not {}", size);
    const ReadResult result = space.read(address, std::as_writable_bytes(std::span(&value, 1)).first(size));
    if (result.bytes == size) return value;
    return unreadable(space, address, result);
}

Answer<ByteVector> read_sparse(AddressSpace& space, VirtAddr address, std::size_t size, std::uint32_t page_size,
                               Work* work) {
    Answer<ByteVector> answer{ByteVector(size), {}};
    std::size_t done = 0;
    while (done < size) {
        ReadResult result = space.read(address + done, MutableBytes(answer.value).subspan(done), work);
        answer.coverage.add_read(result.bytes);
        done += result.bytes;
        if (done >= size) break;
        GapReason reason = result.gap.value_or(GapReason::unmapped);
        bool final = reason == GapReason::link_lost || reason == GapReason::stopped;
        std::size_t to_next_page = page_size - ((address.value + done) & (page_size - 1));
        std::size_t skip = final ? size - done : std::min(to_next_page, size - done);
        std::fill_n(answer.value.begin() + static_cast<std::ptrdiff_t>(done), skip, std::byte{0});
        answer.coverage.add_gap(reason, address + done, skip);
        done += skip;
    }
    return answer;
}

Result<std::string> read_c_string(AddressSpace& space, VirtAddr address, std::size_t limit) {
    std::string text;
    while (text.size() < limit) {
        std::byte buffer[64];
        std::size_t want = std::min(sizeof buffer, limit - text.size());
        ReadResult result = space.read(address + text.size(), MutableBytes(buffer, want));
        for (std::size_t i = 0; i < result.bytes; ++i) {
            if (buffer[i] == std::byte{0}) return text;
            text.push_back(static_cast<char>(buffer[i]));
        }
        if (result.bytes < want) {
            VirtAddr where = address + text.size();
            return fail_at(
                where, ErrorKind::unreadable,
                fmt::format("Memory at {} cannot be read", format_address(where.value, space.pointer_size())));
        }
    }
    return text;
}

} // namespace poolkd::memory

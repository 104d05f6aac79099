#include "code/stack_reader.h"

#include "base/text.h"

#include <algorithm>

namespace poolkd::code {

namespace {

constexpr std::uint64_t line_bytes = 64; // what a cache below us keeps apart

} // namespace

StackReader::Block* StackReader::holding(VirtAddr address) {
    // The block read last is the likeliest.
    for (auto block = blocks_.rbegin(); block != blocks_.rend(); ++block)
        if (address - block->start < block->bytes.size()) return &*block;
    return nullptr;
}

Result<void> StackReader::fetch(VirtAddr address) {
    auto unreadable = [&] {
        return fail_at(address, ErrorKind::unreadable,
                       fmt::format("The stack cannot be read at {}",
                                   format_address(address.value, static_cast<unsigned>(word_bytes_))));
    };
    if (bytes_read_ >= max_bytes) return fail(ErrorKind::malformed, "The stack has no end within {} bytes", max_bytes);
    std::size_t size = blocks_.empty() ? first_bytes_ : blocks_.size() < 2 ? first_blocks : later_blocks;
    VirtAddr start(address.value & ~(line_bytes - 1));
    if (!blocks_.empty()) {
        Block& last = blocks_.back();
        // Known to be unreadable from here on, at least to the end of the page.
        if (last.gap && address - last.end() < line_bytes) return unreadable();
        // Goes on where the last block ended when the word is near; jumps over large local areas.
        if (address - last.end() < size / 2) start = last.end();
    }
    Block block{start, ByteVector(size), std::nullopt};
    memory::ReadResult got = memory_.read(start, block.bytes, work_);
    // A small dump holds a stack from its last word on, wherever that lies in its line.
    if (start < address && got.bytes <= address - start && got.gap && got.gap != GapReason::stopped &&
        got.gap != GapReason::link_lost) {
        block.start = start = address;
        got = memory_.read(start, block.bytes, work_);
    }
    block.bytes.resize(got.bytes);
    block.gap = got.gap;
    bytes_read_ += got.bytes;
    bool good = address - start < got.bytes;
    if (good || got.gap) blocks_.push_back(std::move(block));
    if (got.gap == GapReason::stopped) return fail(ErrorKind::stopped, "Stopped by the user");
    if (got.gap == GapReason::link_lost && !good) return fail(ErrorKind::link, "The connection to the target was lost");
    if (!good) return unreadable();
    return {};
}

Result<std::uint64_t> StackReader::word(VirtAddr address) {
    asked_until_ = std::max(asked_until_, address + word_bytes_);
    std::byte raw[sizeof(std::uint64_t)] = {};
    for (std::size_t done = 0; done < word_bytes_;) {
        VirtAddr at = address + done;
        Block* block = holding(at);
        if (!block) {
            POOLKD_CHECK(fetch(at));
            block = holding(at);
            if (!block) return fail_at(at, ErrorKind::unreadable, "The stack cannot be read");
        }
        std::size_t inside = at - block->start;
        std::size_t count = std::min(word_bytes_ - done, block->bytes.size() - inside);
        std::copy_n(block->bytes.begin() + static_cast<std::ptrdiff_t>(inside), count, raw + done);
        done += count;
    }
    return load_or<std::uint64_t>(raw, 0);
}

std::vector<std::uint64_t> StackReader::words(VirtAddr address, std::size_t count) {
    std::vector<std::uint64_t> out;
    for (std::size_t i = 0; i < count; ++i) {
        auto value = word(address + i * word_bytes_);
        if (!value) return {};
        out.push_back(*value);
    }
    return out;
}

} // namespace poolkd::code

#include "hunt/trace_arm.h"

#include <algorithm>

namespace poolkd::hunt {

namespace {

Bytes bytes_of(const PoolTag& tag) {
    return std::as_bytes(std::span(&tag.value, 1));
}

} // namespace

Result<HitTag> HitTag::find(nt::Kernel& kernel, control::Journal& journal) {
    POOLKD_TRY(const VirtAddr address, kernel.address_of("PoolHitTag"));
    return HitTag(kernel, journal, address);
}

Result<void> HitTag::arm(PoolTag tag) {
    tag_ = tag.bare();
    POOLKD_TRY(const std::uint64_t before, memory::read_unsigned(kernel_->memory(), address_, sizeof tag.value));
    before_ = PoolTag(static_cast<std::uint32_t>(before));
    if (before_ == tag_) return {}; // the user's own, and it stays
    POOLKD_CHECK(journal_->write(address_, bytes_of(tag_), fmt::format("trace of '{}'", tag_.text())));
    entry_ = journal_->entries().back().id;
    POOLKD_TRY(const std::uint64_t now, memory::read_unsigned(kernel_->memory(), address_, sizeof tag.value));
    if (now == tag_.value) return {};
    POOLKD_CHECK(restore());
    return fail(ErrorKind::refused, "nt!PoolHitTag keeps the value {:08x}: its memory is protected", now);
}

Result<void> HitTag::write(PoolTag value) {
    if (!entry_) return {};
    return kernel_->target().writable()->write(address_, bytes_of(value));
}

Result<void> HitTag::pause() {
    if (!entry_ || before_.value == 0) return write(before_);
    POOLKD_CHECK(journal_->write(address_, bytes_of(PoolTag()), fmt::format("pause of a trace of '{}'", tag_.text())));
    pause_ = journal_->entries().back().id;
    return {};
}

Result<void> HitTag::go_on() {
    return pause_ ? undo(pause_) : write(tag_);
}

Result<void> HitTag::undo(std::optional<std::uint32_t>& entry) {
    if (!entry) return {};
    auto undone = journal_->undo(*entry);
    // Somebody else's value is there, or the journal is that of another boot: nothing of ours is left.
    if (!undone && undone.error().kind != ErrorKind::refused && undone.error().kind != ErrorKind::not_found)
        return undone;
    entry.reset();
    return undone;
}

Result<void> HitTag::restore() {
    POOLKD_CHECK(undo(pause_));
    return undo(entry_);
}

} // namespace poolkd::hunt

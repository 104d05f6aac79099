#include "target/context_access.h"

#include <algorithm>
#include <utility>

namespace poolkd::target {

namespace {

constexpr std::size_t piece_size = 512;

bool transport_failed(const Error& error) {
    return error.kind != ErrorKind::unsupported;
}

} // namespace

Result<ByteVector> ContextAccess::fetch_whole(std::uint16_t processor) {
    POOLKD_TRY(ByteVector whole, client_.get_context(processor));
    if (whole.size() < machine_->context_size)
        return fail(ErrorKind::malformed, "The target's register record has {} bytes; {} were expected.", whole.size(),
                    machine_->context_size);
    whole.resize(machine_->context_size);
    return whole;
}

Result<ContextAccess::Known*> ContextAccess::fetch(std::uint32_t processor, std::size_t least) {
    if (auto it = known_.find(processor); it != known_.end() && it->second.real >= least) return &it->second;
    const auto number = static_cast<std::uint16_t>(processor);
    Known known;
    if (has_get_ex_) {
        auto part = client_.get_context_ex(number, 0, static_cast<std::uint32_t>(least));
        if (part) {
            known.real = part->size();
            known.bytes = std::move(*part);
        } else if (transport_failed(part.error())) {
            return std::unexpected(std::move(part).error());
        } else {
            has_get_ex_ = false; // a system before Windows 8, or a boot debugger
        }
    }
    if (known.real == 0) {
        POOLKD_TRY(known.bytes, fetch_whole(number));
        known.real = known.bytes.size();
    }
    known.bytes.resize(machine_->context_size);
    Known& kept = known_[processor];
    kept = std::move(known);
    return &kept;
}

Result<RegisterFile> ContextAccess::read(std::uint32_t processor) {
    POOLKD_TRY(const Known* known, fetch(processor, machine_->context_core_size));
    return RegisterFile(*machine_, known->bytes);
}

Result<void> ContextAccess::write(std::uint32_t processor, const RegisterFile& registers) {
    const Bytes wanted = registers.bytes();
    if (&registers.machine() != machine_ || wanted.size() != machine_->context_size)
        return fail(ErrorKind::usage, "These registers belong to another kind of machine.");
    POOLKD_TRY(Known * known, fetch(processor, machine_->context_core_size));
    const auto [changed_in, unused] = std::mismatch(wanted.begin(), wanted.end(), known->bytes.begin());
    if (changed_in == wanted.end()) return {};
    const auto first = static_cast<std::size_t>(changed_in - wanted.begin());
    std::size_t end = wanted.size();
    while (wanted[end - 1] == known->bytes[end - 1])
        --end;
    const ByteVector changed(wanted.begin() + static_cast<std::ptrdiff_t>(first),
                             wanted.begin() + static_cast<std::ptrdiff_t>(end));
    if (end > known->real) {
        // The change lies where nothing was read yet: only the whole record tells what surrounds it.
        POOLKD_TRY(known, fetch(processor, machine_->context_size));
    }
    const auto number = static_cast<std::uint16_t>(processor);
    if (!has_get_ex_) way_ = Way::whole;
    if (way_ == Way::untried) return try_part(number, *known, first, changed);
    if (way_ != Way::parts) return write_whole(number, *known, first, changed);
    POOLKD_CHECK(
        client_.set_context_ex(number, static_cast<std::uint32_t>(first), changed, static_cast<std::uint32_t>(end)));
    std::copy(changed.begin(), changed.end(), known->bytes.begin() + static_cast<std::ptrdiff_t>(first));
    return {};
}

Result<void> ContextAccess::try_part(std::uint16_t processor, Known& known, std::size_t first, Bytes changed) {
    POOLKD_TRY(const Known* before_part, fetch(processor, machine_->context_size));
    ByteVector expected = before_part->bytes;
    std::copy(changed.begin(), changed.end(), expected.begin() + static_cast<std::ptrdiff_t>(first));
    auto set = client_.set_context_ex(processor, static_cast<std::uint32_t>(first), changed,
                                      static_cast<std::uint32_t>(first + changed.size()));
    if (!set) {
        if (transport_failed(set.error())) return set;
        way_ = Way::whole;
        return write_whole(processor, known, first, changed);
    }
    POOLKD_TRY(const ByteVector after, client_.get_context_ex(processor, 0, machine_->context_size));
    if (same_registers(after, expected)) {
        way_ = Way::parts;
        known.bytes = expected;
        return {};
    }
    way_ = Way::pieces;
    return write_whole(processor, known, first, changed);
}

Result<void> ContextAccess::write_whole(std::uint16_t processor, Known& known, std::size_t first, Bytes changed) {
    // What is known was read before any write went wrong, so it is what has to be put back around the change.
    if (known.real < machine_->context_size) {
        POOLKD_TRY(known.bytes, fetch_whole(processor));
        known.real = known.bytes.size();
    }
    std::copy(changed.begin(), changed.end(), known.bytes.begin() + static_cast<std::ptrdiff_t>(first));
    if (way_ == Way::pieces) {
        const auto total = static_cast<std::uint32_t>(known.bytes.size());
        Result<void> set;
        for (std::size_t at = 0; at < known.bytes.size() && set; at += piece_size) {
            const Bytes piece = Bytes(known.bytes).subspan(at, std::min(piece_size, known.bytes.size() - at));
            set = client_.set_context_ex(processor, static_cast<std::uint32_t>(at), piece, total);
        }
        if (set || transport_failed(set.error())) return set;
        way_ = Way::whole;
    }
    return client_.set_context(processor, known.bytes);
}

bool ContextAccess::same_registers(Bytes a, Bytes b) const {
    // By name rather than byte by byte: the debug registers of the record are leftovers on some systems, and differ
    // from one reading to the next.
    for (const RegisterSlot& slot : machine_->registers) {
        if (slot.name.starts_with("dr")) continue;
        if (load_unsigned(a, slot.offset, slot.size) != load_unsigned(b, slot.offset, slot.size)) return false;
    }
    return true;
}

} // namespace poolkd::target

#include "hunt/trace_places.h"

#include <algorithm>

namespace poolkd::hunt {

namespace {

constexpr std::uint64_t most_stack_bytes = 960; // what the first read of a walk brings, wherever in its line it begins
constexpr std::uint64_t home_bytes = 0x20;      // of the driver's frame: the allocator's arguments may lie there

std::uint64_t mixed(std::uint64_t hash, std::uint64_t value) { // FNV-1a, eight bytes a step
    return (hash ^ value) * 0x100000001b3;
}

} // namespace

ShownWords shown_words(nt::Kernel& kernel, const code::StackTrace& trace, std::size_t caller) {
    ShownWords shown;
    if (trace.frames.empty()) return shown;
    const code::Frame& top = trace.frames.front();
    const unsigned word = kernel.machine().pointer_size;
    const std::size_t registers = word == 8 ? code::gpr_count : code::gpr_count / 2;
    for (std::size_t i = 0; i < registers; ++i)
        shown.words.push_back(top.registers.address_in(i).value);
    const VirtAddr end = trace.frames[std::min(caller, trace.frames.size() - 1)].sp + home_bytes;
    ByteVector bytes(end > top.sp ? std::min(end - top.sp, most_stack_bytes) : 0);
    bytes.resize(kernel.memory().read(top.sp, bytes).bytes);
    for (std::size_t at = 0; at + word <= bytes.size(); at += word)
        shown.words.push_back(kernel.machine().canonical(*load_unsigned(bytes, at, word)).value);
    shown.path = mixed(0xcbf29ce484222325, caller);
    for (std::size_t i = 0; i < std::min(caller, trace.frames.size()); ++i)
        shown.path = mixed(shown.path, trace.frames[i].ip.value);
    return shown;
}

std::optional<std::uint64_t> PointerPlaces::agreed(const Path& path, const ShownWords& shown) {
    std::optional<std::uint64_t> value;
    for (std::uint32_t place : path.places) {
        if (place >= shown.words.size() || (value && *value != shown.words[place])) return std::nullopt;
        value = shown.words[place];
    }
    return value;
}

std::optional<std::uint64_t> PointerPlaces::read(const ShownWords& shown) const {
    const auto path = paths_.find(shown.path);
    if (path == paths_.end() || path->second.seen < enough) return std::nullopt;
    return agreed(path->second, shown);
}

std::optional<std::uint64_t> PointerPlaces::learn(const ShownWords& shown, std::span<const std::uint64_t> pointers) {
    if (paths_.size() >= most_paths && !paths_.contains(shown.path)) return std::nullopt;
    Path& path = paths_[shown.path];
    auto fits = [&](std::uint32_t i) {
        return i < shown.words.size() && std::ranges::find(pointers, shown.words[i]) != pointers.end();
    };
    if (path.stops++ == 0) {
        for (std::uint32_t i = 0; i < shown.words.size(); ++i)
            if (fits(i)) path.places.push_back(i);
    } else {
        std::erase_if(path.places, [&](std::uint32_t i) { return !fits(i); });
    }
    const std::optional<std::uint64_t> pointer = agreed(path, shown);
    // The same block again and again proves little: a stale word would hold it, too.
    if (pointer && pointer != path.last) ++path.seen;
    if (pointer) path.last = pointer;
    return pointer;
}

} // namespace poolkd::hunt

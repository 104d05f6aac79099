#include "control/breakpoints.h"

#include "base/text.h"

#include <algorithm>

namespace poolkd::control {

namespace {
constexpr std::uint64_t cleared_window = 16; // bytes, see stopped_at
constexpr std::uint32_t first_internal_id = 0x10000;
} // namespace

Result<Breakpoints::Added> Breakpoints::add(Breakpoint breakpoint, std::optional<std::uint32_t> id) {
    if (!kernel_.target().breakpoints())
        return fail(ErrorKind::unsupported, "Breakpoints need a live target; this one is {}",
                    kernel_.target().identity().kind);
    if (!breakpoint.internal && breakpoint.address)
        for (Breakpoint& old : breakpoints_)
            if (!old.internal && old.address == breakpoint.address && (!id || *id == old.id)) {
                breakpoint.id = old.id;
                breakpoint.handle = old.handle;
                old = std::move(breakpoint);
                return Added{old.id, true};
            }
    if (id)
        if (Breakpoint* old = find(*id)) {
            POOLKD_CHECK(lift(*old));
            breakpoint.id = *id;
            *old = std::move(breakpoint);
            return Added{*id, true};
        }
    if (breakpoints_.size() >= limit)
        return fail(ErrorKind::refused, "Only {} breakpoints are possible in kernel mode", limit);
    std::uint32_t free_id = breakpoint.internal ? first_internal_id : 0;
    while (find(free_id))
        ++free_id;
    breakpoint.id = id.value_or(free_id);
    breakpoints_.push_back(std::move(breakpoint));
    std::ranges::sort(breakpoints_, {}, &Breakpoint::id);
    return Added{id.value_or(free_id), false};
}

Result<void> Breakpoints::lift(Breakpoint& breakpoint) {
    if (!breakpoint.handle) return {};
    const std::uint32_t handle = *breakpoint.handle;
    if (target::BreakpointSlots* slots = kernel_.target().breakpoints()) {
        // After any other failure (a Ctrl-C, a lost link) it is still in the target: the next lift tries again.
        auto cleared = slots->clear_breakpoint(handle);
        if (!cleared && cleared.error().kind != ErrorKind::not_found) return cleared;
    }
    breakpoint.handle.reset();
    return journal_.forget_breakpoint(handle);
}

Result<void> Breakpoints::remove(std::uint32_t id) {
    Breakpoint* breakpoint = find(id);
    if (!breakpoint) return fail(ErrorKind::not_found, "There is no breakpoint {}", id);
    if (auto lifted = lift(*breakpoint); !lifted) {
        breakpoint->doomed = breakpoint->internal = true;
        breakpoint->enabled = false;
        return lifted;
    }
    std::erase_if(breakpoints_, [&](const Breakpoint& b) { return b.id == id; });
    return {};
}

bool Breakpoints::planted() const {
    return std::ranges::any_of(breakpoints_, [](const Breakpoint& b) { return b.handle.has_value(); });
}

bool Breakpoints::doomed_at(VirtAddr address) const {
    return std::ranges::any_of(breakpoints_, [&](const Breakpoint& b) { return b.doomed && b.address == address; });
}

Result<void> Breakpoints::enable(std::uint32_t id, bool enabled) {
    Breakpoint* breakpoint = find(id);
    if (!breakpoint) return fail(ErrorKind::not_found, "There is no breakpoint {}", id);
    breakpoint->enabled = enabled;
    return enabled ? Result<void>{} : lift(*breakpoint);
}

Breakpoint* Breakpoints::find(std::uint32_t id) {
    auto it = std::ranges::find(breakpoints_, id, &Breakpoint::id);
    return it == breakpoints_.end() ? nullptr : &*it;
}

Breakpoint* Breakpoints::at(VirtAddr address) {
    for (Breakpoint& breakpoint : breakpoints_) // ids of internal ones are the largest, so the user's come first
        if (breakpoint.enabled && breakpoint.address == address) return &breakpoint;
    return nullptr;
}

Breakpoint* Breakpoints::internal_at(VirtAddr address) {
    for (Breakpoint& breakpoint : breakpoints_)
        if (breakpoint.internal && breakpoint.enabled && breakpoint.address == address) return &breakpoint;
    return nullptr;
}

Result<void> Breakpoints::plant(std::optional<VirtAddr> skip) {
    target::BreakpointSlots* slots = kernel_.target().breakpoints();
    for (Breakpoint& breakpoint : breakpoints_) {
        if (!slots || !breakpoint.enabled || !breakpoint.address || breakpoint.handle || breakpoint.address == skip)
            continue;
        // Two of ours at one place (a step's over a user's) share the one the target holds.
        bool shared = std::ranges::any_of(
            breakpoints_, [&](const Breakpoint& other) { return other.handle && other.address == breakpoint.address; });
        if (shared) continue;
        auto handle = slots->set_breakpoint(*breakpoint.address);
        if (!handle)
            return fail_at(*breakpoint.address, handle.error().kind,
                           fmt::format("Breakpoint {} at {} cannot be set: {}", breakpoint.id,
                                       format_address(breakpoint.address->value, kernel_.machine().pointer_size),
                                       handle.error().message));
        breakpoint.handle = *handle;
        POOLKD_CHECK(journal_.note_breakpoint(*breakpoint.address, *handle));
    }
    return {};
}

Result<void> Breakpoints::lift() {
    for (Breakpoint& breakpoint : breakpoints_)
        POOLKD_CHECK(lift(breakpoint));
    std::erase_if(breakpoints_, [](const Breakpoint& b) { return b.doomed; });
    return {};
}

void Breakpoints::stopped_at(VirtAddr ip) {
    for (Breakpoint& breakpoint : breakpoints_) {
        if (!breakpoint.handle || !breakpoint.address || *breakpoint.address - ip >= cleared_window) continue;
        // A failure to note it on disk only means that the next attach clears a handle that is gone already.
        (void)journal_.forget_breakpoint(*breakpoint.handle);
        breakpoint.handle.reset();
    }
}

void Breakpoints::target_restarted() {
    for (Breakpoint& breakpoint : breakpoints_) {
        breakpoint.handle.reset();
        // A name is looked up again. A bare address may be anything in the new boot: it stays, disabled.
        const bool named = breakpoint.expression.find('!') != std::string::npos;
        if (named) breakpoint.keeps_expression = true;
        if (breakpoint.keeps_expression) {
            breakpoint.address.reset();
        } else {
            breakpoint.enabled = false;
        }
    }
    std::erase_if(breakpoints_, [](const Breakpoint& b) { return b.internal; });
}

void Breakpoints::resolve(const std::function<std::optional<VirtAddr>(const std::string&)>& resolve) {
    for (Breakpoint& breakpoint : breakpoints_)
        if (breakpoint.keeps_expression && !breakpoint.handle)
            if (auto address = resolve(breakpoint.expression)) breakpoint.address = address;
}

} // namespace poolkd::control

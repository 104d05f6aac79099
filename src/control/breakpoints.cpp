#include "control/breakpoints.h"

#include "base/text.h"

#include <algorithm>
#include <set>

namespace poolkd::control {

namespace {

constexpr std::uint64_t cleared_window = 16; // bytes, see stopped_at
constexpr std::uint32_t first_internal_id = 0x10000;

bool stops_before(const Breakpoint& breakpoint, VirtAddr address) {
    return breakpoint.enabled && breakpoint.on_execution() && breakpoint.address == address;
}

} // namespace

Result<void> Breakpoints::check(const Breakpoint& breakpoint, std::optional<std::uint32_t> replaced) {
    if (!kernel_.target().breakpoints())
        return fail(ErrorKind::unsupported, "Breakpoints need a live target; this one is {}",
                    kernel_.target().identity().kind);
    if (!breakpoint.watch) return breakpoint.enabled ? check_room(breakpoint, replaced) : Result<void>{};
    if (breakpoint.address) POOLKD_CHECK(check_watch(*breakpoint.watch, *breakpoint.address, kernel_.machine()));
    const auto others = std::ranges::count_if(
        breakpoints_, [&](const Breakpoint& b) { return b.watch && b.enabled && b.id != replaced; });
    if (breakpoint.enabled && others >= DebugRegisters::slots)
        return fail(ErrorKind::refused,
                    "A processor has {} debug registers, and all are taken: disable or clear a breakpoint of `ba`",
                    DebugRegisters::slots);
    return {};
}

Result<void> Breakpoints::check_room(const Breakpoint& breakpoint, std::optional<std::uint32_t> replaced) {
    std::set<VirtAddr> places; // each takes one entry of the target's table, however many breakpoints share it
    std::size_t unresolved = 0;
    for (const Breakpoint& other : breakpoints_) {
        if (other.watch || !other.enabled || other.id == replaced) continue;
        if (other.address) {
            places.insert(*other.address);
        } else {
            ++unresolved;
        }
    }
    if (breakpoint.address && places.contains(*breakpoint.address)) return {};
    if (places.size() + unresolved < limit) return {};
    return fail(ErrorKind::refused, "Only {} breakpoints are possible in kernel mode: disable or clear one", limit);
}

Result<Breakpoints::Added> Breakpoints::add(Breakpoint breakpoint, std::optional<std::uint32_t> id) {
    Breakpoint* old = id ? find(*id) : nullptr;
    if (!old && !breakpoint.internal && breakpoint.address) {
        auto same = std::ranges::find_if(breakpoints_, [&](const Breakpoint& b) {
            return !b.internal && b.address == breakpoint.address && b.watch == breakpoint.watch && !id;
        });
        if (same != breakpoints_.end()) old = &*same;
    }
    POOLKD_CHECK(check(breakpoint, old ? std::optional(old->id) : std::nullopt));
    if (old) {
        if (old->address == breakpoint.address && !breakpoint.watch && !old->watch) {
            breakpoint.handle = old->handle;
        } else {
            POOLKD_CHECK(lift(*old));
        }
        breakpoint.id = old->id;
        *old = std::move(breakpoint);
        return Added{old->id, true};
    }
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
    if (target::BreakpointSlots* slots = kernel_.target().breakpoints()) {
        // After any other failure (a Ctrl-C, a lost link) it is still in the target: the next lift tries again.
        auto cleared = slots->clear_breakpoint(*breakpoint.handle);
        if (!cleared && cleared.error().kind != ErrorKind::not_found) return cleared;
    }
    breakpoint.handle.reset();
    return {};
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
    return watches_armed() ||
           std::ranges::any_of(breakpoints_, [](const Breakpoint& b) { return b.handle.has_value(); });
}

bool Breakpoints::doomed_at(VirtAddr address) const {
    return std::ranges::any_of(breakpoints_, [&](const Breakpoint& b) { return b.doomed && b.address == address; });
}

Result<void> Breakpoints::enable(std::uint32_t id, bool enabled) {
    Breakpoint* breakpoint = find(id);
    if (!breakpoint) return fail(ErrorKind::not_found, "There is no breakpoint {}", id);
    if (enabled) {
        Breakpoint wanted = *breakpoint;
        wanted.enabled = true;
        POOLKD_CHECK(check(wanted, id));
    }
    breakpoint->enabled = enabled;
    return enabled ? Result<void>{} : lift(*breakpoint);
}

Result<void> Breakpoints::renumber(std::uint32_t id, std::uint32_t to) {
    Breakpoint* breakpoint = find(id);
    if (!breakpoint || breakpoint->internal) return fail(ErrorKind::not_found, "There is no breakpoint {}", id);
    if (id == to) return {};
    if (to >= first_internal_id) return fail(ErrorKind::usage, "{} is too large for a breakpoint number", to);
    if (find(to)) return fail(ErrorKind::refused, "There is a breakpoint {} already", to);
    breakpoint->id = to;
    std::ranges::sort(breakpoints_, {}, &Breakpoint::id);
    return {};
}

Breakpoint* Breakpoints::find(std::uint32_t id) {
    auto it = std::ranges::find(breakpoints_, id, &Breakpoint::id);
    return it == breakpoints_.end() ? nullptr : &*it;
}

std::vector<Breakpoint*> Breakpoints::at(VirtAddr address) {
    std::vector<Breakpoint*> found;
    for (Breakpoint& breakpoint : breakpoints_) // ids of internal ones are the largest, so the user's come first
        if (breakpoint.enabled && !breakpoint.watch && breakpoint.address == address) found.push_back(&breakpoint);
    return found;
}

std::vector<Breakpoint*> Breakpoints::watching(std::uint64_t dr6) {
    std::vector<Breakpoint*> found;
    for (Breakpoint& breakpoint : breakpoints_)
        // The processor may set the bits of disabled registers, too.
        if (breakpoint.slot && breakpoint.enabled && wanted_.enabled(*breakpoint.slot) &&
            (dr6 >> *breakpoint.slot & 1) != 0)
            found.push_back(&breakpoint);
    return found;
}

std::vector<Breakpoint*> Breakpoints::before(VirtAddr address) {
    std::vector<Breakpoint*> found;
    for (Breakpoint& breakpoint : breakpoints_)
        if (stops_before(breakpoint, address)) found.push_back(&breakpoint);
    return found;
}

bool Breakpoints::stops_at(VirtAddr address) const {
    return std::ranges::any_of(breakpoints_, [&](const Breakpoint& b) { return stops_before(b, address); });
}

void Breakpoints::choose_slots(std::span<const VirtAddr> skip) {
    wanted_ = DebugRegisters{.addresses = written_.addresses};
    std::uint32_t taken = 0;
    for (Breakpoint& breakpoint : breakpoints_) {
        if (!breakpoint.watch || !breakpoint.enabled || !breakpoint.address) breakpoint.slot.reset();
        if (breakpoint.slot) taken |= 1u << *breakpoint.slot;
    }
    for (Breakpoint& breakpoint : breakpoints_) {
        if (!breakpoint.watch || !breakpoint.enabled || !breakpoint.address) continue;
        for (unsigned slot = 0; slot < DebugRegisters::slots && !breakpoint.slot; ++slot)
            if ((taken >> slot & 1) == 0) breakpoint.slot = slot;
        if (!breakpoint.slot) continue; // `check` lets no fifth one be
        taken |= 1u << *breakpoint.slot;
        wanted_.addresses[*breakpoint.slot] = *breakpoint.address;
        const bool passed = breakpoint.on_execution() && std::ranges::find(skip, *breakpoint.address) != skip.end();
        if (!passed) wanted_.enable(*breakpoint.slot, *breakpoint.watch, *breakpoint.address);
    }
}

Result<void> Breakpoints::plant(std::span<const VirtAddr> skip) {
    target::BreakpointSlots* slots = kernel_.target().breakpoints();
    for (Breakpoint& breakpoint : breakpoints_) {
        if (!slots || !breakpoint.enabled || !breakpoint.address || breakpoint.handle || breakpoint.watch ||
            std::ranges::find(skip, *breakpoint.address) != skip.end())
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
    choose_slots(skip);
    // DR7 travels with each resume; only the addresses have to be written.
    if (wanted_.addresses == written_.addresses) return {};
    auto written = write_debug_registers(kernel_.target(), wanted_);
    if (written) {
        written_ = wanted_;
    } else {
        wanted_ = written_ = {}; // nothing is enabled then, and the next try writes all
    }
    return written;
}

Result<void> Breakpoints::lift() {
    for (Breakpoint& breakpoint : breakpoints_)
        POOLKD_CHECK(lift(breakpoint));
    std::erase_if(breakpoints_, [](const Breakpoint& b) { return b.doomed; });
    return {};
}

Result<void> Breakpoints::withdraw() {
    POOLKD_CHECK(lift());
    POOLKD_CHECK(journal_.forget_breakpoints());
    wanted_ = {};
    if (written_ == DebugRegisters{}) return {};
    POOLKD_CHECK(write_debug_registers(kernel_.target(), {}));
    written_ = {};
    return {};
}

void Breakpoints::stopped_at(VirtAddr ip) {
    for (Breakpoint& breakpoint : breakpoints_)
        if (breakpoint.handle && breakpoint.address && *breakpoint.address - ip < cleared_window)
            breakpoint.handle.reset();
}

void Breakpoints::target_restarted() {
    wanted_ = written_ = {};
    for (Breakpoint& breakpoint : breakpoints_) {
        breakpoint.handle.reset();
        breakpoint.slot.reset();
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

bool Breakpoints::resolve(const Resolver& resolve) {
    bool all_asked = true;
    for (Breakpoint& breakpoint : breakpoints_) {
        if (!breakpoint.keeps_expression || breakpoint.handle) continue;
        auto address = resolve(breakpoint.expression);
        if (!address && (address.error().kind == ErrorKind::stopped || address.error().kind == ErrorKind::link)) {
            all_asked = false; // that tells nothing about the name
            continue;
        }
        breakpoint.address = address ? std::optional(*address) : std::nullopt; // nothing once its module is gone
        // What turns out not to be aligned stays unresolved.
        if (breakpoint.address && breakpoint.watch &&
            !check_watch(*breakpoint.watch, *breakpoint.address, kernel_.machine()))
            breakpoint.address.reset();
    }
    return all_asked;
}

} // namespace poolkd::control

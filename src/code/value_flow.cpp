#include "code/value_flow.h"

#include <algorithm>
#include <numeric>
#include <queue>
#include <tuple>

namespace poolkd::code {

namespace {

using Kind = Value::Kind;
using Why = Value::Why;

constexpr std::size_t max_choices = 8;           ///< that reach one place
constexpr std::int64_t max_distance = 1 << 20;   ///< from a stack pointer; larger is not followed
constexpr std::int32_t string_reach = 0x1000;    ///< what a repeated store is taken to overwrite
constexpr std::int32_t callee_reach = 0x40;      ///< what a callee is taken to write through an address it is given
constexpr std::size_t max_sets = 1u << 12;       ///< of such choices, in one function
constexpr std::uint64_t max_effort = 1u << 24;   ///< for one function: far more than joins take to settle in a real one
constexpr std::size_t max_kept_slots = 1u << 21; ///< in one function; real ones have some ten thousand

std::uint64_t cut_to(std::uint64_t value, unsigned size) {
    return size >= 8 ? value : value & ((1ull << (size * 8)) - 1);
}

std::uint64_t sign_extend(std::uint64_t value, unsigned from) {
    const unsigned unused = 64 - from * 8;
    return static_cast<std::uint64_t>(static_cast<std::int64_t>(value << unused) >> unused);
}

/// The value of a slot that nothing was written to.
Value untouched(const Machine& machine, std::uint32_t origin, std::int32_t offset) {
    const std::int32_t width = machine.pointer_size;
    // Behind the return address; on x64 behind the homes of the arguments in registers, too.
    const std::int32_t first = width == 8 ? 0x28 : 4;
    if (origin != 0 || offset < first || offset % width != 0) return Value::unknown(Why::memory);
    return {.kind = Kind::entry_stack, .number = static_cast<std::uint64_t>(offset)};
}

/// Whether it has to be kept that something was written there: else it would pass for an argument as it came.
bool may_be_argument(std::uint32_t origin, std::int32_t offset) {
    return origin == 0 && offset >= 4;
}

/// Whether anybody can make use of the value later: not of what a caller keeps in its registers.
bool is_worth_keeping(const Value& value) {
    if (value.is(Kind::unknown)) return false;
    constexpr std::uint32_t arguments = 1u << 1 | 1u << 2 | 1u << 8 | 1u << 9;
    return !value.is(Kind::entry_register) || (arguments >> value.number & 1) != 0;
}

/// What a narrower read of a value gives.
Value narrowed(Value value, unsigned size) {
    if (value.is(Kind::constant)) {
        const std::uint64_t number = cut_to(value.number, size);
        if (size < 4) value.where = 0;
        value.number = number;
        return value;
    }
    if (size < 4) return Value::unknown(Why::computed);
    return value;
}

} // namespace

std::size_t FlowState::first_from(std::uint32_t origin, std::int32_t offset) const {
    auto found = std::ranges::lower_bound(slots_, std::pair(origin, offset), {},
                                          [](const Slot& slot) { return std::pair(slot.origin, slot.offset); });
    return static_cast<std::size_t>(found - slots_.begin());
}

FlowState::Range FlowState::overlapping(std::uint32_t origin, std::int32_t offset, std::int32_t end) const {
    std::size_t first = first_from(origin, offset), last = first;
    if (first > 0) {
        const Slot& before = slots_[first - 1];
        if (before.origin == origin && offset < before.offset + before.size) --first;
    }
    while (last < slots_.size() && slots_[last].origin == origin && slots_[last].offset < end)
        ++last;
    return {first, last};
}

void FlowState::erase(Range range) {
    const auto begin = slots_.begin();
    slots_.erase(begin + static_cast<std::ptrdiff_t>(range.first), begin + static_cast<std::ptrdiff_t>(range.last));
}

Value FlowState::read(const Machine& machine, std::uint32_t origin, std::int32_t offset, unsigned size) const {
    const Range range = overlapping(origin, offset, offset + static_cast<std::int32_t>(size));
    if (range.first == range.last && !full_) return narrowed(untouched(machine, origin, offset), size);
    if (range.first == range.last) return Value::unknown(Why::memory);
    const Slot& slot = slots_[range.first];
    return slot.offset == offset && slot.size >= size ? narrowed(slot.value, size) : Value::unknown(Why::memory);
}

void FlowState::insert(std::uint32_t origin, std::int32_t offset, std::int32_t end, const Value& value) {
    constexpr std::int32_t largest = 64;
    if (slots_.size() >= max_slots) {
        full_ = true;
        return;
    }
    slots_.insert(slots_.begin() + static_cast<std::ptrdiff_t>(first_from(origin, offset)),
                  {origin, offset, static_cast<std::uint8_t>(std::min(end - offset, largest)), value});
}

void FlowState::write(std::uint32_t origin, std::int32_t offset, unsigned size, const Value& value) {
    if (size == 0) return;
    const std::int32_t end = offset + static_cast<std::int32_t>(size);
    const Range range = overlapping(origin, offset, end);
    std::int32_t old_offset = offset, old_end = end;
    if (range.first != range.last) {
        const Slot &first = slots_[range.first], &last = slots_[range.last - 1];
        old_offset = std::min(offset, first.offset);
        old_end = std::max(end, last.offset + last.size);
        const bool known = !value.is(Kind::unknown) || !first.value.is(Kind::unknown);
        // Unknown within unknown: as it is, or joins of the two would never settle.
        if (range.last - range.first == 1 && !known && first.offset <= offset && old_end == last.offset + last.size)
            return;
    }
    erase(range);
    // That an argument is no longer what it was has to be kept, of other places only what is known.
    auto keep_overwritten = [&](std::int32_t from, std::int32_t to) {
        if (from < to && !full_ && may_be_argument(origin, from)) insert(origin, from, to, Value::unknown(Why::memory));
    };
    keep_overwritten(old_offset, offset);
    keep_overwritten(end, old_end);
    if (is_worth_keeping(value) || (!full_ && may_be_argument(origin, offset))) insert(origin, offset, end, value);
}

void FlowState::forget(std::uint32_t origin, std::int32_t offset, std::int32_t end) {
    if (offset >= end) return;
    const Range range{first_from(origin, offset), first_from(origin, end)};
    std::size_t arguments = range.first;
    while (arguments < range.last && !may_be_argument(origin, slots_[arguments].offset))
        ++arguments;
    for (std::size_t i = arguments; i < range.last; ++i)
        slots_[i].value = Value::unknown(Why::memory);
    erase({range.first, arguments});
}

bool ValueFlow::visit(const FlowGraph& graph, const IsWanted& is_wanted, const Visit& visit) {
    graph_ = &graph;
    find_wanted(is_wanted);
    if (visited_.empty()) return true;
    sets_.clear();
    kept_slots_ = 0;
    effort_limit_ = effort_ + max_effort;
    reached_.assign(graph.blocks.size(), false);
    if (states_.size() < graph.blocks.size()) states_.resize(graph.blocks.size());
    const bool whole = follow();
    if (whole) visit_wanted(visit);
    constexpr std::size_t common_slots = 1u << 16;
    if (kept_slots_ > common_slots) states_ = {};
    return whole;
}

void ValueFlow::find_wanted(const IsWanted& is_wanted) {
    visited_.clear();
    wanted_.assign(graph_->blocks.size(), false);
    bool orphans = false;
    for (std::size_t i = 0; i < graph_->blocks.size(); ++i) {
        const FlowBlock& block = graph_->blocks[i];
        orphans = orphans || block.orphan;
        for (std::uint32_t at = block.first; at < block.first + block.count; ++at) {
            const Step& step = graph_->steps[at];
            const bool leaves = block.leaves && at + 1 == block.first + block.count;
            if ((step.action != Action::call && !leaves) || !is_wanted(*graph_, step)) continue;
            visited_.push_back(at);
            wanted_[i] = true;
        }
    }
    if (visited_.empty()) return;
    if (orphans) want_first_call();
    want_what_leads_there();
}

/// The first call tells how the frame stands in blocks that nobody is seen to go to.
void ValueFlow::want_first_call() {
    std::vector<bool> reached(graph_->blocks.size());
    std::vector<std::uint32_t> queue{graph_->entry};
    reached[graph_->entry] = true;
    while (!queue.empty()) {
        const FlowBlock& block = graph_->blocks[queue.back()];
        queue.pop_back();
        for (const std::uint32_t next : graph_->next(block)) {
            if (reached[next]) continue;
            reached[next] = true;
            queue.push_back(next);
        }
    }
    for (std::size_t i = 0; i < graph_->blocks.size(); ++i) {
        if (!reached[i] || std::ranges::find(steps_of(graph_->blocks[i]), Action::call, &Step::action) ==
                               steps_of(graph_->blocks[i]).end())
            continue;
        wanted_[i] = true;
        return;
    }
}

void ValueFlow::want_what_leads_there() {
    // Blocks that lead to each one, as `FlowGraph::successors` has it for the other direction.
    const std::size_t count = graph_->blocks.size();
    std::vector<std::uint32_t> first(count + 1), before(graph_->successors.size()), queue;
    for (const std::uint32_t next : graph_->successors)
        ++first[next];
    std::partial_sum(first.begin(), first.end(), first.begin());
    for (std::uint32_t i = 0; i < count; ++i)
        for (const std::uint32_t next : graph_->next(graph_->blocks[i]))
            before[--first[next]] = i;
    for (std::uint32_t i = 0; i < count; ++i)
        if (wanted_[i]) queue.push_back(i);
    while (!queue.empty()) {
        const std::uint32_t block = queue.back();
        queue.pop_back();
        for (std::uint32_t i = first[block]; i < first[block + 1]; ++i) {
            if (wanted_[before[i]]) continue;
            wanted_[before[i]] = true;
            queue.push_back(before[i]);
        }
    }
}

bool ValueFlow::follow() {
    const std::uint32_t entry = graph_->entry;
    if (wanted_[entry]) {
        FlowState& state = states_[entry];
        state.slots_.clear();
        state.full_ = false;
        for (std::uint8_t reg = 0; reg < state.registers.size(); ++reg)
            state.registers[reg] = Value::entry(reg);
        state.registers[sp] = Value::stack(0, 0);
        reached_[entry] = true;
        if (!run(entry)) return false;
    }
    return follow_orphans();
}

bool ValueFlow::follow_orphans() {
    // What nobody is seen to go to: the frame stands as it does at the first call, the rest is unknown.
    std::optional<Value> frame;
    for (std::uint32_t i = 0; i < graph_->blocks.size(); ++i) {
        if (reached_[i] || !wanted_[i] || !graph_->blocks[i].orphan) continue;
        if (!frame) frame = frame_of_first_call();
        FlowState& state = states_[i];
        state.slots_.clear();
        state.full_ = true;
        for (Value& value : state.registers)
            value = Value::unknown(Why::paths);
        state.registers[sp] = frame->is(Kind::stack) ? *frame : Value::stack(i * 2 + 1, 0);
        reached_[i] = true;
        if (!run(i)) return false;
    }
    return true;
}

/// Unknown where nothing is called.
Value ValueFlow::frame_of_first_call() {
    for (std::size_t i = 0; i < graph_->blocks.size(); ++i) {
        if (!reached_[i]) continue;
        FlowState state = states_[i];
        for (const Step& step : steps_of(graph_->blocks[i])) {
            if (step.action == Action::call) return state.registers[sp];
            apply(state, step);
        }
    }
    return {};
}

bool ValueFlow::run(std::uint32_t first) {
    // In the order of addresses, which is mostly that of control: a block is seen again only where a loop changes it.
    std::priority_queue<std::uint32_t, std::vector<std::uint32_t>, std::greater<>> waiting;
    std::vector<bool> waits(graph_->blocks.size());
    waiting.push(first);
    FlowState state;
    while (!waiting.empty()) {
        const std::uint32_t index = waiting.top();
        waiting.pop();
        waits[index] = false;
        state = states_[index];
        const FlowBlock& block = graph_->blocks[index];
        for (const Step& step : steps_of(block))
            apply(state, step);
        effort_ += block.count;
        for (const std::uint32_t next : graph_->next(block)) {
            if (!wanted_[next]) continue;
            effort_ += 1 + state.slots_.size() / 4;
            FlowState& there = states_[next];
            bool changed = true;
            if (reached_[next]) {
                kept_slots_ -= there.slots_.size();
                changed = join(there, state, next);
            } else {
                there = state;
                reached_[next] = true;
            }
            kept_slots_ += there.slots_.size();
            if (!changed || waits[next]) continue;
            waits[next] = true;
            waiting.push(next);
        }
        if (effort_ > effort_limit_ || kept_slots_ > max_kept_slots) return false;
    }
    return true;
}

void ValueFlow::visit_wanted(const Visit& visit) {
    FlowState state;
    auto wanted = visited_.begin();
    for (std::size_t i = 0; i < graph_->blocks.size() && wanted != visited_.end(); ++i) {
        const FlowBlock& block = graph_->blocks[i];
        const std::uint32_t end = block.first + block.count;
        if (*wanted >= end) continue;
        if (reached_[i]) {
            state = states_[i];
            for (std::uint32_t at = block.first; wanted != visited_.end() && *wanted < end; ++at) {
                if (at == *wanted) {
                    visit(graph_->steps[at], state);
                    ++wanted;
                }
                apply(state, graph_->steps[at]);
            }
        }
        while (wanted != visited_.end() && *wanted < end)
            ++wanted;
    }
}

std::span<const Value> ValueFlow::choices_in(const Value& value) const {
    if (value.is(Kind::several)) return sets_[value.number];
    if (value.is(Kind::unknown) || value.is(Kind::stack) || value.is(Kind::behind)) return {};
    return {&value, 1};
}

std::vector<Value> ValueFlow::choices(const Value& value) const {
    const auto all = choices_in(value);
    return {all.begin(), all.end()};
}

Value ValueFlow::at_entry_of_callee(const FlowState& state, const Step& step, const Value& place) const {
    if (place.is(Kind::entry_register)) return state.registers[place.number];
    const Value& top = state.registers[sp];
    if (!place.is(Kind::entry_stack) || !top.is(Kind::stack)) return Value::unknown(Why::memory);
    const std::int32_t above = step.action == Action::call ? machine_.pointer_size : 0;
    return state.read(machine_, top.origin,
                      static_cast<std::int32_t>(top.number) + static_cast<std::int32_t>(place.number) - above, 4);
}

Value ValueFlow::address_of(const FlowState& state, const Place& place) const {
    if (place.elsewhere) return Value::unknown(Why::memory);
    Value sum = place.fixed ? Value::constant(place.value) : Value::constant(0);
    if (!place.fixed) {
        sum = combine(Action::add, state.registers[place.base], Value::constant(place.value), machine_.pointer_size);
    }
    if (place.index == Place::no_register) return sum;
    if (place.index >= state.registers.size()) return Value::unknown(Why::memory);
    const Value& index = state.registers[place.index];
    if (!index.is(Kind::constant)) return Value::unknown(Why::memory);
    return combine(Action::add, sum, Value::constant(index.number * place.scale), machine_.pointer_size);
}

Value ValueFlow::read(const FlowState& state, const Place& place) const {
    switch (place.kind) {
    case Place::Kind::none: return Value::unknown(Why::computed);
    case Place::Kind::immediate: return Value::constant(cut_to(place.value, place.size));
    case Place::Kind::reg:
        if (place.high_byte) return Value::unknown(Why::computed);
        return narrowed(state.registers[place.reg], place.size);
    case Place::Kind::memory: break;
    }
    if (surroundings_.table && place.base < state.registers.size() && place.index == Place::no_register &&
        !place.elsewhere && place.size == machine_.pointer_size) {
        const Value& base = state.registers[place.base];
        if (base.is(Kind::image) && base.where == surroundings_.table && base.size == machine_.pointer_size)
            return {.kind = Kind::behind,
                    .why = Why::memory,
                    .size = place.size,
                    .where = base.where,
                    .number = place.value};
    }
    const Value address = address_of(state, place);
    if (address.is(Kind::stack))
        return state.read(machine_, address.origin, static_cast<std::int32_t>(address.number), place.size);
    if (address.is(Kind::constant)) {
        const std::uint64_t rva = cut_to(address.number - base_, machine_.pointer_size);
        if (rva < image_.size() && (place.size == 4 || place.size == 8))
            return {.kind = Kind::image, .size = place.size, .where = static_cast<std::uint32_t>(rva)};
    }
    return Value::unknown(Why::memory);
}

void ValueFlow::write(FlowState& state, const Place& place, Value value, std::uint32_t rva) const {
    if (place.kind == Place::Kind::memory) {
        const Value address = address_of(state, place);
        if (!address.is(Kind::stack)) return;
        state.write(address.origin, static_cast<std::int32_t>(address.number), place.size, value);
        return;
    }
    if (place.kind != Place::Kind::reg) return;
    Value& reg = state.registers[place.reg];
    if (place.size < 4) {
        const bool known = reg.is(Kind::constant) && value.is(Kind::constant) && !place.high_byte;
        const std::uint64_t low = (1ull << (place.size * 8)) - 1;
        value = known ? Value::constant((reg.number & ~low) | (value.number & low)) : Value::unknown(Why::computed);
    } else if (place.size < machine_.pointer_size) {
        if (value.is(Kind::constant)) value.number = cut_to(value.number, place.size);
        if (value.is(Kind::stack)) value = Value::unknown(Why::computed);
    }
    if (place.reg == sp && !value.is(Kind::stack)) value = Value::stack(rva * 2, 0);
    if (place.reg == sp && value.origin == rva * 2) {
        // What had this origin when control came by before lies elsewhere now.
        std::erase_if(state.slots_, [&](const FlowState::Slot& slot) {
            return slot.origin == value.origin || (slot.value.is(Kind::stack) && slot.value.origin == value.origin);
        });
        for (Value& other : state.registers)
            if (other.is(Kind::stack) && other.origin == value.origin) other = Value::unknown(Why::paths);
    }
    reg = value;
}

void ValueFlow::move_stack(FlowState& state, std::int64_t by) const {
    Value& top = state.registers[sp];
    top = combine(Action::add, top, Value::constant(static_cast<std::uint64_t>(by)), machine_.pointer_size);
}

Value ValueFlow::combine(Action action, const Value& left, const Value& right, unsigned size) const {
    if (left.is(Kind::constant) && right.is(Kind::constant)) {
        const std::uint64_t a = left.number, b = right.number;
        switch (action) {
        case Action::add:
            if (b == 0) return left;
            if (a == 0) return right;
            return Value::constant(cut_to(a + b, size));
        case Action::subtract: return Value::constant(cut_to(a - b, size));
        case Action::bit_and: return Value::constant(a & b);
        case Action::bit_or: return a == 0 ? right : b == 0 ? left : Value::constant(a | b);
        case Action::bit_xor: return Value::constant(a ^ b);
        case Action::shift_left:
            return b < size * 8 ? Value::constant(cut_to(a << b, size)) : Value::unknown(Why::computed);
        default: return Value::unknown(Why::computed);
        }
    }
    if (left.is(Kind::stack) && right.is(Kind::constant) && (action == Action::add || action == Action::subtract)) {
        const auto by = static_cast<std::int64_t>(sign_extend(right.number, machine_.pointer_size));
        const auto from = static_cast<std::int64_t>(left.number);
        if (by > max_distance || by < -max_distance) return Value::unknown(Why::computed);
        const std::int64_t to = action == Action::add ? from + by : from - by;
        if (to > max_distance || to < -max_distance) return Value::unknown(Why::computed);
        return Value::stack(left.origin, static_cast<std::uint64_t>(to));
    }
    if (action == Action::add && right.is(Kind::stack) && left.is(Kind::constant))
        return combine(action, right, left, size);
    if (right.is(Kind::constant)) {
        if (action == Action::bit_and && right.number == 0) return Value::constant(0);
        if (action == Action::bit_or && right.number == cut_to(~0ull, size)) return Value::constant(right.number);
        if (right.number == 0 && action == Action::add) return left;
    }
    return Value::unknown(left.is(Kind::unknown) && left.why != Why::nothing ? left.why : Why::computed);
}

void ValueFlow::apply(FlowState& state, const Step& step) const {
    const unsigned width = machine_.pointer_size;
    auto with_where = [&](Value value) {
        if (step.from.kind == Place::Kind::immediate && step.from.offset != 0)
            value.where = step.rva + step.from.offset;
        return value;
    };
    switch (step.action) {
    case Action::nothing:
    case Action::jump:
    case Action::ret:
    case Action::stop: return;
    case Action::branch:
        if (step.clobbered) state.registers[1] = Value::unknown(Why::computed);
        return;
    case Action::move: write(state, step.to, with_where(read(state, step.from)), step.rva); return;
    case Action::move_signed: {
        Value value = read(state, step.from);
        if (value.is(Kind::constant)) value.number = cut_to(sign_extend(value.number, step.from.size), step.to.size);
        write(state, step.to, value, step.rva);
        return;
    }
    case Action::address: write(state, step.to, narrowed(address_of(state, step.from), step.to.size), step.rva); return;
    case Action::add:
    case Action::subtract:
    case Action::bit_and:
    case Action::bit_or:
    case Action::bit_xor:
    case Action::shift_left: {
        const bool with_itself = step.to.kind == Place::Kind::reg && step.from.kind == Place::Kind::reg &&
                                 step.to.reg == step.from.reg && !step.to.high_byte && !step.from.high_byte;
        if (with_itself && (step.action == Action::bit_xor || step.action == Action::subtract)) {
            write(state, step.to, Value::constant(0), step.rva);
            return;
        }
        if (with_itself && (step.action == Action::bit_and || step.action == Action::bit_or)) return;
        write(state, step.to,
              combine(step.action, read(state, step.to), with_where(read(state, step.from)), step.to.size), step.rva);
        return;
    }
    case Action::select: write(state, step.to, join(read(state, step.to), read(state, step.from)), step.rva); return;
    case Action::push: {
        Value value = with_where(read(state, step.from));
        if (step.from.kind == Place::Kind::immediate) value.number = cut_to(step.from.value, width);
        move_stack(state, -static_cast<std::int64_t>(width));
        const Value& top = state.registers[sp];
        if (top.is(Kind::stack)) state.write(top.origin, static_cast<std::int32_t>(top.number), width, value);
        return;
    }
    case Action::pop: {
        const Value top = state.registers[sp];
        const Value value = top.is(Kind::stack)
                                ? state.read(machine_, top.origin, static_cast<std::int32_t>(top.number), width)
                                : Value::unknown(Why::memory);
        move_stack(state, width);
        write(state, step.to, value, step.rva);
        return;
    }
    case Action::leave: {
        const Place top{.kind = Place::Kind::reg, .size = static_cast<std::uint8_t>(width), .reg = sp};
        write(state, top, state.registers[bp], step.rva);
        const Value now = state.registers[sp];
        state.registers[bp] = now.is(Kind::stack)
                                  ? state.read(machine_, now.origin, static_cast<std::int32_t>(now.number), width)
                                  : Value::unknown(Why::memory);
        move_stack(state, width);
        return;
    }
    case Action::call: apply_call(state, step); return;
    case Action::other: break;
    }
    constexpr std::uint8_t di = 7;
    if (step.writes_memory) {
        const Value address = address_of(state, step.to);
        const bool repeated = step.to.base == di && (step.clobbered & (1u << di)) != 0;
        if (repeated && address.is(Kind::stack)) {
            const auto from = static_cast<std::int32_t>(address.number);
            state.forget(address.origin, from - string_reach, from + string_reach);
        } else {
            write(state, step.to, Value::unknown(Why::computed), step.rva);
        }
    }
    for (std::uint8_t reg = 0; reg < state.registers.size(); ++reg) {
        if (!(step.clobbered & (1u << reg))) continue;
        const Place place{.kind = Place::Kind::reg, .size = static_cast<std::uint8_t>(width), .reg = reg};
        write(state, place, Value::unknown(Why::computed), step.rva);
    }
}

void ValueFlow::apply_call(FlowState& state, const Step& step) const {
    const bool wide = machine_.pointer_size == 8;
    auto reaches = [&](const Value& value) {
        // Arguments that came on the stack are seldom meant; what is, is a local variable.
        const auto at = static_cast<std::int32_t>(value.number);
        const std::int32_t end = value.origin == 0 && at < 0 ? std::min(at + callee_reach, 0) : at + callee_reach;
        state.forget(value.origin, at, end);
    };
    constexpr std::uint8_t wide_arguments[] = {1, 2, 8, 9};
    constexpr std::uint8_t fast_arguments[] = {1, 2};
    const auto in_registers = wide ? std::span<const std::uint8_t>(wide_arguments) : fast_arguments;
    const Value top = state.registers[sp];
    passed_.clear(); // addresses on the stack
    auto pass = [&](const Value& value) {
        if (value.is(Kind::stack)) passed_.push_back(value);
    };
    for (std::uint8_t reg : in_registers)
        pass(state.registers[reg]);
    if (top.is(Kind::stack)) {
        const auto at = static_cast<std::int32_t>(top.number);
        for (const FlowState::Slot& slot : state.slots())
            if (slot.origin == top.origin && slot.offset >= at && slot.offset < at + callee_reach) pass(slot.value);
        if (wide) state.forget(top.origin, at, at + 0x20);
    }
    for (const Value& value : passed_)
        reaches(value);
    constexpr std::uint16_t volatile_wide = 0x0f07, volatile_narrow = 0x07;
    for (std::uint8_t reg = 0; reg < state.registers.size(); ++reg)
        if ((wide ? volatile_wide : volatile_narrow) & (1u << reg)) state.registers[reg] = Value::unknown(Why::result);
    if (wide) return;
    const auto popped =
        surroundings_.bytes_popped ? surroundings_.bytes_popped(step, state) : std::optional<std::uint32_t>();
    if (popped) {
        move_stack(state, *popped);
        return;
    }
    const Place place{.kind = Place::Kind::reg, .size = machine_.pointer_size, .reg = sp};
    write(state, place, Value::unknown(Why::result), step.rva);
}

Value ValueFlow::join(const Value& left, const Value& right) const {
    if (left == right) return left;
    const auto some = choices_in(left), others = choices_in(right);
    if (some.empty() || others.empty()) return Value::unknown(Why::paths);
    std::array<Value, 2 * max_choices> both;
    auto end = std::ranges::copy(some, both.begin()).out;
    for (const Value& value : others)
        if (std::find(both.begin(), end, value) == end) *end++ = value;
    const std::span<Value> all(both.begin(), end);
    if (all.size() > max_choices) return Value::unknown(Why::paths);
    std::ranges::sort(all, {}, [](const Value& v) { return std::tuple(v.kind, v.where, v.number, v.size); });
    constexpr std::size_t sets_of_effort = 16; // that are compared in the time of one step
    effort_ += sets_.size() / sets_of_effort;
    auto known = std::ranges::find_if(sets_, [&](const auto& set) { return std::ranges::equal(set, all); });
    if (known == sets_.end()) {
        if (sets_.size() >= max_sets) return Value::unknown(Why::paths);
        known = sets_.insert(sets_.end(), {all.begin(), all.end()});
    }
    return {.kind = Kind::several, .number = static_cast<std::uint64_t>(known - sets_.begin())};
}

bool ValueFlow::join(FlowState& into, const FlowState& from, std::uint32_t block) const {
    bool changed = false;
    const Value top = Value::stack(graph_->steps[graph_->blocks[block].first].rva * 2 + 1, 0);
    for (std::size_t reg = 0; reg < into.registers.size(); ++reg) {
        Value& here = into.registers[reg];
        Value both = join(here, from.registers[reg]);
        if (reg == sp) {
            // Where depths differ the depth is counted anew from here.
            if (here == top) continue;
            if (!both.is(Kind::stack)) both = top;
        }
        if (both == here) continue;
        here = both;
        changed = true;
    }
    if (from.full_ && !into.full_) {
        into.full_ = true;
        changed = true;
    }
    auto same_slots = [](std::span<const FlowState::Slot> left, std::span<const FlowState::Slot> right) {
        return std::ranges::equal(left, right, [](const FlowState::Slot& a, const FlowState::Slot& b) {
            return a.origin == b.origin && a.offset == b.offset && a.size == b.size && a.value == b.value;
        });
    };
    if (same_slots(into.slots_, from.slots_)) return changed;
    FlowState joined;
    joined.full_ = into.full_;
    joined.slots_.reserve(into.slots_.size());
    auto take = [&](const FlowState::Slot& slot, const Value& other) {
        const Value both = join(slot.value, other);
        const bool same_as_untouched = !into.full_ && both == untouched(machine_, slot.origin, slot.offset);
        if (both.is(Kind::unknown) && (into.full_ || same_as_untouched)) return;
        joined.write(slot.origin, slot.offset, slot.size, both);
    };
    for (const FlowState::Slot& slot : into.slots_)
        take(slot, from.read(machine_, slot.origin, slot.offset, slot.size));
    for (const FlowState::Slot& slot : from.slots_) {
        const std::size_t place = into.first_from(slot.origin, slot.offset);
        const bool both_have = place < into.slots_.size() && into.slots_[place].origin == slot.origin &&
                               into.slots_[place].offset == slot.offset && into.slots_[place].size == slot.size;
        if (!both_have) take(slot, into.read(machine_, slot.origin, slot.offset, slot.size));
    }
    if (same_slots(into.slots_, joined.slots_)) return changed;
    into.slots_ = std::move(joined.slots_);
    into.full_ = joined.full_;
    return true;
}

} // namespace poolkd::code

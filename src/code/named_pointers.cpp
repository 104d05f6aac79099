#include "code/named_pointers.h"

#include "code/code_functions.h"
#include "code/code_references.h"
#include "code/value_flow.h"
#include "pe/imports.h"

#include <algorithm>
#include <cstring>
#include <set>
#include <string>
#include <vector>

namespace poolkd::code {

namespace {

using Kind = Value::Kind;

constexpr std::string_view lookup_name = "MmGetSystemRoutineAddress", init_name = "RtlInitUnicodeString";
constexpr std::size_t max_name = 64; // characters; longer than any routine of the pool
constexpr std::size_t max_walk = 64; // steps between the call and what belongs to it
constexpr std::size_t max_references = 4096;
constexpr std::uint32_t max_structure = 256; // bytes from the begin of one to a variable in it
constexpr std::size_t max_texts = 1u << 22;
constexpr std::uint64_t max_work = 1u << 24; // steps that are decoded and followed

/// The pool's routine whose name lies there in UTF-16, of `length` bytes or up to a NUL.
const PoolRoutine* named_at(const FlatImage& image, std::uint64_t rva, std::optional<std::uint32_t> length = {}) {
    if (rva >= image.size() || (length && (*length % 2 != 0 || *length > 2 * max_name))) return nullptr;
    std::string name;
    for (std::uint32_t i = 0; i < max_name && (!length || 2 * i < *length); ++i) {
        const auto unit = load<std::uint16_t>(image.at(static_cast<std::uint32_t>(rva) + 2 * i, 2), 0);
        if (!unit || *unit > 0x7e) return nullptr;
        if (*unit == 0) return length ? nullptr : find_pool_routine(name);
        name += static_cast<char>(*unit);
    }
    return find_pool_routine(name);
}

/// Whether the image holds the name of any routine of the pool in UTF-16. Most images end here.
bool names_any(const FlatImage& image, const pe::Image& headers) {
    std::array<bool, 128> begins{};
    for (const PoolRoutine& routine : pool_routines())
        begins[static_cast<unsigned char>(routine.name.front())] = true;
    const Bytes all = image.all();
    std::size_t tries = max_texts; // what has more texts than that is looked at whatever they say
    for (const pe::Section& section : headers.sections()) {
        if (section.rva >= all.size()) continue;
        const Bytes bytes = all.subspan(section.rva, std::min<std::size_t>(section.size(), all.size() - section.rva));
        for (std::size_t at = 0; at + 4 <= bytes.size(); at += 2) {
            std::uint32_t two; // characters
            std::memcpy(&two, bytes.data() + at, sizeof two);
            if ((two & 0xff80ff80) != 0 || !begins[two & 0x7f] || two >> 16 == 0) continue;
            if (tries-- == 0 || named_at(image, section.rva + at)) return true;
        }
    }
    return false;
}

/// A function, and what of it surely runs before what.
class Function {
  public:
    FlowGraph graph;

    Function() = default;
    explicit Function(FlowGraph its_graph) : graph(std::move(its_graph)), only_before_(graph.blocks.size()) {
        std::vector<std::uint32_t> ways(graph.blocks.size());
        for (std::uint32_t block = 0; block < graph.blocks.size(); ++block) {
            for (const std::uint32_t next : graph.next(graph.blocks[block])) {
                ++ways[next];
                only_before_[next] = block;
            }
        }
        for (std::uint32_t block = 0; block < graph.blocks.size(); ++block)
            if (ways[block] != 1 || block == graph.entry || graph.blocks[block].orphan) only_before_[block].reset();
    }

    [[nodiscard]] std::size_t number_of(const Step& step) const {
        return static_cast<std::size_t>(&step - graph.steps.data());
    }
    [[nodiscard]] const Step* step_holding(std::uint32_t rva) const {
        auto behind = std::ranges::upper_bound(graph.steps, rva, {}, &Step::rva);
        if (behind == graph.steps.begin()) return nullptr;
        const Step& step = *std::prev(behind);
        return rva < step.next() ? &step : nullptr;
    }
    [[nodiscard]] std::optional<std::uint32_t> block_of(std::size_t step) const {
        auto behind = std::ranges::upper_bound(graph.blocks, step, {}, &FlowBlock::first);
        if (behind == graph.blocks.begin()) return std::nullopt;
        const FlowBlock& block = *std::prev(behind);
        if (step - block.first >= block.count) return std::nullopt;
        return static_cast<std::uint32_t>(&block - graph.blocks.data());
    }
    /// The step that ran before this one, whichever way led here.
    [[nodiscard]] std::optional<std::size_t> before(std::size_t step) const {
        const auto block = block_of(step);
        if (!block) return std::nullopt;
        if (step > graph.blocks[*block].first) return step - 1;
        const auto only = only_before_[*block];
        if (!only || graph.blocks[*only].count == 0) return std::nullopt;
        return std::size_t{graph.blocks[*only].first} + graph.blocks[*only].count - 1;
    }
    /// Blocks that only this one leads to.
    [[nodiscard]] std::vector<std::uint32_t> only_after(std::uint32_t block) const {
        std::vector<std::uint32_t> out;
        for (const std::uint32_t next : graph.next(graph.blocks[block]))
            if (only_before_[next] == block) out.push_back(next);
        return out;
    }

  private:
    std::vector<std::optional<std::uint32_t>> only_before_; ///< by block: the only one that leads to it
};

class NamedPointers {
  public:
    NamedPointers(const SiteImage& image, const pe::Image& headers, const pe::ExportTable& exports,
                  const Machine& machine, std::span<const Extent> code, Work& work)
        : image_(image), bytes_(*image.bytes), headers_(headers), exports_(exports), machine_(machine), code_(code),
          work_(work),
          surroundings_{
              .bytes_popped = [this](const Step& step, const FlowState& state) { return bytes_popped(step, state); }},
          flow_(machine, bytes_, image.base, surroundings_) {}

    std::map<std::uint32_t, const PoolRoutine*> find() {
        find_slots();
        if (lookups_.empty() || !names_any(bytes_, headers_)) return {};
        look_at(
            lookups_, [this](const Function& function) { find_stores(function); },
            [](const Function&, std::uint32_t) {});
        std::erase_if(found_, [](const auto& one) { return one.second.doubtful; });
        if (found_.empty()) return {};
        check_pointers();
        std::set<std::uint32_t> variables;
        for (const auto& [variable, what] : found_)
            variables.insert(variable);
        look_at(
            variables, [](const Function&) {},
            [this](const Function& function, std::uint32_t reference) { check_use(function, reference); });
        look_at(
            places_before(variables), [](const Function&) {},
            [this](const Function& function, std::uint32_t reference) { check_structure(function, reference); });
        std::map<std::uint32_t, const PoolRoutine*> out;
        for (const auto& [variable, what] : found_)
            if (!what.doubtful && !work_.stop_requested()) out.emplace(variable, what.routine);
        return out;
    }

  private:
    struct Found {
        const PoolRoutine* routine = nullptr;
        std::set<std::uint32_t> stores; ///< RVAs of the instructions
        bool doubtful = false;
    };
    enum class Does { lookup, init, other };
    struct Call {
        std::size_t step = 0; ///< its number in the graph
        Does does = Does::other;
        Value text;                         ///< address of the UNICODE_STRING
        const PoolRoutine* named = nullptr; ///< of a lookup whose UNICODE_STRING is known, and of `init`
    };

    /// Imports, and pointers to routines whose addresses are known.
    void find_slots() {
        const pe::ImportTable imports = pe::ImportTable::read(headers_);
        for (const pe::Import& import : imports.all()) {
            if (import.name == lookup_name) lookups_.insert(import.slot);
            if (import.name == init_name) inits_.insert(import.slot);
        }
        for (const RoutineAddress& routine : image_.routines) {
            if (!is_routine_of_lookup(routine.name)) continue;
            auto& slots = routine.name == lookup_name ? lookups_ : inits_;
            for_each_pointer([&](std::uint32_t rva, std::uint64_t value) {
                if (value == routine.address) slots.insert(rva);
            });
        }
    }

    template <class Visit>
    void for_each_pointer(const Visit& visit) const {
        const std::uint32_t width = machine_.pointer_size;
        for (const pe::Section& section : headers_.sections()) {
            if (section.rva >= bytes_.size()) continue;
            const std::uint32_t size = std::min(section.size(), bytes_.size() - section.rva);
            for (std::uint32_t at = 0; at + width <= size; at += width)
                visit(section.rva + at, load_unsigned(bytes_.all(), section.rva + at, width).value_or(0));
        }
    }

    /// Calls `begin` with each function that refers to one of these places, and `look` with each place where it does.
    /// An empty function where none is found.
    template <class Begin, class Look>
    void look_at(const std::set<std::uint32_t>& places, const Begin& begin, const Look& look) {
        ReferenceTargets wanted;
        wanted.slots.assign(places.begin(), places.end());
        const CodeReferences references = find_code_references(bytes_, machine_, image_.base, code_, wanted, work_);
        CodeFunctions functions(bytes_, headers_, exports_, machine_, image_.base, code_, references);
        FlowGraphs graphs(bytes_, machine_, image_.base, functions.begins());
        if (references.slots.size() > max_references) {
            for (auto& [variable, what] : found_)
                what.doubtful = true;
            return;
        }
        Function function;
        for (const std::uint32_t reference : references.slots) {
            if (work_.stop_requested()) return;
            // Most often the same function as that of the reference before it.
            if (!function.step_holding(reference)) {
                function = {};
                for (const FunctionBounds& bounds : functions.holding(reference)) {
                    if (functions.effort() + graphs.decoded() + flow_.effort() > max_work) break;
                    function = Function(graphs.build(bounds.entry, bounds.extents, bounds.whole, bounds.roots));
                    if (function.step_holding(reference)) break;
                    function = {};
                }
                begin(function);
            }
            look(function, reference);
        }
    }

    [[nodiscard]] std::uint64_t rva_of(std::uint64_t address) const {
        const std::uint64_t rva = address - image_.base;
        return machine_.pointer_size == 8 ? rva : static_cast<std::uint32_t>(rva);
    }

    // --- what is asked for, and where the answer goes ---------------------------------------------------------------

    void find_stores(const Function& function) {
        const FlowGraph& graph = function.graph;
        if (graph.cut || graph.steps.empty()) return;
        std::vector<Call> calls;
        flow_.visit(
            graph, [](const FlowGraph&, const Step& step) { return step.action == Action::call; },
            [&](const Step& step, const FlowState& state) {
                if (step.action == Action::call) calls.push_back(call_of(function, step, state));
            });
        for (const Call& call : calls) {
            if (call.does != Does::lookup) continue;
            const PoolRoutine* routine = call.named ? call.named : named_before(function, calls, call);
            if (routine) follow_answer(function, call.step, routine);
        }
    }

    Call call_of(const Function& function, const Step& step, const FlowState& state) const {
        Call call;
        call.step = function.number_of(step);
        call.does = does(flow_.read(state, step.from), step);
        if (call.does == Does::other) return call;
        auto argument = [&](std::uint8_t number) {
            const bool wide = machine_.pointer_size == 8;
            constexpr std::uint8_t in_registers[] = {1, 2};
            const Value place = wide ? Value::entry(in_registers[number - 1])
                                     : Value{.kind = Kind::entry_stack, .number = number * std::uint64_t{4}};
            return flow_.at_entry_of_callee(state, step, place);
        };
        call.text = argument(1);
        if (call.does == Does::lookup) call.named = named_by(call.text, state);
        if (call.does == Does::init)
            if (const Value text = argument(2); text.is(Kind::constant))
                call.named = named_at(bytes_, rva_of(text.number));
        return call;
    }

    [[nodiscard]] Does does(const Value& pointer, const Step& step) const {
        std::uint64_t slot = ~0ull;
        if (!step.direct && pointer.is(Kind::image)) slot = pointer.where;
        if (step.direct && rva_of(step.target) < bytes_.size()) {
            // A thunk.
            constexpr std::uint32_t longest = 15;
            const auto at = static_cast<std::uint32_t>(rva_of(step.target));
            const auto jump = decode_step(machine_, bytes_.from(at, longest), image_.base, at);
            if (jump && jump->action == Action::jump && !jump->direct && jump->from.fixed &&
                jump->from.index == Place::no_register)
                slot = rva_of(jump->from.value);
        }
        if (slot >= bytes_.size()) return Does::other;
        if (lookups_.contains(static_cast<std::uint32_t>(slot))) return Does::lookup;
        return inits_.contains(static_cast<std::uint32_t>(slot)) ? Does::init : Does::other;
    }

    std::optional<std::uint32_t> bytes_popped(const Step& step, const FlowState& state) const {
        Value pointer;
        if (step.from.kind == Place::Kind::reg) pointer = state.registers[step.from.reg];
        if (step.from.fixed && step.from.index == Place::no_register)
            pointer = {.kind = Kind::image, .where = static_cast<std::uint32_t>(rva_of(step.from.value))};
        switch (does(pointer, step)) {
        case Does::lookup: return 4;
        case Does::init: return 8;
        case Does::other: break;
        }
        return std::nullopt;
    }

    /// What a UNICODE_STRING says: u16 Length in bytes, u16 MaximumLength, Buffer at 4 or 8.
    const PoolRoutine* named_by(const Value& text, const FlowState& state) const {
        const std::uint32_t width = machine_.pointer_size;
        if (text.is(Kind::stack)) {
            const auto at = static_cast<std::int32_t>(text.number);
            const Value length = state.read(machine_, text.origin, at, 2);
            const Value buffer = state.read(machine_, text.origin, at + static_cast<std::int32_t>(width), width);
            if (!length.is(Kind::constant) || !buffer.is(Kind::constant)) return nullptr;
            return named_at(bytes_, rva_of(buffer.number), static_cast<std::uint32_t>(length.number));
        }
        if (!text.is(Kind::constant) || rva_of(text.number) >= bytes_.size()) return nullptr;
        const Bytes record = bytes_.at(static_cast<std::uint32_t>(rva_of(text.number)), 2 * width);
        const auto buffer = load_unsigned(record, width, width);
        return buffer ? named_at(bytes_, rva_of(*buffer), load_or<std::uint16_t>(record, 0)) : nullptr;
    }

    /// What the last RtlInitUnicodeString before a lookup made of the same UNICODE_STRING, with nothing in between that
    /// could change it.
    const PoolRoutine* named_before(const Function& function, const std::vector<Call>& calls,
                                    const Call& lookup) const {
        if (!lookup.text.is(Kind::stack) && !lookup.text.is(Kind::constant)) return nullptr;
        std::optional<std::size_t> at = function.before(lookup.step);
        for (std::size_t i = 0; at && i < max_walk; ++i, at = function.before(*at)) {
            const Step& step = function.graph.steps[*at];
            if (step.action == Action::call) {
                auto call = std::ranges::lower_bound(calls, *at, {}, &Call::step);
                if (call == calls.end() || call->step != *at || call->does == Does::other) return nullptr;
                if (call->does == Does::lookup) continue;
                if (call->text == lookup.text) return call->named;
                if (!call->text.is(Kind::stack) && !call->text.is(Kind::constant)) return nullptr;
                continue;
            }
            const bool stores = step.writes_memory || step.to.kind == Place::Kind::memory;
            const bool compares = step.action == Action::nothing;
            if (stores && !compares && !step.to.fixed && step.action != Action::push) return nullptr;
        }
        return nullptr;
    }

    /// Finds the variables that the answer of a lookup is stored to.
    void follow_answer(const Function& function, std::size_t lookup, const PoolRoutine* routine) {
        struct Path {
            std::uint32_t block;
            std::size_t step;
            std::uint32_t holders; ///< registers with the answer, a bit each
        };
        const auto first = function.block_of(lookup);
        if (!first) return;
        std::vector<Path> paths{{*first, lookup + 1, 1u}};
        std::size_t budget = max_walk;
        while (!paths.empty()) {
            Path path = paths.back();
            paths.pop_back();
            const FlowBlock& block = function.graph.blocks[path.block];
            for (; path.step < std::size_t{block.first} + block.count && path.holders != 0; ++path.step) {
                if (budget-- == 0) return;
                take_step(function.graph.steps[path.step], path.holders, routine);
            }
            if (path.holders == 0) continue;
            // Where other ways lead, too, the registers may hold something else.
            for (const std::uint32_t next : function.only_after(path.block))
                paths.push_back({next, function.graph.blocks[next].first, path.holders});
        }
    }

    void take_step(const Step& step, std::uint32_t& holders, const PoolRoutine* routine) {
        auto holds = [&](const Place& place) {
            return place.kind == Place::Kind::reg && place.size == machine_.pointer_size && place.reg < 16 &&
                   (holders >> place.reg & 1) != 0;
        };
        if (step.action == Action::call) {
            constexpr std::uint32_t volatile_wide = 0x0f07, volatile_narrow = 0x07;
            holders &= ~(machine_.pointer_size == 8 ? volatile_wide : volatile_narrow);
            return;
        }
        if (step.action == Action::move && holds(step.from)) {
            if (step.to.kind == Place::Kind::memory && is_variable(step.to)) {
                Found& found = found_[static_cast<std::uint32_t>(rva_of(step.to.value))];
                if (found.routine && found.routine != routine) found.doubtful = true;
                found.routine = routine;
                found.stores.insert(step.rva);
            }
            if (step.to.kind == Place::Kind::reg && step.to.reg < 16) holders |= 1u << step.to.reg;
            return;
        }
        if (step.action != Action::nothing && step.action != Action::push && step.to.kind == Place::Kind::reg &&
            step.to.reg < 16)
            holders &= ~(1u << step.to.reg);
        holders &= ~std::uint32_t{step.clobbered};
    }

    [[nodiscard]] bool is_variable(const Place& place) const {
        if (!place.fixed || place.elsewhere || place.index != Place::no_register || place.size != machine_.pointer_size)
            return false;
        const std::uint64_t rva = rva_of(place.value);
        const pe::Section* section =
            rva < bytes_.size() ? headers_.section_at(static_cast<std::uint32_t>(rva)) : nullptr;
        return section && section->is_writable() && rva % machine_.pointer_size == 0;
    }

    // --- that nothing else gets there -------------------------------------------------------------------------------

    /// Who has a pointer to the variable may store to it.
    void check_pointers() {
        for_each_pointer([this](std::uint32_t at, std::uint64_t value) {
            const std::uint64_t rva = rva_of(value);
            const auto found = rva < bytes_.size() ? found_.find(static_cast<std::uint32_t>(rva)) : found_.end();
            if (found == found_.end()) return;
            const pe::Section* section = headers_.section_at(at);
            // Code is looked at instruction by instruction.
            if (!section || !section->is_code()) found->second.doubtful = true;
        });
    }

    void check_use(const Function& function, std::uint32_t reference) {
        const Step* step = function.step_holding(reference);
        if (!step) {
            // Code that nobody is seen to reach. Which of them it means is not told.
            for (auto& [variable, what] : found_)
                what.doubtful = true;
            return;
        }
        for (auto& [variable, what] : found_) {
            const bool to = refers(step->to, variable), from = refers(step->from, variable);
            if (!to && !from) continue;
            const bool reads = step->action == Action::nothing ||
                               (from && step->from.kind == Place::Kind::memory && step->action != Action::address);
            const bool good =
                to ? step->action == Action::nothing || what.stores.contains(step->rva) || stores_zero(function, *step)
                   : reads;
            if (!good) what.doubtful = true;
        }
    }

    /// Where a structure may begin that one of these lies in.
    [[nodiscard]] std::set<std::uint32_t> places_before(const std::set<std::uint32_t>& variables) const {
        std::set<std::uint32_t> out;
        for (const std::uint32_t variable : variables) {
            const pe::Section* section = headers_.section_at(variable);
            for (std::uint32_t back = machine_.pointer_size; back < max_structure && back <= variable;
                 back += machine_.pointer_size)
                if (headers_.section_at(variable - back) == section) out.insert(variable - back);
        }
        return out;
    }

    /// Whether a function that takes the address of a structure stores to a variable in it: lea rbx, [structure];
    /// mov [rbx+8], rax. That rbx is the same one is taken for granted.
    void check_structure(const Function& function, std::uint32_t reference) {
        const Step* step = function.step_holding(reference);
        if (!step || (step->action != Action::address && step->from.kind != Place::Kind::immediate)) return;
        for (auto& [variable, what] : found_) {
            const std::uint64_t distance = variable - rva_of(step->from.value);
            if (distance == 0 || distance >= max_structure) continue;
            what.doubtful = what.doubtful || std::ranges::any_of(function.graph.steps, [&](const Step& one) {
                                return stores_behind_register(one, distance) && !stores_zero(function, one);
                            });
        }
    }

    [[nodiscard]] bool stores_behind_register(const Step& step, std::uint64_t distance) const {
        constexpr std::uint8_t sp = 4;
        const Place& to = step.to;
        return step.action != Action::nothing && to.kind == Place::Kind::memory && !to.fixed && !to.elsewhere &&
               to.index == Place::no_register && to.base != sp && to.size == machine_.pointer_size &&
               to.value == distance;
    }

    [[nodiscard]] bool refers(const Place& place, std::uint32_t variable) const {
        const bool says = place.kind == Place::Kind::immediate || (place.kind == Place::Kind::memory && place.fixed);
        return says && rva_of(place.value) == variable;
    }

    static bool stores_zero(const Function& function, const Step& step) {
        if (step.action != Action::move && step.action != Action::bit_and) return false;
        if (step.from.kind == Place::Kind::immediate) return step.from.value == 0;
        if (step.action != Action::move || step.from.kind != Place::Kind::reg) return false;
        std::optional<std::size_t> at = function.before(function.number_of(step));
        for (std::size_t i = 0; at && i < max_walk; ++i, at = function.before(*at)) {
            const Step& one = function.graph.steps[*at];
            const bool same = one.to.kind == Place::Kind::reg && one.to.reg == step.from.reg;
            if (same && one.action == Action::bit_xor)
                // Four bytes or more zero all of the register; al, or ah with al, do not.
                return one.from.kind == Place::Kind::reg && one.from.reg == one.to.reg && one.to.size >= 4;
            if (same && one.action != Action::nothing) return false;
            if (one.action == Action::call || (one.clobbered >> step.from.reg & 1) != 0) return false;
        }
        return false;
    }

    const SiteImage& image_;
    const FlatImage& bytes_;
    const pe::Image& headers_;
    const pe::ExportTable& exports_;
    const Machine& machine_;
    std::span<const Extent> code_;
    Work& work_;
    std::set<std::uint32_t> lookups_, inits_; ///< pointers to the two routines
    std::map<std::uint32_t, Found> found_;    ///< by variable
    const ValueFlow::Surroundings surroundings_;
    ValueFlow flow_;
};

} // namespace

std::map<std::uint32_t, const PoolRoutine*> find_named_pointers(const SiteImage& image, const pe::Image& headers,
                                                                const pe::ExportTable& exports, const Machine& machine,
                                                                std::span<const Extent> code, Work& work) {
    return NamedPointers(image, headers, exports, machine, code, work).find();
}

bool is_routine_of_lookup(std::string_view name) {
    return name == lookup_name || name == init_name;
}

} // namespace poolkd::code

#include "code/site_search.h"

#include <algorithm>
#include <tuple>

namespace poolkd::code {

namespace {

using Kind = Value::Kind;

std::string_view sentence_of(Value::Why why) {
    switch (why) {
    case Value::Why::result: return "The tag is what another function returned.";
    case Value::Why::memory: return "The tag is read from memory that the code alone does not tell.";
    case Value::Why::paths: return "The tag depends on the way that leads to the call.";
    case Value::Why::nothing:
    case Value::Why::computed: break;
    }
    return "The tag is computed.";
}

/// Registers that arguments come in, by the calling conventions.
bool may_carry_argument(const Machine& machine, std::uint64_t reg) {
    if (machine.pointer_size == 8) return reg == 1 || reg == 2 || reg == 8 || reg == 9;
    return reg == 1 || reg == 2;
}

/// The ranges of code that a graph covers without a gap.
std::vector<Extent> stretches_of(const FlowGraph& graph) {
    std::vector<Extent> out;
    for (const Step& step : graph.steps) {
        if (out.empty() || step.rva > out.back().end) out.push_back({step.rva, step.rva});
        out.back().end = std::max(out.back().end, step.next());
    }
    return out;
}

bool is_place(const Value& value) {
    return value.is(Kind::entry_register) || value.is(Kind::entry_stack);
}

} // namespace

SiteSearch::SiteSearch(const SiteImage& image, const pe::Image& headers, const pe::ExportTable& exports,
                       const Machine& machine, Work& work)
    : image_(image), machine_(machine), work_(work), targets_(SiteTargets::find(image, headers, exports, machine)) {
    for (const pe::Section& section : headers.sections()) {
        if (!section.is_code() || section.rva >= image.bytes->size()) continue;
        const Extent extent{section.rva, section.rva + std::min(section.size(), image.bytes->size() - section.rva)};
        const bool overlaps =
            std::ranges::any_of(code_, [&](const Extent& e) { return extent.begin < e.end && e.begin < extent.end; });
        if (overlaps) continue;
        code_.push_back(extent);
        code_bytes_ += extent.end - extent.begin;
    }
    std::ranges::sort(code_, {}, &Extent::begin);
    targets_.add_variables(image, headers, exports, machine, code_, work);
    ReferenceTargets wanted;
    for (const auto& [slot, routine] : targets_.slots)
        wanted.slots.push_back(slot);
    if (targets_.table) wanted.slots.push_back(*targets_.table);
    std::ranges::sort(wanted.slots);
    for (const auto& [address, routine] : targets_.outside)
        wanted.outside.push_back(address);
    if (targets_.empty()) return;
    references_ = find_code_references(*image.bytes, machine, image.base, code_, wanted, work);
    functions_.emplace(*image.bytes, headers, exports, machine, image.base, code_, *references_);
    graphs_.emplace(*image.bytes, machine, image.base, functions_->begins());
    flow_.emplace(machine, *image.bytes, image.base, surroundings_);
    surroundings_.table = targets_.table;
    if (machine.pointer_size == 4)
        surroundings_.bytes_popped = [this](const Step& step, const FlowState& state) {
            return bytes_popped(step, state);
        };
}

std::vector<PoolSite> SiteSearch::run() {
    if (targets_.empty()) return {};
    bool whole = examine(first_references());
    first_round_ = false;
    for (int round = 0; whole && round < max_rounds && !found_.empty() && !work_.stop_requested(); ++round) {
        fresh_ = std::move(found_);
        found_.clear();
        whole = examine(references_to_wrappers());
    }
    if (work_.stop_requested())
        coverage_.add_gap(GapReason::stopped, VirtAddr(), 0);
    else if (!whole || !found_.empty() || references_->cut || functions_->cut())
        coverage_.add_gap(GapReason::limit_reached, VirtAddr(), 0);
    doubt_odd_parameters();
    give_default_tags();
    std::ranges::sort(sites_, {}, [](const PoolSite& s) {
        return std::tuple(s.rva, s.kind, s.tag.value_or(PoolTag()), s.tag_rva.value_or(0), s.tag_source);
    });
    const auto same = std::ranges::unique(sites_, [](const PoolSite& a, const PoolSite& b) {
        return a.rva == b.rva && a.kind == b.kind && a.tag == b.tag && a.tag_rva == b.tag_rva &&
               a.tag_source == b.tag_source && a.via_rvas == b.via_rvas;
    });
    sites_.erase(same.begin(), same.end());
    return std::move(sites_);
}

std::vector<std::uint32_t> SiteSearch::first_references() const {
    std::vector<std::uint32_t> out = references_->slots;
    out.insert(out.end(), references_->outside.begin(), references_->outside.end());
    for (const auto& [rva, routine] : targets_.own)
        for (const CodeReferences::Branch& branch : references_->to(rva))
            out.push_back(branch.from);
    std::ranges::sort(out);
    return out;
}

std::vector<std::uint32_t> SiteSearch::references_to_wrappers() const {
    std::vector<std::uint32_t> out;
    const Bytes all = image_.bytes->all();
    for (const auto& [rva, callees] : fresh_) {
        for (const CodeReferences::Branch& branch : references_->to(rva))
            out.push_back(branch.from);
        // Short jumps come from the neighbourhood.
        constexpr std::uint32_t reach = 130;
        const std::uint32_t end = static_cast<std::uint32_t>(std::min<std::size_t>(rva + reach, all.size()));
        for (std::uint32_t at = rva - std::min(rva, reach); at + 1 < end; ++at) {
            const auto opcode = std::to_integer<unsigned>(all[at]);
            if (opcode != 0xeb && (opcode & 0xf0) != 0x70) continue;
            if (at + 2 + static_cast<std::uint32_t>(std::to_integer<std::int8_t>(all[at + 1])) == rva)
                out.push_back(at);
        }
    }
    std::ranges::sort(out);
    return out;
}

bool SiteSearch::is_too_much() const {
    const std::uint64_t effort = effort_ + functions_->effort() + graphs_->decoded() + flow_->effort();
    return effort > max_effort + code_bytes_ * max_effort_of_byte || sites_.size() >= max_sites;
}

bool SiteSearch::examine(const std::vector<std::uint32_t>& references) {
    examined_.clear();
    functions_done_.clear();
    for (std::size_t i = 0; i < references.size() && !work_.stop_requested(); ++i) {
        const std::uint32_t reference = references[i];
        // The same function as that of the reference before it, most often.
        auto next = examined_.upper_bound(reference);
        if (next != examined_.begin() && std::prev(next)->second >= reference) continue;
        if (is_too_much()) return false;
        examine_around(reference);
        work_.progress("Call sites", i, references.size());
    }
    return true;
}

void SiteSearch::examine_around(std::uint32_t reference) {
    FlowGraph best;
    std::optional<std::uint32_t> entry;
    bool with_roots = false, leaf = false;
    constexpr std::uint64_t to_find_bounds = 16;
    effort_ += to_find_bounds;
    for (const FunctionBounds& bounds : functions_->holding(reference)) {
        effort_ += bounds.extents.size() + bounds.roots.size();
        // What begins at a guess may be a part of what begins before it.
        if (entry && !bounds.guessed) break;
        if (bounds.whole && functions_done_.contains(bounds.entry)) return;
        auto holds_reference = [&](const Extent& e) { return e.contains(reference); };
        const auto known = bounds.roots.empty() ? reach_.find(bounds.entry) : reach_.end();
        if (known != reach_.end()) effort_ += known->second.size();
        if (known != reach_.end() && std::ranges::none_of(known->second, holds_reference)) continue;
        FlowGraph graph = graphs_->build(bounds.entry, bounds.extents, bounds.whole, bounds.roots);
        if (!bounds.whole && bounds.roots.empty()) reach_[bounds.entry] = stretches_of(graph);
        const bool holds =
            std::ranges::any_of(graph.steps, [&](const Step& s) { return s.rva <= reference && reference < s.next(); });
        if (!bounds.whole && (!holds || (entry && !graph.at(*entry)))) {
            graphs_->take_back(std::move(graph));
            continue;
        }
        best = std::move(graph);
        entry = bounds.entry;
        with_roots = !bounds.roots.empty();
        leaf = !bounds.whole && functions_->has_tables();
        if (!bounds.guessed) break;
    }
    if (!entry) {
        auto found = search_onward(reference);
        if (!found) return;
        entry = found->first;
        best = std::move(found->second);
    }
    if (best.cut) coverage_.add_gap(GapReason::limit_reached, VirtAddr(*entry), 0);
    // What the function covers needs no second look in this round.
    for (const Extent& stretch : stretches_of(best)) {
        std::uint32_t& last = examined_[stretch.begin];
        last = std::max(last, stretch.end - 1);
    }
    // With more roots the same function is larger; what is found twice is one site.
    if (functions_done_.insert(*entry).second || with_roots) examine_calls(best, *entry, leaf);
    graphs_->take_back(std::move(best));
}

std::optional<std::pair<std::uint32_t, FlowGraph>> SiteSearch::search_onward(std::uint32_t reference) {
    if (functions_->has_tables()) return std::nullopt;
    constexpr int most = 64;
    std::uint32_t at = functions_->last_begin(reference);
    for (int i = 0; i < most && at <= reference; ++i) {
        FlowGraph graph = graphs_->build(at, code_, false);
        std::uint32_t end = at;
        bool holds = false;
        for (const Step& step : graph.steps) {
            holds = holds || (step.rva <= reference && reference < step.next());
            if (step.rva >= at && step.rva <= end) end = std::max(end, step.next());
        }
        if (holds) return std::pair(at, std::move(graph));
        graphs_->take_back(std::move(graph));
        at = functions_->behind_padding(std::max(end, at + 1), reference + 1);
    }
    return std::nullopt;
}

void SiteSearch::examine_calls(const FlowGraph& graph, std::uint32_t entry, bool leaf) {
    auto is_wanted = [&](const FlowGraph&, const Step& step) {
        // A function that calls has an entry in the tables; what has none and seems to call is data.
        return (!leaf || step.action != Action::call) && may_be_site(graph, step);
    };
    const bool whole = flow_->visit(graph, is_wanted, [&](const Step& step, const FlowState& state) {
        if (sites_.size() >= max_sites) return;
        for (const Callee& callee : callees(*flow_, graph, step, state)) {
            const std::size_t before = sites_.size();
            add_sites(*flow_, step, state, entry, callee);
            for (std::size_t i = before; callee.variable != 0 && i < sites_.size(); ++i)
                sites_[i].note += (sites_[i].note.empty() ? "" : " ") + targets_.told.at(callee.variable);
        }
    });
    if (!whole || sites_.size() >= max_sites) coverage_.add_gap(GapReason::limit_reached, VirtAddr(entry), 0);
}

bool SiteSearch::is_wanted(std::uint64_t address) const {
    const std::uint64_t rva = address - image_.base;
    if (rva >= image_.bytes->size()) return first_round_ && targets_.outside.contains(address);
    const auto at = static_cast<std::uint32_t>(rva);
    if (first_round_) return targets_.own.contains(at);
    return fresh_.contains(at) && !targets_.own.contains(at);
}

bool SiteSearch::may_be_site(const FlowGraph& graph, const Step& step) const {
    if (step.direct) {
        if (is_wanted(step.target)) return true;
        return machine_.pointer_size == 8 && first_round_ &&
               (loads_import_to_call(graph, step) || is_dispatcher(step.target));
    }
    const Place& from = step.from;
    const bool stated = from.kind == Place::Kind::memory && from.fixed && from.index == Place::no_register;
    if (!stated) return from.kind != Place::Kind::none;
    const std::uint64_t rva = from.value - image_.base;
    if (from.elsewhere || rva >= image_.bytes->size()) return false;
    const auto slot = static_cast<std::uint32_t>(rva);
    return targets_.dispatchers.contains(slot) || (first_round_ && targets_.slots.contains(slot));
}

/// mov r10, [slot] before a call of a stub that jumps to r10.
bool SiteSearch::loads_import_to_call(const FlowGraph& graph, const Step& call) const {
    constexpr std::uint8_t r10 = 10;
    if (&call == graph.steps.data()) return false;
    const Step& before = *(&call - 1);
    return before.next() == call.rva && before.action == Action::move && before.to.kind == Place::Kind::reg &&
           before.to.reg == r10;
}

SiteSearch::Callees SiteSearch::callees_at(std::uint64_t address) const {
    const std::uint64_t rva = address - image_.base;
    if (rva >= image_.bytes->size()) {
        auto outside = targets_.outside.find(address);
        if (!first_round_ || outside == targets_.outside.end()) return {};
        return {callee_of(*outside->second, machine_)};
    }
    const auto at = static_cast<std::uint32_t>(rva);
    if (auto own = targets_.own.find(at); own != targets_.own.end())
        return first_round_ ? Callees{callee_of(*own->second, machine_)} : Callees{};
    if (first_round_) return {};
    auto fresh = fresh_.find(at);
    return fresh == fresh_.end() ? Callees{} : fresh->second;
}

SiteSearch::Callees SiteSearch::callees_of(const Value& pointer) const {
    if (pointer.is(Kind::constant)) return callees_at(pointer.number);
    if (pointer.size != machine_.pointer_size || !first_round_) return {};
    const PoolRoutine* routine = nullptr;
    if (pointer.is(Kind::behind)) {
        auto entry = targets_.table_entries.find(pointer.number);
        if (entry != targets_.table_entries.end()) routine = entry->second;
    } else if (pointer.is(Kind::image)) {
        auto slot = targets_.slots.find(pointer.where);
        if (slot != targets_.slots.end()) routine = slot->second;
    }
    if (!routine) return {};
    Callee callee = callee_of(*routine, machine_);
    if (targets_.told.contains(pointer.where)) callee.variable = pointer.where;
    return {std::move(callee)};
}

bool SiteSearch::is_dispatcher(std::uint64_t address) const {
    const std::uint64_t rva = address - image_.base;
    if (rva >= image_.bytes->size()) return false;
    constexpr std::uint32_t longest = 15;
    const Bytes code = image_.bytes->from(static_cast<std::uint32_t>(rva), longest);
    // Behind few prefixes the opcode of a jump to what a register or pointer holds; few functions begin like that.
    constexpr std::size_t opcode_within = 4;
    const Bytes first = code.first(std::min(code.size(), opcode_within));
    if (std::ranges::find(first, std::byte{0xff}) == first.end()) return false;
    const auto step = decode_step(machine_, code, image_.base, static_cast<std::uint32_t>(rva));
    if (!step || step->action != Action::jump || step->direct) return false;
    if (step->from.kind == Place::Kind::reg) return step->from.reg == 0; // jmp rax
    const std::uint64_t slot = step->from.value - image_.base;
    return step->from.fixed && slot < image_.bytes->size() &&
           targets_.dispatchers.contains(static_cast<std::uint32_t>(slot));
}

SiteSearch::Callees SiteSearch::callees(const ValueFlow& flow, const FlowGraph& graph, const Step& step,
                                        const FlowState& state) {
    constexpr std::uint8_t rax = 0, r10 = 10;
    if (!step.direct) {
        const Value pointer = flow.read(state, step.from);
        const bool dispatched = pointer.is(Kind::image) && targets_.dispatchers.contains(pointer.where);
        return callees_of(dispatched ? state.registers[rax] : pointer);
    }
    Callees found = callees_at(step.target);
    if (!found.empty() || machine_.pointer_size != 8 || !first_round_) return found;
    // An import that the kernel calls through a retpoline: mov r10, [slot]; call stub. Or control flow guard in a
    // function of the image: mov rax, [slot]; call stub, where the stub jumps to rax.
    if (state.registers[r10].is(Kind::image) && loads_import_to_call(graph, step))
        return callees_of(state.registers[r10]);
    const bool pointer_in_rax = state.registers[rax].is(Kind::image) || state.registers[rax].is(Kind::behind);
    if (pointer_in_rax && is_dispatcher(step.target)) return callees_of(state.registers[rax]);
    return {};
}

void SiteSearch::add_sites(const ValueFlow& flow, const Step& step, const FlowState& state, std::uint32_t entry,
                           const Callee& callee) {
    const PoolRoutine& routine = *callee.routine;
    if (routine.selector != 0) {
        // One entry for many routines: without its number it cannot be told whether it is a site.
        const Value selector = flow.at_entry_of_callee(state, step, callee.selector);
        const PoolRoutine* meant = selector.is(Kind::constant) ? selected_routine(routine, selector.number) : nullptr;
        if (meant) add_sites(flow, step, state, entry, code::callee_of(*meant, machine_));
        return;
    }
    auto passed = [&](const Value& place) {
        return is_place(place) ? flow.at_entry_of_callee(state, step, place) : place;
    };
    Value tag = callee.takes_tag() ? passed(callee.tag) : Value();
    if (routine.sets_default) {
        // The tag in a record on the stack; what does not state one is no site.
        const auto at = static_cast<std::int32_t>(tag.number) + routine.record_pointers * machine_.pointer_size +
                        routine.record_bytes;
        tag = tag.is(Kind::stack) ? state.read(machine_, tag.origin, at, 4) : Value();
        if (!tag.is(Kind::constant) || tag.number == 0) return;
    }
    const Value size = passed(callee.size);
    const Value type = passed(callee.type);
    if (step.direct && !callee.via.empty()) called_.insert(static_cast<std::uint32_t>(step.target - image_.base));

    PoolSite site;
    site.rva = step.rva;
    site.return_rva = step.action == Action::call ? step.next() : 0;
    site.function_rva = entry;
    site.kind = routine.kind;
    site.api = routine.name;
    site.via_rvas = callee.via;
    if (size.is(Kind::constant)) site.size = size.number;
    if (type.is(Kind::constant)) site.pool_type = type.number;
    site.paged = is_paged(routine, site.pool_type);

    // A function that only jumps on is a thunk: whoever calls it calls what is behind it.
    const bool is_thunk = step.rva == entry && step.action == Action::jump;
    auto wrap = [&](const Value& place) {
        Callee wrapper;
        wrapper.routine = &routine;
        wrapper.via = callee.via;
        if (!is_thunk) wrapper.via.insert(wrapper.via.begin(), entry);
        wrapper.tag = place;
        wrapper.size = is_place(size) || size.is(Kind::constant) ? size : Value();
        wrapper.type = is_place(type) || type.is(Kind::constant) ? type : Value();
        add_wrapper(entry, std::move(wrapper));
    };
    if (!callee.takes_tag()) {
        if (is_thunk) wrap(Value());
        site.tag = routine.fixed_tag;
        site.tag_source = routine.fixed_tag ? TagSource::fixed : TagSource::none;
        sites_.push_back(std::move(site));
        return;
    }
    const std::vector<Value> choices = known_choices(flow, tag, site.note);
    if (choices.empty()) {
        if (site.note.empty()) site.note = sentence_of(tag.why);
        sites_.push_back(std::move(site));
        return;
    }
    if (choices.size() > 1) site.note = fmt::format("One of {} tags that reach this call.", choices.size());
    for (const Value& choice : choices) {
        PoolSite& added = sites_.emplace_back(site);
        if (is_place(choice)) {
            added.tag_source = TagSource::parameter;
            if (choice.is(Kind::entry_register) && !may_carry_argument(machine_, choice.number))
                odd_.insert(sites_.size() - 1);
            wrap(choice);
            continue;
        }
        const bool in_data = choice.is(Kind::image);
        if (routine.default_for_zero && choice.is(Kind::constant) && choice.number == 0) {
            added.note = "Tag 0: the driver's own, which it states when it is created, or which is made of its name.";
            default_tags_.insert(sites_.size() - 1);
            continue;
        }
        added.tag_source = in_data ? TagSource::data : TagSource::constant;
        added.tag = PoolTag(in_data ? held_at(choice.where) : static_cast<std::uint32_t>(choice.number));
        if (choice.where == 0) continue;
        // What is read once, when the driver starts, is nothing to be changed later.
        if (!routine.sets_default) added.tag_rva = choice.where;
        if (!in_data) (void)held_at(choice.where);
    }
}

std::uint32_t SiteSearch::held_at(std::uint32_t rva) const {
    return tag_words_[rva] = load_or<std::uint32_t>(image_.bytes->at(rva, 4), 0);
}

std::vector<ImageWord> SiteSearch::tag_words() const {
    std::vector<ImageWord> out;
    out.reserve(tag_words_.size());
    for (const auto& [rva, value] : tag_words_)
        out.push_back({rva, value});
    return out;
}

std::vector<Value> SiteSearch::known_choices(const ValueFlow& flow, const Value& tag, std::string& note) const {
    std::vector<Value> choices = flow.choices(tag);
    // A variable that holds nothing: filled at run time, or a tag that somebody may set in place of the one passed.
    auto empty = [&](const Value& v) { return v.is(Kind::image) && held_at(v.where) == 0; };
    if (auto found = std::ranges::find_if(choices, empty); found != choices.end())
        note = choices.size() == 1
                   ? fmt::format("The tag is read from a variable at +{:#x}, which holds nothing here.", found->where)
                   : fmt::format("A variable at +{:#x}, which holds nothing here, may replace the tag.", found->where);
    std::erase_if(choices, empty);
    return choices;
}

void SiteSearch::add_wrapper(std::uint32_t entry, Callee wrapper) {
    // A routine of the pool is one already, and a function that calls itself no new wrapper.
    if (targets_.own.contains(entry)) return;
    if (std::ranges::count(wrapper.via, entry) > 1) return;
    Callees& known = wrappers_[entry];
    auto same = std::ranges::find_if(known, [&](const Callee& c) { return c.same_site(wrapper); });
    if (same == known.end()) {
        if (known.size() >= max_callees) {
            coverage_.add_gap(GapReason::limit_reached, VirtAddr(entry), 0);
            return;
        }
        known.push_back(wrapper);
        found_[entry].push_back(std::move(wrapper));
        return;
    }
    // Two calls in one wrapper, for paged and for other pool, say: what they do not agree on is not known.
    auto waiting = found_.find(entry);
    if (waiting == found_.end()) return;
    for (Callee& other : waiting->second) {
        if (!other.same_site(wrapper)) continue;
        if (!(other.size == wrapper.size)) other.size = Value();
        if (!(other.type == wrapper.type)) other.type = Value();
    }
}

std::optional<std::uint32_t> SiteSearch::bytes_popped(const Step& step, const FlowState& state) {
    constexpr std::uint32_t word = 4;
    if (step.direct) {
        const std::uint64_t rva = step.target - image_.base;
        if (auto outside = targets_.outside.find(step.target); outside != targets_.outside.end())
            return outside->second->stack_words * word;
        if (rva >= image_.bytes->size()) return std::nullopt;
        return bytes_popped_by(static_cast<std::uint32_t>(rva));
    }
    // Registers of the call are volatile, and `state` is behind it; only those that are kept can be looked at.
    Value pointer;
    if (step.from.kind == Place::Kind::reg) pointer = state.registers[step.from.reg];
    if (step.from.fixed && step.from.index == Place::no_register)
        pointer = {.kind = Kind::image, .where = static_cast<std::uint32_t>(step.from.value - image_.base)};
    if (!pointer.is(Kind::image)) return std::nullopt;
    auto slot = targets_.slots.find(pointer.where);
    if (slot == targets_.slots.end()) return std::nullopt;
    return slot->second->stack_words * word;
}

std::optional<std::uint32_t> SiteSearch::bytes_popped_by(std::uint32_t rva) {
    if (auto known = popped_.find(rva); known != popped_.end()) return known->second;
    std::optional<std::uint32_t>& out = popped_[rva];
    if (auto own = targets_.own.find(rva); own != targets_.own.end()) {
        out = own->second->stack_words * 4u;
        return out;
    }
    // All returns of a function remove the same number of bytes: the first one that is met tells it.
    constexpr int most = 1000;
    constexpr std::uint32_t longest = 15;
    std::uint32_t at = rva;
    for (int i = 0; i < most; ++i, ++effort_) {
        const auto step = decode_step(machine_, image_.bytes->from(at, longest), image_.base, at, Detail::control);
        if (!step || step->action == Action::stop) return out;
        if (step->action == Action::ret) {
            out = step->popped;
            return out;
        }
        at = step->next();
        if (step->action != Action::jump) continue;
        if (!step->direct) {
            auto slot = targets_.slots.find(static_cast<std::uint32_t>(step->from.value - image_.base));
            if (step->from.fixed && slot != targets_.slots.end()) out = slot->second->stack_words * 4u;
            return out;
        }
        const std::uint64_t target = step->target - image_.base;
        // Forward only: a loop would not end.
        if (target >= image_.bytes->size() || target < at) return out;
        at = static_cast<std::uint32_t>(target);
    }
    return out;
}

void SiteSearch::give_default_tags() {
    std::set<PoolTag> stated;
    for (const PoolSite& site : sites_)
        if (const PoolRoutine* routine = find_other_routine(site.api); routine && routine->sets_default && site.tag)
            stated.insert(*site.tag);
    if (stated.size() != 1) return;
    for (std::size_t index : default_tags_) {
        sites_[index].tag = *stated.begin();
        sites_[index].tag_source = TagSource::fixed;
    }
}

void SiteSearch::doubt_odd_parameters() {
    for (std::size_t index : odd_) {
        PoolSite& site = sites_[index];
        if (called_.contains(site.function_rva)) continue;
        site.tag_source = TagSource::unresolved;
        site.note = "The tag is in a register that this code does not set.";
    }
}

} // namespace poolkd::code

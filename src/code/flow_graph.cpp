#include "code/flow_graph.h"

#include "code/decoder.h"

#include <algorithm>
#include <optional>

namespace poolkd::code {

namespace {

constexpr std::uint8_t length_bits = 0x0f, leader_bit = 0x40, orphan_bit = 0x80;

bool is_padding(std::byte b) {
    return b == std::byte{0xcc} || b == std::byte{0x90} || b == std::byte{0};
}

} // namespace

const Step* FlowGraph::at(std::uint32_t rva) const {
    auto found = std::ranges::lower_bound(steps, rva, {}, &Step::rva);
    return found == steps.end() || found->rva != rva ? nullptr : &*found;
}

FlowGraphs::FlowGraphs(const FlatImage& image, const Machine& machine, std::uint64_t base,
                       std::span<const std::uint32_t> begins)
    : image_(image), machine_(machine), base_(base), begins_(begins), marks_(image.size() / marks_of_page + 1) {
    constexpr std::size_t common = 1024; // steps of a function
    decoded_.reserve(common);
}

std::uint8_t& FlowGraphs::mark(std::uint32_t rva) {
    auto& page = marks_[rva / marks_of_page];
    if (!page) {
        page = std::make_unique<MarksOfPage>();
        ++pages_marked_;
    }
    return (*page)[rva % marks_of_page];
}

std::uint32_t FlowGraphs::end_of_run(std::uint32_t rva) const {
    auto extent = std::ranges::upper_bound(extents_, rva, {}, &Extent::begin);
    if (extent == extents_.begin()) return 0;
    --extent;
    if (rva >= extent->end) return 0;
    const std::uint32_t end = std::min(extent->end, image_.size());
    if (whole_) return end;
    auto other = std::ranges::lower_bound(begins_, rva);
    if (other != begins_.end() && *other == entry_rva_) ++other;
    if (other == begins_.end()) return end;
    return *other == rva ? 0 : std::min(end, *other);
}

void FlowGraphs::lead(std::uint32_t rva, bool orphan) {
    std::uint8_t& here = mark(rva);
    if (!(here & leader_bit)) leaders_.push_back(rva);
    here |= leader_bit;
    if (orphan) here |= orphan_bit;
}

void FlowGraphs::add_case(const Step& jump, std::uint64_t target) {
    lead(static_cast<std::uint32_t>(target));
    queue_.push_back(static_cast<std::uint32_t>(target));
    cases_.emplace_back(jump.rva, static_cast<std::uint32_t>(target));
}

void FlowGraphs::follow_table(const Step& jump) {
    constexpr std::uint32_t max_cases = 4096;
    auto each = [&](std::uint64_t table, auto&& target_of) {
        for (std::uint32_t i = 0; i < max_cases && table + i * 4 < image_.size(); ++i) {
            const auto entry = load<std::uint32_t>(image_.at(static_cast<std::uint32_t>(table) + i * 4, 4), 0);
            if (!entry) return;
            const std::uint64_t target = target_of(*entry);
            if (target >= image_.size() || !inside(static_cast<std::uint32_t>(target))) return;
            if (cases_.size() >= FlowGraph::max_steps) {
                graph_.cut = true;
                return;
            }
            add_case(jump, target);
        }
    };
    if (machine_.pointer_size == 4) {
        // jmp [table + reg*4]; the table holds addresses.
        if (!jump.from.fixed || jump.from.index >= 8 || jump.from.scale != 4) return;
        each(jump.from.value - base_, [&](std::uint32_t entry) { return entry - base_; });
        return;
    }
    if (jump.from.kind != Place::Kind::reg) return;
    // A few steps before: mov eax, [rdx + rax*4 + table], where rdx is the image's base and the table holds RVAs; or
    // movsxd rax, [rcx + rax*4], where rcx is the table, which holds distances from itself.
    constexpr std::size_t steps_before = 12;
    const auto& steps = decoded_;
    const std::size_t first = steps.size() - std::min(steps.size(), steps_before);
    for (std::size_t i = steps.size(); i-- > first;) {
        const Place& from = steps[i].from;
        const bool loads = steps[i].action == Action::move || steps[i].action == Action::move_signed;
        if (!loads || from.kind != Place::Kind::memory || from.size != 4 || from.index >= 16 || from.scale != 4)
            continue;
        if (from.value != 0) {
            each(from.value, [](std::uint32_t entry) { return entry; });
            return;
        }
        for (std::size_t j = i; j-- > first;) {
            if (steps[j].action != Action::address || steps[j].to.reg != from.base || !steps[j].from.fixed) continue;
            const std::uint64_t table = steps[j].from.value - base_;
            each(table, [&](std::uint32_t entry) {
                return table + static_cast<std::uint64_t>(static_cast<std::int64_t>(static_cast<std::int32_t>(entry)));
            });
            return;
        }
        return;
    }
}

void FlowGraphs::follow(std::uint32_t start, bool orphan) {
    lead(start, orphan);
    queue_.push_back(start);
    while (!queue_.empty() && decoded_.size() < FlowGraph::max_steps) {
        const std::uint32_t rva = queue_.back();
        queue_.pop_back();
        follow_run(rva);
    }
}

/// Decodes steps that lie one behind the other, and puts off what they branch to.
void FlowGraphs::follow_run(std::uint32_t rva) {
    std::uint32_t end = 0;
    while (rva < end || rva < (end = end_of_run(rva))) {
        std::uint8_t& here = mark(rva);
        if ((here & length_bits) != 0) break;
        if (decoded_.size() >= FlowGraph::max_steps) {
            graph_.cut = true;
            return;
        }
        const auto decoded = decode_step(machine_, image_.from(rva, max_instruction_bytes), base_, rva);
        if (!decoded) break;
        here |= decoded->length;
        const Step& step = decoded_.emplace_back(*decoded);
        if (step.direct && step.action != Action::call) {
            const std::uint64_t target = step.target - base_;
            if (target < image_.size() && inside(static_cast<std::uint32_t>(target))) {
                lead(static_cast<std::uint32_t>(target));
                queue_.push_back(static_cast<std::uint32_t>(target));
            }
        } else if (step.action == Action::jump) {
            follow_table(step);
        }
        if (!step.goes_on()) break;
        rva = step.next();
        if (step.action == Action::branch) lead(rva);
    }
    if (rva < image_.size() && (mark(rva) & length_bits) != 0) lead(rva);
}

/// What of a whole function nobody is seen to go to.
void FlowGraphs::follow_rest() {
    constexpr std::uint64_t padding_of_step = 16; // bytes that are looked through in the time of one step
    std::uint64_t padding = 0;
    for (const Extent& extent : extents_) {
        for (std::uint32_t rva = extent.begin; rva < extent.end && rva < image_.size() && !graph_.cut;) {
            if (const std::uint8_t length = mark(rva) & length_bits) {
                rva += length;
                continue;
            }
            if (is_padding(image_.all()[rva])) {
                ++rva;
                ++padding;
                continue;
            }
            // Long nops fill up as well: they lead to what is aligned, but nothing leads to them.
            const auto step = decode_step(machine_, image_.from(rva, max_instruction_bytes), base_, rva);
            ++decoded_in_all_;
            if (step && !step->filler) follow(rva, true);
            rva += step ? step->length : 1;
        }
    }
    decoded_in_all_ += padding / padding_of_step;
}

void FlowGraphs::put_in_order() {
    // By way of small keys: steps are large to move about.
    order_.clear();
    for (std::uint32_t i = 0; i < decoded_.size(); ++i)
        order_.push_back(std::uint64_t{decoded_[i].rva} << 32 | i);
    std::ranges::sort(order_);
    graph_.steps.reserve(order_.size());
    for (const std::uint64_t key : order_)
        graph_.steps.push_back(decoded_[static_cast<std::uint32_t>(key)]);
}

void FlowGraphs::make_blocks() {
    const std::vector<Step>& steps = graph_.steps;
    // Where steps overlap, the next one in the order of addresses is not the next one that runs.
    for (std::size_t i = 0; i < steps.size(); ++i)
        if (steps[i].goes_on() && (i + 1 == steps.size() || steps[i + 1].rva != steps[i].next()))
            if (steps[i].next() < image_.size()) lead(steps[i].next());
    starts_.clear();
    graph_.blocks.reserve(leaders_.size() + 1);
    for (std::uint32_t i = 0; i < steps.size(); ++i) {
        const std::uint8_t here = mark(steps[i].rva);
        const bool begins =
            i == 0 || (here & leader_bit) != 0 || !steps[i - 1].goes_on() || steps[i - 1].next() != steps[i].rva;
        if (begins) {
            graph_.blocks.push_back({.first = i, .orphan = (here & orphan_bit) != 0});
            starts_.push_back(steps[i].rva);
        }
        ++graph_.blocks.back().count;
    }
    connect_blocks();
}

void FlowGraphs::connect_blocks() {
    auto block_at = [&](std::uint64_t rva) -> std::optional<std::uint32_t> {
        auto found = std::ranges::lower_bound(starts_, rva);
        if (found == starts_.end() || *found != rva) return std::nullopt;
        return static_cast<std::uint32_t>(found - starts_.begin());
    };
    std::ranges::sort(cases_);
    cases_.erase(std::ranges::unique(cases_).begin(), cases_.end());
    graph_.successors.reserve(graph_.blocks.size() * 2 + cases_.size());
    for (std::uint32_t i = 0; i < graph_.blocks.size(); ++i) {
        FlowBlock& block = graph_.blocks[i];
        block.first_next = static_cast<std::uint32_t>(graph_.successors.size());
        const Step& last = graph_.steps[block.first + block.count - 1];
        auto add = [&](std::uint64_t rva) {
            const auto found = block_at(rva);
            if (found) graph_.successors.push_back(*found);
            return found.has_value();
        };
        if (last.goes_on()) {
            // The one behind it, most often.
            if (i + 1 < starts_.size() && starts_[i + 1] == last.next())
                graph_.successors.push_back(i + 1);
            else
                add(last.next());
        }
        if (last.direct && last.action != Action::call) block.leaves = !add(last.target - base_);
        if (last.action == Action::jump && !last.direct) {
            bool stays = false;
            for (const auto& [from, to] : std::ranges::equal_range(cases_, last.rva, {}, &Case::first))
                stays = add(to) || stays;
            block.leaves = !stays;
        }
        block.next_count = static_cast<std::uint32_t>(graph_.successors.size()) - block.first_next;
    }
    graph_.entry = block_at(entry_rva_).value_or(0);
}

void FlowGraphs::clear_marks() {
    constexpr std::size_t kept_pages = 1u << 12;
    if (pages_marked_ > kept_pages) {
        for (auto& page : marks_)
            page.reset();
        pages_marked_ = 0;
        return;
    }
    for (const Step& step : graph_.steps)
        mark(step.rva) = 0;
    for (const std::uint32_t rva : leaders_)
        mark(rva) = 0;
}

FlowGraph FlowGraphs::build(std::uint32_t entry, std::span<const Extent> extents, bool whole,
                            std::span<const std::uint32_t> roots) {
    graph_.steps.clear();
    graph_.blocks.clear();
    graph_.successors.clear();
    graph_.entry = 0;
    graph_.cut = false;
    decoded_.clear();
    cases_.clear();
    leaders_.clear();
    queue_.clear();
    extents_ = extents.first(std::min(extents.size(), FlowGraph::max_extents));
    whole_ = whole;
    entry_rva_ = entry;
    if (entry < image_.size()) follow(entry, false);
    for (const std::uint32_t root : roots)
        if (root < image_.size() && (mark(root) & length_bits) == 0) follow(root, true);
    if (whole) follow_rest();
    decoded_in_all_ += decoded_.size();
    graph_.cut = graph_.cut || extents.size() > extents_.size();
    put_in_order();
    make_blocks();
    clear_marks();
    return std::move(graph_);
}

} // namespace poolkd::code

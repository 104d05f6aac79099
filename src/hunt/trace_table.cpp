#include "hunt/trace_table.h"

#include <algorithm>
#include <numeric>

namespace poolkd::hunt {

std::optional<std::size_t> HitTable::find(std::span<const VirtAddr> addresses) const {
    const auto found = index_.find(std::vector<VirtAddr>(addresses.begin(), addresses.end()));
    return found == index_.end() ? std::nullopt : std::optional(found->second);
}

std::size_t HitTable::add(std::vector<VirtAddr> addresses, TraceStack stack) {
    // A module that came back where it was has its stacks from before.
    const auto same = std::ranges::find_if(stacks_, [&](const Entry& entry) {
        return std::ranges::equal(entry.stack.frames, stack.frames, [](const TraceFrame& a, const TraceFrame& b) {
            return a.address == b.address && a.text == b.text;
        });
    });
    std::size_t at = static_cast<std::size_t>(same - stacks_.begin());
    if (same == stacks_.end()) {
        if (stacks_.size() >= most_stacks_) {
            // A hit is of its stack's kind.
            const auto [other, first] = others_.try_emplace(stack.kind, stacks_.size());
            if (first) {
                TraceStack rest;
                rest.kind = stack.kind;
                stacks_.push_back({rest, {}});
            }
            return other->second;
        }
        stacks_.push_back({std::move(stack), {}});
    }
    index_[std::move(addresses)] = at;
    return at;
}

std::uint64_t HitTable::size_of(VirtAddr block) const {
    const auto found = blocks_.find(block);
    return found == blocks_.end() ? 0 : found->second.size;
}

void HitTable::take_out(std::unordered_map<VirtAddr, Block>::iterator block) {
    TraceStack& stack = stacks_[block->second.stack].stack;
    --stack.outstanding;
    stack.outstanding_bytes -= block->second.size;
    bytes_ -= block->second.size;
    blocks_.erase(block);
}

void HitTable::gone_unseen(VirtAddr block) {
    const auto found = blocks_.find(block);
    if (found == blocks_.end()) return;
    take_out(found);
    ++unseen_;
}

void HitTable::note(const TraceHit& hit, std::chrono::milliseconds now) {
    Entry& entry = stacks_[hit.stack];
    ++sure_[static_cast<std::size_t>(hit.block_sure)];
    kept_.push_back(hit);
    if (kept_.size() > kept_hits) kept_.pop_front();
    switch (hit.kind) {
    case HitKind::allocation: {
        ++allocations_;
        ++entry.stack.allocations;
        if (!hit.block) break;
        gone_unseen(hit.block); // what lay there must have been freed
        if (blocks_.size() >= most_blocks_) {
            ++left_out_;
            break;
        }
        blocks_[hit.block] = {hit.size, hit.stack, now};
        ++entry.stack.outstanding;
        entry.stack.outstanding_bytes += hit.size;
        bytes_ += hit.size;
        break;
    }
    case HitKind::release: {
        ++releases_;
        ++entry.stack.releases;
        if (!hit.block) break;
        const auto block = blocks_.find(hit.block);
        if (block == blocks_.end()) {
            ++older_;
            break;
        }
        ++matched_;
        std::vector<std::size_t>& freed_by = stacks_[block->second.stack].freed_by;
        if (std::ranges::find(freed_by, hit.stack) == freed_by.end() && freed_by.size() < most_freed_by)
            freed_by.push_back(hit.stack);
        take_out(block);
        break;
    }
    case HitKind::unknown: ++unknown_; break;
    }
}

std::vector<VirtAddr> HitTable::outstanding_blocks() const {
    std::vector<VirtAddr> all;
    all.reserve(blocks_.size());
    for (const auto& [address, block] : blocks_)
        all.push_back(address);
    return all;
}

void HitTable::fill_sums(TraceReport& report) const {
    report.allocations = allocations_;
    report.releases = releases_;
    report.unknown = unknown_;
    report.matched = matched_;
    report.older_blocks = older_;
    report.freed_unseen = unseen_;
    report.outstanding = blocks_.size();
    report.outstanding_bytes = bytes_;
    report.blocks_unknown = sure_[static_cast<std::size_t>(HowSure::unknown)];
    report.blocks_likely = sure_[static_cast<std::size_t>(HowSure::likely)];
    report.blocks_sure = sure_[static_cast<std::size_t>(HowSure::sure)];
}

void HitTable::fill(TraceReport& report, std::chrono::milliseconds now) const {
    fill_sums(report);
    report.stacks.clear();
    std::vector<std::vector<std::chrono::milliseconds>> ages(stacks_.size());
    for (const auto& [address, block] : blocks_)
        ages[block.stack].push_back(std::max(now - block.time, std::chrono::milliseconds(0)));
    std::vector<std::size_t> order(stacks_.size()), place(stacks_.size());
    std::iota(order.begin(), order.end(), 0);
    std::ranges::stable_sort(order, [&](std::size_t a, std::size_t b) {
        const TraceStack &one = stacks_[a].stack, &two = stacks_[b].stack;
        return std::tuple(one.outstanding, one.allocations, one.releases) >
               std::tuple(two.outstanding, two.allocations, two.releases);
    });
    for (std::size_t i = 0; i < order.size(); ++i)
        place[order[i]] = i;
    for (std::size_t from : order) {
        TraceStack stack = stacks_[from].stack;
        for (std::size_t by : stacks_[from].freed_by) {
            const TraceStack& freer = stacks_[by].stack;
            if (freer.caller >= freer.frames.size()) continue;
            const TraceFrame& frame = freer.frames[freer.caller];
            if (std::ranges::find(stack.freed_by, frame.address) != stack.freed_by.end()) continue;
            stack.freed_by.push_back(frame.address);
            stack.freed_by_text.push_back(frame.text);
        }
        if (auto& list = ages[from]; !list.empty()) {
            std::ranges::sort(list);
            stack.oldest = list.back();
            stack.median_age = list[list.size() / 2];
            stack.older = static_cast<std::uint64_t>(
                std::ranges::count_if(list, [&](auto age) { return age > report.options.age; }));
            stack.early =
                static_cast<std::uint64_t>(std::ranges::count_if(list, [&](auto age) { return 3 * age > 2 * now; }));
        }
        report.stacks.push_back(std::move(stack));
    }
    report.kept.assign(kept_.begin(), kept_.end());
    for (TraceHit& hit : report.kept)
        hit.stack = place[hit.stack];
    if (left_out_ != 0)
        report.notes.push_back(fmt::format(
            "{} blocks were out at once; {} further allocations are counted, but their blocks were not followed.",
            most_blocks_, left_out_));
    if (!others_.empty())
        report.notes.push_back(
            fmt::format("There were more than {} different stacks; those beyond are added up in one without frames.",
                        most_stacks_));
}

} // namespace poolkd::hunt

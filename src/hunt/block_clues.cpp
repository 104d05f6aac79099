#include "hunt/block_clues.h"

#include "hunt/block_holders.h"
#include "hunt/block_places.h"
#include "pool/blocks.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace poolkd::hunt {

namespace {

constexpr std::size_t kept_sizes = 64;
constexpr std::size_t sampled_bytes = 256; // of a block
constexpr std::size_t kept_pointers = 8;

/// What the walk finds of one tag.
struct Tally {
    std::map<std::uint64_t, std::uint64_t> sizes;
    std::size_t kept = 0;
};

struct Walk {
    BlockPlaces places;
    std::vector<Tally> tallies;
};

void count_block(const pool::PoolBlock& block, std::span<const TagKey> keys, const BlockLimits& limits, Walk& walk,
                 std::vector<BlockClues>& tags) {
    if (!block.allocated) return;
    const PoolKind kind = block.kind == pool::PoolKind::paged ? PoolKind::paged : PoolKind::nonpaged;
    for (std::size_t i = 0; i < keys.size(); ++i) {
        if (keys[i].tag != block.tag.bare() || keys[i].kind != kind) continue;
        ++tags[i].found;
        ++walk.tallies[i].sizes[block.size];
        if (walk.tallies[i].kept++ < limits.kept_blocks)
            walk.places.add({block.body, block.size - (block.body - block.address), static_cast<std::uint32_t>(i)});
        return;
    }
}

std::vector<SizeShare> by_number(const std::map<std::uint64_t, std::uint64_t>& sizes) {
    std::vector<SizeShare> shares;
    for (const auto& [size, blocks] : sizes)
        shares.push_back({size, blocks});
    std::ranges::stable_sort(shares, std::greater{}, &SizeShare::blocks);
    if (shares.size() > kept_sizes) shares.resize(kept_sizes);
    return shares;
}

std::optional<std::size_t> module_at(std::span<const ClueModule> modules, VirtAddr address) {
    // Where an image was loaded into the room of one that is gone, it is the loaded one.
    std::optional<std::size_t> gone;
    for (std::size_t i = 0; i < modules.size(); ++i) {
        if (!modules[i].contains(address)) continue;
        if (!modules[i].unloaded) return i;
        if (!gone) gone = i;
    }
    return gone;
}

/// Reads samples of a tag's blocks, and counts by offset what their words point to.
void read_samples(nt::Kernel& kernel, const BlockPlaces& places, std::uint32_t tag, std::span<const ClueModule> modules,
                  const BlockLimits& limits, Work& work, BlockClues& clues) {
    const unsigned width = kernel.machine().pointer_size;
    std::map<std::pair<std::uint32_t, std::size_t>, PointerClue> found;
    for (const BlockPlaces::Place& place : places.sample(tag, limits.samples)) {
        if (work.stop_requested()) break;
        std::byte buffer[sampled_bytes];
        const std::size_t wanted = static_cast<std::size_t>(std::min<std::uint64_t>(place.size, sizeof buffer));
        const std::size_t got = kernel.memory().read(place.body, MutableBytes(buffer, wanted), &work).bytes;
        if (got < width) continue;
        ++clues.sampled;
        bool linked = false;
        for (std::size_t offset = 0; offset + width <= got; offset += width) {
            const VirtAddr word =
                kernel.machine().canonical(load_unsigned(Bytes(buffer, got), offset, width).value_or(0));
            if (word.value == 0) continue;
            const BlockPlaces::Place* other = places.at(word);
            if (other && other->tag == tag && other->body != place.body) linked = true;
            const auto module = module_at(modules, word);
            if (!module) continue;
            PointerClue& clue = found[{static_cast<std::uint32_t>(offset), *module}];
            clue.module = *module;
            clue.offset = static_cast<std::uint32_t>(offset);
            clue.example = word;
            ++clue.blocks;
        }
        clues.linked += linked ? 1 : 0;
    }
    for (const auto& [key, clue] : found)
        clues.pointers.push_back(clue);
    std::ranges::stable_sort(clues.pointers, std::greater{}, &PointerClue::blocks);
    if (clues.pointers.size() > kept_pointers) clues.pointers.resize(kept_pointers);
}

void tell_walk(const pool::WalkSummary& summary, std::uint32_t page_size, std::vector<std::string>& not_visible) {
    if (summary.heap_backed)
        not_visible.emplace_back("Small blocks of this kernel lie in segment heaps, which are not read yet: of the "
                                 "blocks only those of a page and more were looked at");
    if (summary.absent_pages != 0)
        not_visible.push_back(fmt::format("{} pages of pool ({} KB) were not in memory: the blocks in them were not "
                                          "looked at",
                                          summary.absent_pages, summary.absent_pages * page_size / 1024));
}

} // namespace

Result<BlockFindings> find_block_clues(nt::Kernel& kernel, std::span<const TagKey> keys,
                                       std::span<const ClueModule> modules, const BlockLimits& limits, Work& work) {
    BlockFindings findings;
    findings.tags.resize(keys.size());
    if (keys.empty()) return findings;
    Walk walk;
    walk.tallies.resize(keys.size());
    pool::WalkOptions options;
    options.paged = std::ranges::find(keys, PoolKind::paged, &TagKey::kind) != keys.end();
    options.nonpaged = std::ranges::find(keys, PoolKind::nonpaged, &TagKey::kind) != keys.end();
    POOLKD_TRY(Answer<pool::WalkSummary> summary,
               pool::walk_blocks(kernel, options, work, [&](const pool::PoolBlock& block) {
                   count_block(block, keys, limits, walk, findings.tags);
               }));
    findings.coverage = summary.coverage;
    tell_walk(summary.value, kernel.machine().page_size, findings.not_visible);
    walk.places.sort();
    const unsigned width = kernel.machine().pointer_size;
    for (std::size_t i = 0; i < keys.size(); ++i) {
        BlockClues& clues = findings.tags[i];
        clues.looked = true;
        clues.header_size = clues.unit = 2 * width;
        clues.page_size = kernel.machine().page_size;
        clues.sizes = by_number(walk.tallies[i].sizes);
        read_samples(kernel, walk.places, static_cast<std::uint32_t>(i), modules, limits, work, clues);
    }
    if (!work.stop_requested()) find_holders(kernel, walk.places, modules, limits, work, findings);
    findings.cut_off = work.stop_requested();
    return findings;
}

} // namespace poolkd::hunt

#pragma once

#include "code/pool_sites.h"
#include "hunt/hunt.h"
#include "hunt/layers.h"

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace poolkd::hunt {

/// A module of the target, loaded or gone, with what its code says.
struct ClueModule {
    std::string name;  ///< "leaky"
    std::string image; ///< "leaky.sys"
    VirtAddr base;
    std::uint64_t size = 0; ///< bytes
    bool kernel = false;
    bool unloaded = false;
    std::shared_ptr<const code::SiteIndex> index; ///< null: not looked through

    [[nodiscard]] bool contains(VirtAddr address) const { return address - base < size; }
};

/// Where the calls go that return to these addresses, as far as they are direct.
using CallTargets = std::map<VirtAddr, VirtAddr>;

/// Sampled blocks that hold pointers into one module at one offset.
struct PointerClue {
    std::size_t module = 0; ///< index in `Clues::modules`
    std::uint32_t offset = 0;
    std::uint64_t blocks = 0;
    VirtAddr example;
};

/// A variable of a module through which blocks of the tag are reached.
struct HolderClue {
    enum class Shape {
        pointers, ///< words that point to blocks
        list,     ///< head of a LIST_ENTRY list
        chain,    ///< head of a singly linked chain
    };
    std::size_t module = 0; ///< index in `Clues::modules`
    std::string global;     ///< "leaky!LeakyReports"
    Shape shape = Shape::pointers;
    std::uint64_t words = 0;   ///< of the variable that point to blocks
    std::uint64_t reached = 0; ///< blocks that the list or chain was followed through
    bool whole = true;         ///< it was followed to its end
};

/// What the blocks of a tag show.
struct BlockClues {
    bool looked = false;               ///< the pool was walked
    std::uint64_t found = 0;           ///< blocks
    std::vector<SizeShare> sizes;      ///< most blocks first
    std::uint64_t sampled = 0;         ///< blocks whose content was read
    std::uint64_t linked = 0;          ///< of them, those that point to other blocks of the tag
    std::vector<PointerClue> pointers; ///< most blocks first
    bool looked_for_holders = false;
    std::vector<HolderClue> holders;                             ///< most blocks first
    std::uint32_t header_size = 16, unit = 16, page_size = 4096; ///< bytes
};

/// All that is known of one tag when its owner is asked for.
struct Clues {
    TagKey key;
    std::span<const ClueModule> modules;
    const TraceReport* trace = nullptr; ///< null: the tag was not watched
    const BlockClues* blocks = nullptr; ///< null: no memory to look at
    Layer layer;                        ///< of the tag lists and the table
    std::optional<double> freed_share;  ///< frees per allocation, by the counters
    const CallTargets* call_targets = nullptr;

    /// The counters say that nothing of the tag is given back.
    [[nodiscard]] bool never_freed() const { return freed_share && *freed_share < 0.05; }
};

} // namespace poolkd::hunt

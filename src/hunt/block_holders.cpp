#include "hunt/block_holders.h"

#include "base/text.h"
#include "pe/image.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <unordered_set>

namespace poolkd::hunt {

namespace {

using Place = BlockPlaces::Place;

constexpr std::size_t kept_holders = 8;
constexpr std::uint32_t next_offsets = 4;           // pointers at the start of a block that may lead on
constexpr std::uint64_t most_list_steps = 1u << 25; // of all lists together: many words may point into one long list

class HolderSearch {
  public:
    HolderSearch(nt::Kernel& kernel, const BlockPlaces& places, std::span<const ClueModule> modules,
                 const BlockLimits& limits, Work& work, BlockFindings& findings)
        : kernel_(kernel), places_(places), modules_(modules), limits_(limits), work_(work), findings_(findings),
          width_(kernel.machine().pointer_size), left_(limits.data_bytes) {}

    /// The variables of one module. False: too many bytes were read already.
    bool look_through(nt::Module& module, std::size_t index) {
        if (!module.image || is_debug_transport(module.image_name)) return true;
        const auto image = pe::Image::open(*module.image, pe::ImageLayout::memory);
        if (!image) return true;
        for (const pe::Section& section : image->sections()) {
            if (!section.is_writable() || section.is_discardable()) continue;
            if (section.rva >= module.size) continue;
            const std::uint32_t size = std::min(section.size(), module.size - section.rva);
            if (size > left_) return false;
            left_ -= size;
            look_at(module.base + section.rva, size, index);
            if (work_.stop_requested()) return true;
        }
        return true;
    }

    void finish() {
        for (auto& [key, holder] : found_)
            findings_.tags[key.second].holders.push_back(std::move(holder));
        for (BlockClues& tag : findings_.tags) {
            tag.looked_for_holders = true;
            // The kernel's data hold stacks and buffers too, where anything may lie: it comes last.
            std::ranges::stable_sort(tag.holders, std::greater{}, [&](const HolderClue& one) {
                return std::pair(!modules_[one.module].kernel, std::max(one.reached, one.words));
            });
            if (tag.holders.size() > kept_holders) tag.holders.resize(kept_holders);
        }
    }

  private:
    void look_at(VirtAddr first, std::uint32_t size, std::size_t module) {
        const auto data = memory::read_sparse(kernel_.memory(), first, size, kernel_.machine().page_size, &work_);
        findings_.coverage.merge(data.coverage);
        for (std::size_t offset = 0; offset + width_ <= data.value.size(); offset += width_) {
            const VirtAddr word = pointer_in(data.value, offset);
            const Place* place = word.value == 0 ? nullptr : places_.at(word);
            if (!place) continue;
            take(first + offset, word, *place, module);
            if (work_.stop_requested()) return;
        }
    }

    [[nodiscard]] VirtAddr pointer_in(Bytes bytes, std::size_t offset) const {
        return kernel_.machine().canonical(load_unsigned(bytes, offset, width_).value_or(0));
    }

    void take(VirtAddr variable, VirtAddr word, const Place& place, std::size_t module) {
        const nt::SymbolAt at = kernel_.modules().at(variable);
        if (modules_[module].kernel && at.symbol && is_passing_data(at.symbol->name)) return;
        std::string name = name_of(at);
        auto [known, is_new] = found_.try_emplace({std::move(name), place.tag});
        HolderClue& holder = known->second;
        ++holder.words;
        if (is_new) {
            holder.module = module;
            holder.global = known->first.first;
        }
        if (holder.reached >= limits_.list_steps) return;
        follow(variable, word, place, holder);
    }

    /// The variable's name without the distance to it, so that the slots of a table are one.
    [[nodiscard]] static std::string name_of(const nt::SymbolAt& at) {
        if (!at.module) return "?";
        if (at.symbol && !at.symbol->is_code) return at.module->name + "!" + at.symbol->name;
        return at.text();
    }

    void follow(VirtAddr variable, VirtAddr word, const Place& place, HolderClue& holder) {
        // LIST_ENTRY: what the head points to points back to it.
        if (const auto back = read(word + width_); back && *back == variable) {
            walk(word, place.tag, 0, HolderClue::Shape::list, variable, holder);
            return;
        }
        // Some link to what they point at, others to the block's start.
        for (std::uint32_t i = 0; i < next_offsets; ++i) {
            const auto next = read(place.body + std::uint64_t{i} * width_);
            const Place* then = next ? places_.at(*next) : nullptr;
            if (!then || then->tag != place.tag || then->body == place.body) continue;
            walk(place.body, place.tag, i * width_, HolderClue::Shape::chain, variable, holder);
            return;
        }
    }

    /// From block to block by the pointer at `link`, counted from the place that the pointers point to.
    void walk(VirtAddr at, std::uint32_t tag, std::uint32_t link, HolderClue::Shape shape, VirtAddr end,
              HolderClue& holder) {
        std::unordered_set<VirtAddr> seen;
        bool whole = false;
        while (seen.size() < limits_.list_steps && steps_left_ != 0 && !work_.stop_requested()) {
            --steps_left_;
            const Place* place = places_.at(at);
            if (!place || place->tag != tag || !seen.insert(place->body).second) {
                whole = true;
                break;
            }
            const auto next = read(shape == HolderClue::Shape::list ? at : place->body + link);
            if (!next) break; // its page is not there
            if (next->value == 0 || *next == end) {
                whole = true;
                break;
            }
            at = *next;
        }
        if (seen.size() <= holder.reached) return;
        holder.shape = shape;
        holder.reached = seen.size();
        holder.whole = whole;
    }

    std::optional<VirtAddr> read(VirtAddr address) {
        std::byte buffer[8]{};
        if (kernel_.memory().read(address, MutableBytes(buffer, width_), &work_).bytes < width_) return std::nullopt;
        return pointer_in(Bytes(buffer, width_), 0);
    }

    nt::Kernel& kernel_;
    const BlockPlaces& places_;
    std::span<const ClueModule> modules_;
    const BlockLimits& limits_;
    Work& work_;
    BlockFindings& findings_;
    unsigned width_;
    std::uint64_t left_; ///< bytes of variables
    std::uint64_t steps_left_ = most_list_steps;
    std::map<std::pair<std::string, std::uint32_t>, HolderClue> found_;
};

} // namespace

bool is_passing_data(std::string_view kernel_variable) {
    return kernel_variable.starts_with("Kd") || kernel_variable.ends_with("Stack");
}

bool is_debug_transport(std::string_view image) {
    const std::string name = to_lower(image);
    return name.starts_with("kd") && name.ends_with(".dll");
}

void find_holders(nt::Kernel& kernel, const BlockPlaces& places, std::span<const ClueModule> modules,
                  const BlockLimits& limits, Work& work, BlockFindings& findings) {
    if (places.size() == 0) return;
    HolderSearch search(kernel, places, modules, limits, work, findings);
    bool all = true;
    for (std::size_t i = 0; i < modules.size() && !work.stop_requested(); ++i) {
        if (modules[i].unloaded) continue;
        nt::Module* module = kernel.modules().containing(modules[i].base);
        if (module) all &= search.look_through(*module, i);
        work.progress("looking through variables", i, modules.size());
    }
    search.finish();
    if (!all)
        findings.not_visible.emplace_back("Variables of large modules were not looked through for who holds the "
                                          "blocks: that would have taken too long");
}

std::string holders_text(const BlockClues& blocks) {
    if (!blocks.looked_for_holders || blocks.found == 0) return {};
    std::string text;
    std::size_t told = 0;
    for (const HolderClue& holder : blocks.holders) {
        if (told == 3) break;
        if (told++ != 0) text += "; ";
        const std::string count =
            fmt::format("{}{} of the {} blocks", holder.whole ? "" : "at least ", holder.reached, blocks.found);
        switch (holder.shape) {
        case HolderClue::Shape::list: text += fmt::format("{} heads a list through {}", holder.global, count); break;
        case HolderClue::Shape::chain: text += fmt::format("{} heads a chain through {}", holder.global, count); break;
        case HolderClue::Shape::pointers:
            text += fmt::format("{} pointer{} in {} lead{} to blocks", holder.words, holder.words == 1 ? "" : "s",
                                holder.global, holder.words == 1 ? "s" : "");
            break;
        }
    }
    if (!text.empty()) return text + ".";
    text = "No variable of a loaded module leads to the blocks, as far as was looked";
    if (blocks.linked != 0)
        text += fmt::format("; {} of {} sampled ones point to others of their tag", blocks.linked, blocks.sampled);
    return text + ".";
}

} // namespace poolkd::hunt

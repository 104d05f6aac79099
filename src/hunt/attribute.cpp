#include "hunt/attribute.h"

#include "base/text.h"
#include "hunt/site_candidates.h"
#include "hunt/words.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

namespace poolkd::hunt {

namespace {

// Weights of what speaks for an image, as odds against each other and against somebody unknown (docs/hunt.md 3).
constexpr double by_code = 1;         // its code allocates under the tag
constexpr double by_table = 0.2;      // a list of tags names it
constexpr double by_unloading = 0.3;  // it is gone, and nobody else has the tag
constexpr double nobody_seen = 0.1;   // somebody whom nothing shows, when all code was looked through
constexpr double nobody_known = 0.25; // the same when some was not, or sites stayed unresolved
constexpr double for_pointers = 8;    // blocks hold pointers into it
constexpr double for_holder = 12;     // its variable leads to the blocks
constexpr double for_sizes = 8;       // it alone asks for what most blocks measure
constexpr double surest = 0.98;
constexpr double exonerated = 0.05;
constexpr double most_of_blocks = 0.5;
constexpr std::size_t shown_names = 6;
constexpr std::uint64_t few_samples = 4;
constexpr std::uint64_t long_way = 100; // blocks of a list, below every bound of following one

double share_of(std::uint64_t part, std::uint64_t whole) {
    return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

/// What speaks for and against one image while it is being gathered.
struct ImageCase {
    std::size_t module = 0; ///< index in the modules; `no_module`: only a table knows it
    std::string image;
    bool unloaded = false;
    double weight = 0;
    double standing = 0; ///< how likely it is by what stands still
    bool has_site = false;
    std::vector<std::string> reasons, against;
};
constexpr std::size_t no_module = static_cast<std::size_t>(-1);

class Attribution {
  public:
    Attribution(const Clues& clues, Suspect& suspect)
        : clues_(clues), suspect_(suspect), sites_(candidates_of(clues)) {}

    void run() {
        judge_traced(sites_, clues_);
        judge_sizes(sites_, clues_);
        weigh_code();
        weigh_blocks();
        weigh_table();
        weigh_unloaded();
        name_owners();
        name_sites();
        tell_unknown();
    }

  private:
    ImageCase& case_of(std::size_t module) {
        const auto known = std::ranges::find(cases_, module, &ImageCase::module);
        if (known != cases_.end()) return *known;
        const ClueModule& one = clues_.modules[module];
        cases_.push_back(
            {.module = module, .image = one.image, .unloaded = one.unloaded, .reasons = {}, .against = {}});
        return cases_.back();
    }

    void weigh_code() {
        for (const SiteCandidate& site : sites_.list) {
            ImageCase& one = case_of(site.module);
            if (std::exchange(one.has_site, true)) continue;
            if (site.site.from_index) {
                one.weight += by_code;
                const auto count = std::ranges::count_if(sites_.list, [&](const SiteCandidate& other) {
                    return other.module == site.module && other.site.from_index;
                });
                one.reasons.push_back(count == 1
                                          ? fmt::format("Its code allocates under the tag, in {}", place_of(site))
                                          : fmt::format("Its code allocates under the tag, at {} places", count));
            } else {
                one.weight += by_table;
            }
        }
        for (const std::size_t module : sites_.freeing) {
            const auto known = std::ranges::find(cases_, module, &ImageCase::module);
            if (known != cases_.end() && known->has_site) continue;
            ImageCase& one = case_of(module);
            one.weight += by_table / 2;
            one.reasons.emplace_back("Its code frees blocks of the tag");
            one.against.emplace_back("No allocation of the tag was found in its code");
        }
    }

    void weigh_blocks() {
        if (!clues_.blocks) return;
        const BlockClues& blocks = *clues_.blocks;
        std::set<std::size_t> told;
        for (const PointerClue& pointer : blocks.pointers) {
            const double share = share_of(pointer.blocks, blocks.sampled);
            if (blocks.sampled < few_samples || share < most_of_blocks || clues_.modules[pointer.module].kernel)
                continue;
            if (!told.insert(pointer.module).second) continue;
            ImageCase& one = case_of(pointer.module);
            one.weight = std::max(one.weight, by_table) * (1 + (for_pointers - 1) * share);
            one.reasons.push_back(fmt::format("{} of {} sampled blocks hold a pointer into it, at offset {:#x}",
                                              pointer.blocks, blocks.sampled, pointer.offset));
        }
        told.clear();
        for (const HolderClue& holder : blocks.holders) {
            // Its data hold stacks and buffers too, where anything may lie.
            if (clues_.modules[holder.module].kernel || !told.insert(holder.module).second) continue;
            const std::uint64_t led_to = std::max(holder.reached, holder.words);
            // A list that was followed as far as the bound counts as one to the end; not one that soon comes to a page
            // that is not there.
            const bool long_list = !holder.whole && led_to >= long_way;
            const double share = long_list ? 1 : share_of(led_to, blocks.found);
            if (share < 0.1) continue;
            ImageCase& one = case_of(holder.module);
            one.weight = std::max(one.weight, by_table) * (1 + (for_holder - 1) * std::min(1.0, share));
            one.reasons.push_back(fmt::format("Its variable {} leads to {}{} of the blocks", holder.global,
                                              holder.whole ? "" : "at least ", led_to));
        }
        for (ImageCase& one : cases_) {
            if (one.module == no_module) continue;
            const double share = sites_.share_by_size(one.module);
            if (share < most_of_blocks) continue;
            one.weight *= 1 + (for_sizes - 1) * share;
            one.reasons.push_back(
                fmt::format("It alone asks for blocks of the size that {:.0f} % of them have", 100 * share));
        }
    }

    void weigh_table() {
        if (clues_.layer.binary.empty()) return;
        const std::string& binary = clues_.layer.binary;
        const bool kernel = binary.starts_with("nt!") || equals_ignore_case(binary, "nt");
        for (ImageCase& one : cases_) {
            if (one.module == no_module) continue;
            const ClueModule& module = clues_.modules[one.module];
            if (!equals_ignore_case(one.image, binary) && !(kernel && module.kernel)) continue;
            one.weight += by_table;
            one.reasons.push_back(table_text());
            return;
        }
        cases_.push_back(
            {.module = no_module, .image = binary, .weight = by_table, .reasons = {table_text()}, .against = {}});
        if (sites_.all_indexed())
            cases_.back().against.emplace_back(
                "Its code was looked through, and does not have the tag, or it is not loaded");
    }
    [[nodiscard]] std::string table_text() const {
        return clues_.layer.what.empty() ? "The list of tags names it"
                                         : fmt::format("The list of tags names it ({})", clues_.layer.what);
    }

    void weigh_unloaded() {
        const bool owned = std::ranges::any_of(cases_, [](const ImageCase& one) { return one.weight > by_table; });
        std::set<std::string> seen;
        std::size_t gone = 0;
        for (const ClueModule& module : clues_.modules)
            if (module.unloaded && seen.insert(to_lower(module.image)).second) ++gone;
        // Where no code was looked through, any driver that is loaded may have the tag.
        const bool looked = sites_.all_indexed() || std::ranges::any_of(clues_.modules, [](const ClueModule& one) {
                                return one.index != nullptr;
                            });
        if (gone == 0) return;
        seen.clear();
        for (std::size_t i = 0; i < clues_.modules.size(); ++i) {
            const ClueModule& module = clues_.modules[i];
            if (!module.unloaded || !seen.insert(to_lower(module.image)).second) continue;
            const bool known = std::ranges::find(cases_, i, &ImageCase::module) != cases_.end();
            if ((owned || !looked) && !known) continue;
            ImageCase& one = case_of(i);
            // Whose code was not looked through may have the tag as well.
            if (one.weight == 0) one.weight = sites_.all_indexed() ? by_unloading : by_unloading / 3;
            one.reasons.emplace_back(in_code() ? "It was unloaded"
                                     : sites_.all_indexed()
                                         ? "It was unloaded, and no module that is loaded has the tag in its code"
                                         : "It was unloaded, and no code that was looked through has the tag");
            if (gone > 1 && !known)
                one.against.push_back(fmt::format("{} drivers were unloaded, and nothing tells them apart", gone));
        }
    }

    /// Some code that was looked through allocates under the tag.
    [[nodiscard]] bool in_code() const {
        return std::ranges::any_of(sites_.list, [](const SiteCandidate& one) { return one.site.from_index; });
    }

    /// How likely each is by what stands still: weights against each other and against somebody unknown.
    void weigh_cases() {
        double sum = in_code() && sites_.all_indexed() && sites_.unresolved == 0 ? nobody_seen : nobody_known;
        for (const ImageCase& one : cases_)
            sum += one.weight;
        for (ImageCase& one : cases_)
            one.standing = std::min(surest, one.weight / sum);
    }

    /// A watched tag: only who was seen to leave blocks behind. Gives the confidence.
    double tell_watched(ImageCase& one) {
        double best = 0;
        std::uint64_t allocated = 0, kept = 0;
        for (const SiteCandidate& site : sites_.list) {
            if (site.module != one.module) continue;
            allocated += site.site.seen_allocated;
            kept += site.kept;
            best = std::max(best, site.traced.value_or(0));
        }
        if (best >= SuspectSite::accusing) {
            one.reasons.insert(one.reasons.begin(),
                               fmt::format("While the kernel was watched, {} of {} blocks that it allocated stayed "
                                           "from the first third of that time to its end",
                                           kept, allocated));
            return both(best, one.standing);
        }
        one.against.insert(
            one.against.begin(),
            allocated != 0
                ? fmt::format("While the kernel was watched, none of its {} blocks stayed for long", allocated)
                : std::string("While the kernel was watched, it allocated nothing of the tag"));
        return std::min({best, one.standing, 2 * exonerated});
    }

    /// Of two findings that do not rest on each other.
    static double both(double one, double other) { return std::min(surest, 1 - (1 - one) * (1 - other)); }

    void name_owners() {
        weigh_cases();
        for (ImageCase& one : cases_) {
            const double sure = sites_.decided ? tell_watched(one) : one.standing;
            suspect_.owners.push_back({one.image, one.unloaded, sure, std::move(one.reasons), std::move(one.against)});
        }
        std::ranges::stable_sort(suspect_.owners, std::greater{}, &SuspectOwner::confidence);
    }

    void name_sites() {
        weigh_sites(sites_, clues_);
        for (SiteCandidate& site : sites_.list) {
            SuspectSite& one = site.site;
            const double standing = std::min(surest, site.within_image) * case_of(site.module).standing;
            one.confidence = standing;
            if (site.traced)
                one.confidence = *site.traced >= SuspectSite::accusing ? both(*site.traced, standing) : *site.traced;
            suspect_.sites.push_back(std::move(one));
        }
        std::ranges::stable_sort(suspect_.sites, [](const SuspectSite& a, const SuspectSite& b) {
            if (a.confidence != b.confidence) return a.confidence > b.confidence;
            return a.blocks.value_or(0) > b.blocks.value_or(0);
        });
    }

    void tell_unknown() {
        auto& unknown = suspect_.unknown;
        if (!sites_.not_indexed.empty())
            unknown.push_back(
                fmt::format("Not looked through for the tag: {}", names_text(sites_.not_indexed, shown_names)));
        if (!sites_.partly.empty())
            unknown.push_back(fmt::format("Whether code that could not be read has the tag, in {}",
                                          names_text(sites_.partly, shown_names)));
        const bool accused = std::ranges::any_of(suspect_.sites, &SuspectSite::accused);
        const auto open = std::ranges::count_if(suspect_.sites,
                                                [](const SuspectSite& one) { return one.confidence > 2 * exonerated; });
        if (sites_.too_short)
            unknown.emplace_back(
                "What the trace says of its call sites: in that short a time even what is usually freed "
                "stayed");
        if (!accused && open > 1)
            unknown.push_back(fmt::format("Which of {} call sites the blocks pile up from: {}", open,
                                          clues_.trace ? "the time watched was too short"
                                                       : "a trace on the running target would tell"));
        if (suspect_.owners.empty() || suspect_.owners.front().confidence < SuspectSite::accusing)
            unknown.emplace_back(suspect_.owners.empty()
                                     ? "Who owns the tag: nothing of the evidence names anybody"
                                     : "Who owns the tag: nobody is likelier than the others together");
        if (sites_.unresolved != 0 && !accused)
            unknown.push_back(
                fmt::format("The tags of {} allocations, which their code does not tell", sites_.unresolved));
    }

    const Clues& clues_;
    Suspect& suspect_;
    SiteCandidates sites_;
    std::vector<ImageCase> cases_;
};

} // namespace

std::uint64_t block_size_of(std::uint64_t request, const BlockClues& pool) {
    auto rounded = [](std::uint64_t value, std::uint64_t unit) { return (value + unit - 1) / unit * unit; };
    const std::uint64_t small = rounded(std::max<std::uint64_t>(request, 1) + pool.header_size, pool.unit);
    return small <= pool.page_size ? small : rounded(request, pool.page_size);
}

void attribute(const Clues& clues, Suspect& suspect) {
    Attribution(clues, suspect).run();
}

} // namespace poolkd::hunt

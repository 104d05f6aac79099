#pragma once

#include "code/code_functions.h"
#include "code/code_references.h"
#include "code/site_targets.h"

#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

namespace poolkd::code {

/// Finds the sites of one image. First those of the pool's routines; a function that passes its own argument on as the
/// tag is a wrapper then, and the next round looks for its callers, until no new one appears.
class SiteSearch {
  public:
    SiteSearch(const SiteImage& image, const pe::Image& headers, const Machine& machine, Work& work);

    /// By RVA; without names.
    std::vector<PoolSite> run();
    [[nodiscard]] std::uint64_t code_bytes() const { return code_bytes_; }
    [[nodiscard]] const Coverage& coverage() const { return coverage_; }
    /// What the tags rest on, by RVA.
    [[nodiscard]] std::vector<ImageWord> tag_words() const;

    static constexpr int max_rounds = 64; ///< wrappers in wrappers; only an image made to deceive has more

  private:
    using Callees = std::vector<Callee>;

    [[nodiscard]] std::vector<std::uint32_t> first_references() const;
    [[nodiscard]] std::vector<std::uint32_t> references_to_wrappers() const;
    void examine(const std::vector<std::uint32_t>& references);
    void examine_around(std::uint32_t reference);
    /// Without unwind tables, where nothing tells a beginning: what lies behind the function before is one.
    [[nodiscard]] std::optional<std::pair<std::uint32_t, FlowGraph>> search_onward(std::uint32_t reference);
    /// `leaf`: the function is none that calls.
    void examine_calls(const FlowGraph& graph, std::uint32_t entry, bool leaf);
    /// What a call or jump leads to, of those that this round looks for.
    [[nodiscard]] Callees callees(const ValueFlow& flow, const FlowGraph& graph, const Step& step,
                                  const FlowState& state);
    [[nodiscard]] Callees callees_at(std::uint64_t address) const;
    [[nodiscard]] Callees callees_of(const Value& pointer) const;
    [[nodiscard]] bool is_dispatcher(std::uint64_t address) const;
    void add_sites(const ValueFlow& flow, const Step& step, const FlowState& state, std::uint32_t entry,
                   const Callee& callee);
    void add_wrapper(std::uint32_t entry, Callee wrapper);
    /// What the tag can be. `note`: of a variable that is left out since it holds nothing.
    [[nodiscard]] std::vector<Value> known_choices(const ValueFlow& flow, const Value& tag, std::string& note) const;
    /// The four bytes there, which a tag rests on.
    [[nodiscard]] std::uint32_t held_at(std::uint32_t rva) const;
    [[nodiscard]] std::optional<std::uint32_t> bytes_popped(const Step& step, const FlowState& state);
    [[nodiscard]] std::optional<std::uint32_t> bytes_popped_by(std::uint32_t rva);
    void doubt_odd_parameters();

    const SiteImage& image_;
    const Machine& machine_;
    Work& work_;
    std::vector<Extent> code_;
    std::uint64_t code_bytes_ = 0;
    Coverage coverage_;
    SiteTargets targets_;
    std::optional<CodeReferences> references_;
    std::optional<CodeFunctions> functions_;
    std::optional<FlowGraphs> graphs_;
    FlowGraphs::IsOther is_other_;
    ValueFlow::Surroundings surroundings_;

    bool first_round_ = true;
    std::map<std::uint32_t, Callees> wrappers_;          ///< all, by the function's RVA
    std::map<std::uint32_t, Callees> fresh_;             ///< those of this round
    std::map<std::uint32_t, Callees> found_;             ///< those of the next
    std::map<std::uint32_t, std::uint32_t> examined_;    ///< of this round: RVAs of first and last bytes of code
    std::set<std::uint32_t> functions_done_;             ///< of this round
    std::map<std::uint32_t, std::vector<Extent>> reach_; ///< of functions whose bounds were guessed, by entry
    std::set<std::uint32_t> called_;                     ///< wrappers that have callers
    std::map<std::uint32_t, std::optional<std::uint32_t>> popped_;
    std::vector<PoolSite> sites_;
    mutable std::map<std::uint32_t, std::uint32_t> tag_words_; ///< what was read of the image for tags, by RVA
    std::set<std::size_t> odd_; ///< sites whose tag came in a register that arguments do not come in
};

} // namespace poolkd::code

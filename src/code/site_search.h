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
    SiteSearch(const SiteImage& image, const pe::Image& headers, const pe::ExportTable& exports, const Machine& machine,
               Work& work);

    /// By RVA; without names.
    std::vector<PoolSite> run();
    [[nodiscard]] std::uint64_t code_bytes() const { return code_bytes_; }
    [[nodiscard]] const Coverage& coverage() const { return coverage_; }
    /// What the tags rest on, by RVA.
    [[nodiscard]] std::vector<ImageWord> tag_words() const;

    // Only an image made to deceive has more. What was found before is kept, and the coverage says that it is not all.
    static constexpr int max_rounds = 64;              ///< wrappers in wrappers
    static constexpr std::size_t max_sites = 1u << 17; ///< that are found, the same one perhaps twice
    static constexpr std::size_t max_callees = 64;     ///< of one wrapper: kinds of calls, and places of their tags
    /// Steps that are decoded and followed: of any image, and for each byte of code. Dense drivers take 0.5 for a byte.
    static constexpr std::uint64_t max_effort = 1u << 24, max_effort_of_byte = 1;

  private:
    using Callees = std::vector<Callee>;

    [[nodiscard]] std::vector<std::uint32_t> first_references() const;
    [[nodiscard]] std::vector<std::uint32_t> references_to_wrappers() const;
    /// False when a limit is met.
    bool examine(const std::vector<std::uint32_t>& references);
    [[nodiscard]] bool is_too_much() const;
    void examine_around(std::uint32_t reference);
    /// Without unwind tables, where nothing tells a beginning: what lies behind the function before is one.
    [[nodiscard]] std::optional<std::pair<std::uint32_t, FlowGraph>> search_onward(std::uint32_t reference);
    /// `leaf`: the function is none that calls.
    void examine_calls(const FlowGraph& graph, std::uint32_t entry, bool leaf);
    /// Whether a call or jump may lead to what this round looks for, as far as shows without values.
    [[nodiscard]] bool may_be_site(const FlowGraph& graph, const Step& step) const;
    [[nodiscard]] bool loads_import_to_call(const FlowGraph& graph, const Step& call) const;
    /// What a call or jump leads to, of those that this round looks for.
    [[nodiscard]] Callees callees(const ValueFlow& flow, const FlowGraph& graph, const Step& step,
                                  const FlowState& state);
    [[nodiscard]] Callees callees_at(std::uint64_t address) const;
    [[nodiscard]] Callees callees_of(const Value& pointer) const;
    [[nodiscard]] bool is_wanted(std::uint64_t address) const;
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
    void give_default_tags();

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
    ValueFlow::Surroundings surroundings_;
    std::optional<ValueFlow> flow_;
    std::uint64_t effort_ = 0; ///< beside what functions, graphs and flow take

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
    std::set<std::size_t> default_tags_;                       ///< sites whose tag is the driver's own
    std::set<std::size_t> odd_; ///< sites whose tag came in a register that arguments do not come in
};

} // namespace poolkd::code

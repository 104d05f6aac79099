#pragma once

#include "code/code_references.h"
#include "code/flow_graph.h"
#include "pe/exports.h"
#include "pe/image.h"

#include <cstdint>
#include <span>
#include <vector>

namespace poolkd::code {

/// Where a function may begin and what may belong to it.
struct FunctionBounds {
    std::uint32_t entry = 0;
    std::vector<Extent> extents;
    bool whole = false; ///< the extents are exactly its code
    /// Code that pointers in the image lead to and that may belong to it: handlers of exceptions.
    std::vector<std::uint32_t> roots;
    bool guessed = false; ///< what lies before may hold it
};

/// Finds functions in an image: by the unwind tables of x64; without them by where calls lead, by what is exported, and
/// by what functions look like.
class CodeFunctions {
  public:
    CodeFunctions(const FlatImage& image, const pe::Image& headers, const pe::ExportTable& exports,
                  const Machine& machine, std::uint64_t base, std::span<const Extent> code,
                  const CodeReferences& references);

    /// Functions that may hold the code at `rva`, the likeliest first. Whether one does shows when it is decoded. Few:
    /// some `max_candidates`.
    [[nodiscard]] std::vector<FunctionBounds> holding(std::uint32_t rva);
    /// Certain beginnings of functions, sorted.
    [[nodiscard]] std::span<const std::uint32_t> begins() const { return certain_; }
    /// The last certain beginning at or below `rva`, or that of its section.
    [[nodiscard]] std::uint32_t last_begin(std::uint32_t rva) const;
    /// `rva`, or the first byte behind it that does not fill up, or `end` where there is none before.
    [[nodiscard]] std::uint32_t behind_padding(std::uint32_t rva, std::uint32_t end);
    /// Unwind tables tell all functions but leaves.
    [[nodiscard]] bool has_tables() const { return !pieces_.empty(); }

    /// There were more functions or pointers than are kept.
    [[nodiscard]] bool cut() const { return cut_; }
    /// Work done so far to find bounds, beside what each time takes: about one for each instruction, or 16 bytes that
    /// were looked through.
    [[nodiscard]] std::uint64_t effort() const { return effort_; }

    static constexpr std::size_t max_kept = 1u << 22; ///< of functions, and of each kind of guesses
    static constexpr std::size_t max_candidates = 10;
    static constexpr std::uint32_t max_distance = 1u << 17; ///< bytes from a function's begin to code in it

  private:
    struct Piece {
        Extent extent;
        std::uint32_t primary = 0; ///< where its function begins
    };

    void read_tables(const pe::Image& headers);
    void find_begins(const pe::Image& headers, const pe::ExportTable& exports);
    void add_called();
    void add_by_looks();
    void keep(std::vector<std::uint32_t>& list, std::uint32_t rva);
    [[nodiscard]] std::uint32_t primary_of(std::uint32_t begin, std::uint32_t unwind, bool& inside_frame) const;
    void adopt_fragments(std::span<const std::uint32_t> fragments);
    [[nodiscard]] const Piece* piece_at(std::uint32_t rva) const;
    /// What pointers in the image lead to, for code without unwind tables.
    void find_pointed();
    void add_padded(Extent range, std::vector<std::uint32_t>& out);
    [[nodiscard]] bool is_code(std::uint64_t rva) const;
    void add_near(std::span<const std::uint32_t> begins, Extent section, std::uint32_t rva, bool guessed,
                  std::vector<FunctionBounds>& out);
    void add_with_roots(Extent section, std::uint32_t rva, std::vector<FunctionBounds>& out) const;

    const FlatImage& image_;
    const Machine& machine_;
    std::uint64_t base_;
    std::vector<Extent> code_;
    const CodeReferences& references_;
    std::vector<Piece> pieces_;          ///< by RVA
    std::vector<Piece> by_primary_;      ///< the same by function
    std::vector<std::uint32_t> certain_; ///< beginnings, sorted
    std::vector<std::uint32_t> likely_;  ///< code behind padding, sorted; only without tables
    std::vector<std::uint32_t> pointed_; ///< the same of code that pointers lead to
    bool cut_ = false;
    std::uint64_t effort_ = 0;
};

} // namespace poolkd::code

#pragma once

#include "base/error.h"
#include "base/tag.h"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace poolkd::hunt {

/// What a tag list says of one tag or pattern.
struct TagEntry {
    std::string pattern;     ///< four characters, or a pattern with `*` and `?`
    std::string binary;      ///< "ntfs.sys", "nt!io"; empty when the list says <unknown>
    std::string description; ///< may be empty
};

/// Lists of tags in the format of pooltag.txt: `Tag - binary - description` (docs/formats.md tells the oddities that
/// are read too). Lists are asked in the order in which they were added: the user's own first.
class TagLists {
  public:
    /// Reads a list. Kinds `not_found`, `io`; lines that fit no form are counted, not refused.
    Result<void> add(const std::filesystem::path& file);
    /// The same from text.
    void add_text(std::string_view text);
    /// The first list that knows the tag decides; within a list an exact entry before a pattern, a longer pattern
    /// before a shorter one.
    [[nodiscard]] std::optional<TagEntry> find(PoolTag tag) const;
    [[nodiscard]] bool empty() const { return lists_.empty(); }
    [[nodiscard]] std::size_t skipped_lines() const { return skipped_; }

  private:
    struct Exact {
        std::uint32_t tag = 0;
        std::size_t entry = 0;
    };
    struct Pattern {
        std::uint32_t mask = 0, value = 0; ///< what a tag must have; a mask of 0 with `rest` says nothing yet
        bool rest = false;                 ///< not all of the pattern is in the mask
        std::size_t entry = 0;
    };
    struct List {
        std::vector<TagEntry> entries;
        std::vector<Exact> exact;      ///< by tag
        std::vector<Pattern> patterns; ///< the longer ones first
    };
    static Pattern compile(const TagEntry& entry, std::size_t index);

    std::vector<List> lists_;
    std::size_t skipped_ = 0;
};

} // namespace poolkd::hunt

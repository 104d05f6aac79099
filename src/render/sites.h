#pragma once

#include "code/site_name.h"

#include <nlohmann/json.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace poolkd::render {

/// The call sites of one module, or why there are none.
struct SiteModule {
    std::string name;    ///< "leaky"
    std::string heading; ///< what names it before its table: a file's name, or "leaky"
    VirtAddr base;       ///< of a module of the target; else zero
    const code::SiteIndex* index = nullptr;
    std::string error; ///< a sentence; then there is no index
};

/// Which sites are shown. Without further wishes: those that allocate or initialise a lookaside list under a tag of
/// their own, or one that cannot be told.
struct SiteView {
    std::string tag_pattern = {};  ///< only sites of such tags, releases among them
    bool unresolved = false;       ///< only those whose tag cannot be told, releases among them
    bool all = false;              ///< also releases, and what wrappers pass on
    bool quiet_when_empty = false; ///< text: nothing of a module without a site to show
    unsigned pointer_size = 8;     ///< text: of addresses
};

[[nodiscard]] std::vector<const code::PoolSite*> select_sites(const code::SiteIndex& index, const SiteView& view);

[[nodiscard]] std::string_view site_kind_word(code::SiteKind kind);
[[nodiscard]] std::string_view tag_source_word(code::TagSource source);
using code::site_name; // an expression for `u`

/// For each module a line that sums it up and a table; behind several modules their sum.
[[nodiscard]] std::string sites_text(const std::vector<SiteModule>& modules, const SiteView& view);

/// An array of objects, one a module (docs/json.md).
[[nodiscard]] nlohmann::json sites_json(const std::vector<SiteModule>& modules, const SiteView& view);

} // namespace poolkd::render

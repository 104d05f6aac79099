#pragma once

#include "base/error.h"
#include "code/pool_sites.h"

#include <cstdint>
#include <optional>
#include <string>

namespace poolkd::code {

/// Which image an index is of, and what beside its code it depends on.
struct SiteKey {
    std::string image_name; ///< "leaky.sys"
    std::uint32_t timestamp = 0, size = 0, checksum = 0;
    std::string pdb;   ///< GUID and age; empty when the image names none
    std::string state; ///< of a file its content; of a module the routines it can reach and how

    [[nodiscard]] std::string text() const;
};

/// A short name for any number of bytes, the same on every machine.
[[nodiscard]] std::string digest(Bytes bytes);

/// Indexes of images on disk, from one run to the next. Safe to use from several threads and processes. What cannot be
/// written is made anew the next time; what is damaged, too.
class SiteCache {
  public:
    /// Keeps nothing.
    SiteCache() = default;
    explicit SiteCache(std::string folder) : folder_(std::move(folder)) {}
    /// Where POOLKD_SITE_CACHE says, and nowhere when it is empty; else <XDG_CACHE_HOME or ~/.cache>/poolkd/sites.
    static SiteCache of_process();

    [[nodiscard]] bool in_use() const { return !folder_.empty(); }
    [[nodiscard]] std::optional<SiteIndex> find(const SiteKey& key) const;
    /// Only a complete index is kept.
    void keep(const SiteKey& key, const SiteIndex& index) const;

  private:
    std::string folder_;
};

} // namespace poolkd::code

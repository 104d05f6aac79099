#pragma once

#include "base/error.h"
#include "base/work.h"
#include "code/pool_sites.h"
#include "code/site_cache.h"
#include "pe/image.h"
#include "symbols/symbol_path.h"
#include "symbols/symbol_store.h"

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace poolkd::app {

/// The call sites of image files, with the names of their PDBs: those beside the files, and those along a symbol path.
class ImageSites {
  public:
    /// `symbol_path`: in place of the environment's.
    explicit ImageSites(const std::optional<std::string>& symbol_path,
                        code::SiteCache cache = code::SiteCache::of_process());

    /// One file after the other on each processor. In the order of `files`; errors: those of the file. What the user
    /// stopped is told in the coverage, or is an error of kind `stopped` where nothing was looked at.
    std::vector<Result<code::SiteIndex>> of(const std::vector<std::filesystem::path>& files, Work& work);

  private:
    Result<code::SiteIndex> of_file(const std::filesystem::path& file, Work& work);
    /// From the cache, if it is there.
    Result<code::SiteIndex> index_of(const std::filesystem::path& file, Bytes bytes, const pe::Image& image,
                                     Work& work);

    symbols::SymbolEnvironment environment_ = symbols::SymbolEnvironment::of_process();
    std::string symbol_path_;
    symbols::SymbolStore store_;
    code::SiteCache cache_;
};

} // namespace poolkd::app

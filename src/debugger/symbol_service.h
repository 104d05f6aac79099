#pragma once

#include "base/work.h"
#include "nt/modules.h"
#include "symbols/symbol_path.h"
#include "symbols/symbol_store.h"

#include <functional>
#include <string>

namespace poolkd::debugger {

/// Where a session's symbols come from: the symbol path, the servers on it, and the store that keeps open PDBs.
class SymbolService {
  public:
    /// `work` outlives the service: searches can be stopped by it, and tell it how far a download is.
    SymbolService(symbols::SymbolEnvironment environment, Work& work);

    [[nodiscard]] const symbols::SymbolPath& path() const { return path_; }
    /// Takes effect for modules whose symbols are loaded later; `.reload` makes that all of them. Servers that could
    /// not be used before are asked again.
    void set_path(std::string_view text);
    void append_path(std::string_view text);
    /// `.symfix [folder]`.
    void fix_path(std::string_view folder, bool append);

    /// `!sym noisy`: each search is told, line by line.
    void set_noisy(std::function<void(const std::string&)> sink) { noisy_ = std::move(sink); }
    [[nodiscard]] bool noisy() const { return noisy_ != nullptr; }

    /// Finds the symbols of a module, by the identity in its image in target memory. A search that the user stopped
    /// leaves the module deferred.
    void load(nt::Module& module);
    [[nodiscard]] nt::SymbolLoader loader() {
        return [this](nt::Module& module) { load(module); };
    }

  private:
    symbols::SymbolEnvironment environment_;
    Work& work_;
    symbols::SymbolPath path_;
    symbols::SymbolServers servers_;
    symbols::SymbolStore store_;
    std::function<void(const std::string&)> noisy_;
};

} // namespace poolkd::debugger

#pragma once

#include "base/error.h"
#include "base/work.h"
#include "symbols/http.h"
#include "symbols/search_log.h"
#include "symbols/store_folder.h"
#include "symbols/store_key.h"

#include <functional>
#include <map>
#include <mutex>
#include <string>

namespace poolkd::symbols {

/// Says whether a file is the one that was asked for; the error is shown as it is.
using FileCheck = std::function<Result<void>(const std::string& path)>;

/// The symbol servers that a session asks, and what it knows of them: one that cannot be used is not asked again, nor
/// is any for a file that it did not have. Safe to use from several threads, which wait for each other.
class SymbolServers {
  public:
    explicit SymbolServers(HttpLimits limits = {});

    /// Fetches a file into a store: NAME/INDEX/NAME, the same packed in a cabinet (NAME's last letter is `_`), or
    /// what a `file.ptr` there points to; with two letters before it when the server has an index2.txt. Only what
    /// passes `check` gets into the store. Returns its name there.
    /// Errors: `not_found` when the server has no such file; `mismatch` or `malformed` by `check`; `io` when the
    /// server or the store cannot be used; `stopped`. Each names the server.
    Result<std::string> fetch(const std::string& server, const StoreKey& key, const StoreFolder& into,
                              const FileCheck& check, SearchLog* log, Work* work);
    /// Forgets what is known of all servers.
    void forget();

  private:
    struct Request;
    Result<std::string> ask(Request& request);
    /// All ways that a file can lie in one folder of the server.
    Result<std::string> ask_folder(Request& request, const std::string& folder);
    Result<StagedFile> get(Request& request, const std::string& url);
    Result<bool> has_two_tiers(Request& request);

    std::mutex mutex_;
    HttpClient http_;
    std::uint64_t max_bytes_;
    std::map<std::string, std::string> unusable_; ///< server: what it did
    std::map<std::string, Error> refused_;        ///< server and file: why there is none
    std::map<std::string, bool> two_tiers_;       ///< server: it has an index2.txt
};

} // namespace poolkd::symbols

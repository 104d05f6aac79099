#include "symbols/file_search.h"

#include "base/text.h"
#include "symbols/cabinet.h"
#include "symbols/http.h"
#include "symbols/store_pointer.h"

#include <filesystem>
#include <optional>
#include <vector>

namespace poolkd::symbols {

namespace fs = std::filesystem;

namespace {

using Found = std::optional<std::string>;

std::string joined(const fs::path& root, const PathParts& parts) {
    fs::path path = root;
    for (const std::string& part : parts)
        path /= part;
    return path.string();
}

class Search {
  public:
    Search(const WantedFile& wanted, const SymbolPath& path, const SearchOptions& options)
        : wanted_(wanted), path_(path), options_(options) {}

    Result<std::string> run() {
        for (std::size_t i = 0; i < path_.elements().size(); ++i) {
            if (options_.work && options_.work->stop_requested())
                return fail(ErrorKind::stopped, "The search for {} was stopped", wanted_.key.name);
            const SymbolPathElement& element = path_.elements()[i];
            const auto caches = path_.caches_of(i);
            Found found;
            switch (element.kind) {
            case SymbolPathElement::Kind::folder: found = in_folder(element.location); break;
            case SymbolPathElement::Kind::store: found = in_store(element.location, caches); break;
            case SymbolPathElement::Kind::server: {
                auto fetched = from_server(element.location, caches);
                if (fetched) {
                    found = std::move(*fetched);
                } else if (fetched.error().kind == ErrorKind::stopped) {
                    return fetched;
                } else {
                    servers_ += "; " + fetched.error().message;
                }
                break;
            }
            }
            if (found) return into_caches(std::move(*found), caches);
        }
        return nothing();
    }

  private:
    Found in_folder(const std::string& location) {
        const fs::path root = local_path(location);
        if (!is_folder(root)) return std::nullopt;
        const std::string& name = wanted_.key.name;
        if (auto file = attempt(root, {name})) return file;
        if (!wanted_.extension.empty() && wanted_.extension.find('/') == std::string::npos) {
            if (auto file = attempt(root, {"symbols", wanted_.extension, name})) return file;
            if (auto file = attempt(root, {wanted_.extension, name})) return file;
        }
        return attempt(root, {name, wanted_.key.index, name});
    }

    Found in_store(const std::string& location, const std::vector<std::string>& caches) {
        const fs::path root = local_path(location);
        if (!is_folder(root)) return std::nullopt;
        PathParts folder{wanted_.key.name, wanted_.key.index};
        std::error_code code;
        if (fs::exists(root / "index2.txt", code)) {
            PathParts deep = folder;
            deep.insert(deep.begin(), to_lower(std::string_view(wanted_.key.name).substr(0, 2)));
            if (auto file = in_store_folder(root, deep, caches)) return file;
        }
        return in_store_folder(root, folder, caches);
    }

    Found in_store_folder(const fs::path& root, const PathParts& folder, const std::vector<std::string>& caches) {
        const auto with = [&](const std::string& name) {
            PathParts parts = folder;
            parts.push_back(name);
            return parts;
        };
        if (auto file = attempt(root, with(wanted_.key.name))) return file;
        if (auto packed = resolve_path(root, with(wanted_.key.packed_name()))) return unpack(packed->string(), caches);
        if (auto pointer = resolve_path(root, with("file.ptr"))) return follow(pointer->string());
        return std::nullopt;
    }

    Found unpack(const std::string& packed, const std::vector<std::string>& caches) {
        const StoreFolder into(caches.empty() ? path_.default_store() : caches.back());
        const auto unpacked = [&]() -> Result<std::string> {
            POOLKD_TRY(StagedFile file, into.stage());
            POOLKD_CHECK(unpack_cabinet(packed, file.path(), largest_file));
            POOLKD_CHECK(wanted_.check(file.path()));
            return into.publish(std::move(file), wanted_.key);
        }();
        if (unpacked) {
            say(fmt::format("SYMSRV:  {} - unpacked to {}", packed, *unpacked));
            return *unpacked;
        }
        say(fmt::format("SYMSRV:  {} - {}", packed, unpacked.error().message));
        remember(unpacked.error());
        return std::nullopt;
    }

    Found follow(const std::string& pointer) {
        auto target = read_store_pointer(pointer);
        if (!target || target->path.empty()) {
            say(fmt::format("SYMSRV:  {} - {}", pointer, target ? target->message : target.error().message));
            return std::nullopt;
        }
        say(fmt::format("SYMSRV:  {} - points to {}", pointer, target->path));
        return attempt(local_path(target->path), {});
    }

    Result<std::string> from_server(const std::string& server, const std::vector<std::string>& caches) {
        if (!options_.servers) {
            say(fmt::format("SYMSRV:  {}/{} - not asked", server, wanted_.key.path()));
            return fail(ErrorKind::not_found, "{} was not asked", server);
        }
        const StoreFolder into(caches.empty() ? path_.default_store() : caches.back());
        return options_.servers->fetch(server, wanted_.key, into, wanted_.check, options_.log, options_.work);
    }

    /// Copies what was found into the caches in front of it, the nearest first; the first on the path is used. A
    /// cache that cannot be written is told and does no harm.
    std::string into_caches(std::string file, const std::vector<std::string>& caches) {
        for (auto cache = caches.rbegin(); cache != caches.rend(); ++cache) {
            std::error_code code;
            const fs::path relative = fs::path(file).lexically_relative(*cache);
            if (!relative.empty() && *relative.begin() != "..") continue; // it lies there
            auto copied = StoreFolder(*cache).copy_in(file, wanted_.key);
            say(copied ? fmt::format("SYMSRV:  {} - copied to {}", file, *copied)
                       : "SYMSRV:  " + copied.error().message);
            if (copied) file = std::move(*copied);
        }
        return file;
    }

    bool is_folder(const fs::path& root) {
        std::error_code code;
        if (fs::is_directory(root, code)) return true;
        say(fmt::format("DBGHELP: {} - folder not found", root.string()));
        return false;
    }

    Found attempt(const fs::path& root, const PathParts& parts) {
        auto path = resolve_path(root, parts);
        std::error_code code;
        // A folder of that name belongs to a store.
        if (!path || !fs::exists(*path, code) || fs::is_directory(*path, code)) {
            say(fmt::format("DBGHELP: {} - file not found", joined(root, parts)));
            return std::nullopt;
        }
        auto good = wanted_.check(path->string());
        if (good) {
            say(fmt::format("DBGHELP: {} - found", path->string()));
            return path->string();
        }
        say(fmt::format("DBGHELP: {} - {}", path->string(),
                        good.error().kind == ErrorKind::mismatch ? "mismatched" : good.error().message));
        remember(std::move(good).error());
        return std::nullopt;
    }

    void remember(Error error) {
        if (!refusal_ || (refusal_->kind != ErrorKind::mismatch && error.kind == ErrorKind::mismatch))
            refusal_ = std::move(error);
    }

    [[nodiscard]] std::unexpected<Error> nothing() const {
        if (refusal_) return fail(refusal_->kind, "{}{}", refusal_->message, servers_);
        const StoreKey& key = wanted_.key;
        if (path_.elements().empty())
            return fail(ErrorKind::not_found, "{} ({}) is needed, but the symbol path is empty; set it with .sympath",
                        key.name, key.index);
        return fail(ErrorKind::not_found, "{} ({}) was not found along the symbol path {}{}", key.name, key.index,
                    path_.text(), servers_);
    }

    void say(std::string line) {
        if (options_.log) options_.log->add(std::move(line));
    }

    const WantedFile& wanted_;
    const SymbolPath& path_;
    const SearchOptions& options_;
    std::optional<Error> refusal_; ///< the most telling one: a mismatch before damage
    std::string servers_;          ///< what they answered
};

} // namespace

std::optional<fs::path> resolve_path(const fs::path& root, const PathParts& parts) {
    std::error_code code;
    fs::path at = root;
    for (const std::string& part : parts) {
        fs::path next = at / part;
        if (!fs::exists(next, code)) {
            bool found = false;
            for (fs::directory_iterator entry(at, code), end; !code && entry != end; entry.increment(code)) {
                if (!equals_ignore_case(entry->path().filename().string(), part)) continue;
                next = entry->path();
                found = true;
                break;
            }
            if (!found) return std::nullopt;
        }
        at = std::move(next);
    }
    return at;
}

Result<std::string> find_file(const WantedFile& wanted, const SymbolPath& path, const SearchOptions& options) {
    return Search(wanted, path, options).run();
}

} // namespace poolkd::symbols

#include "symbols/pdb_search.h"

#include "base/text.h"

#include <algorithm>
#include <filesystem>
#include <optional>

namespace poolkd::symbols {

namespace fs = std::filesystem;

namespace {

/// `parts` below `root`, each found as written or else without regard to case; nothing when one is not there.
std::optional<fs::path> resolve(const fs::path& root, const std::vector<std::string>& parts) {
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

/// A path typed on the vendor's system may have its slashes the other way.
fs::path root_of(const std::string& location) {
    std::error_code code;
    if (fs::exists(location, code)) return location;
    std::string turned = location;
    std::ranges::replace(turned, '\\', '/');
    return turned;
}

std::string joined(const fs::path& root, const std::vector<std::string>& parts) {
    fs::path path = root;
    for (const std::string& part : parts)
        path /= part;
    return path.string();
}

class Search {
  public:
    Search(const pe::PdbReference& wanted, std::string_view image_name, SearchLog* log)
        : wanted_(wanted), name_(wanted.file_name()), log_(log) {
        if (std::size_t dot = image_name.rfind('.'); dot != std::string_view::npos)
            extension_ = to_lower(image_name.substr(dot + 1));
    }

    std::shared_ptr<PdbFile> in_folder(const std::string& location) {
        const fs::path root = root_of(location);
        if (!is_folder(root)) return nullptr;
        if (auto file = attempt(root, {name_})) return file;
        if (!extension_.empty() && extension_.find('/') == std::string::npos) {
            if (auto file = attempt(root, {"symbols", extension_, name_})) return file;
            if (auto file = attempt(root, {extension_, name_})) return file;
        }
        return attempt(root, {name_, wanted_.identity.text(), name_});
    }

    std::shared_ptr<PdbFile> in_store(const std::string& location) {
        const fs::path root = root_of(location);
        if (!is_folder(root)) return nullptr;
        std::vector<std::string> parts{name_, wanted_.identity.text(), name_};
        std::error_code code;
        if (fs::exists(root / "index2.txt", code)) {
            std::vector<std::string> deep = parts;
            deep.insert(deep.begin(), to_lower(std::string_view(name_).substr(0, 2)));
            if (auto file = attempt(root, deep)) return file;
        }
        if (auto file = attempt(root, parts)) return file;
        parts.back().back() = '_'; // compressed: name.pd_
        if (auto packed = resolve(root, parts))
            say(fmt::format("SYMSRV: {} - compressed files are not unpacked yet", packed->string()));
        return nullptr;
    }

    void say(std::string line) {
        if (log_) log_->add(std::move(line));
    }

    [[nodiscard]] const std::string& name() const { return name_; }
    [[nodiscard]] std::optional<Error>& refusal() { return refusal_; }

  private:
    bool is_folder(const fs::path& root) {
        std::error_code code;
        if (fs::is_directory(root, code)) return true;
        say(fmt::format("DBGHELP: {} - folder not found", root.string()));
        return false;
    }

    std::shared_ptr<PdbFile> attempt(const fs::path& root, const std::vector<std::string>& parts) {
        auto path = resolve(root, parts);
        std::error_code code;
        // A folder of that name belongs to a store.
        if (!path || fs::is_directory(*path, code)) {
            say(fmt::format("DBGHELP: {} - file not found", joined(root, parts)));
            return nullptr;
        }
        auto file = open_matching_pdb(path->string(), wanted_.identity);
        if (file) {
            say(fmt::format("DBGHELP: {} - found", path->string()));
            return std::move(*file);
        }
        say(fmt::format("DBGHELP: {} - {}", path->string(),
                        file.error().kind == ErrorKind::mismatch ? "mismatched pdb" : file.error().message));
        // The most telling refusal stays: a mismatch before damage.
        if (!refusal_ || (refusal_->kind != ErrorKind::mismatch && file.error().kind == ErrorKind::mismatch))
            refusal_ = std::move(file).error();
        return nullptr;
    }

    const pe::PdbReference& wanted_;
    std::string name_;
    std::string extension_;
    SearchLog* log_;
    std::optional<Error> refusal_;
};

} // namespace

Result<std::shared_ptr<PdbFile>> open_matching_pdb(const std::string& path, const pe::PdbIdentity& wanted) {
    POOLKD_TRY(std::shared_ptr<PdbFile> file, PdbFile::open(path));
    if (!file->matches(wanted))
        return fail(ErrorKind::mismatch, "{} does not belong to this image: it is {}, the image asks for {}", path,
                    file->identity().text(), wanted.text());
    return file;
}

Result<std::shared_ptr<PdbFile>> find_pdb(const pe::PdbReference& wanted, std::string_view image_name,
                                          const SymbolPath& path, SearchLog* log) {
    Search search(wanted, image_name, log);
    if (search.name().empty())
        return fail(ErrorKind::not_found, "The image's debug record names no PDB file (identity {})",
                    wanted.identity.text());
    std::string servers;
    for (const SymbolPathElement& element : path.elements()) {
        std::shared_ptr<PdbFile> file;
        switch (element.kind) {
        case SymbolPathElement::Kind::folder: file = search.in_folder(element.location); break;
        case SymbolPathElement::Kind::store: file = search.in_store(element.location); break;
        case SymbolPathElement::Kind::server:
            search.say(fmt::format("SYMSRV: {}/{}/{}/{} - not fetched: servers are not asked yet", element.location,
                                   search.name(), wanted.identity.text(), search.name()));
            if (servers.empty())
                servers = fmt::format("; {} was not asked: servers are not supported yet", element.location);
            break;
        }
        if (file) return file;
    }
    if (search.refusal()) return std::unexpected(std::move(*search.refusal()));
    if (path.elements().empty())
        return fail(ErrorKind::not_found, "{} ({}) is needed, but the symbol path is empty; set it with .sympath",
                    search.name(), wanted.identity.text());
    return fail(ErrorKind::not_found, "{} ({}) was not found along the symbol path {}{}", search.name(),
                wanted.identity.text(), path.text(), servers);
}

} // namespace poolkd::symbols

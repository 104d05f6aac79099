#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace poolkd::symbols {

/// The variables that symbol paths depend on.
struct SymbolEnvironment {
    std::optional<std::string> symbol_path = std::nullopt;     ///< _NT_SYMBOL_PATH
    std::optional<std::string> alt_symbol_path = std::nullopt; ///< _NT_ALT_SYMBOL_PATH, searched first
    std::optional<std::string> symbol_proxy = std::nullopt;    ///< _NT_SYMBOL_PROXY: "host:port"
    std::optional<std::string> home_directory = std::nullopt;  ///< DBGHELP_HOMEDIR: root of the default symbol cache
    std::optional<std::string> cache_home = std::nullopt;      ///< XDG_CACHE_HOME
    std::optional<std::string> home = std::nullopt;            ///< HOME

    static SymbolEnvironment of_process();
    /// The store that `srv*` and `.symfix` use when none is named: <DBGHELP_HOMEDIR>/sym, else
    /// <XDG_CACHE_HOME or ~/.cache>/poolkd/sym.
    [[nodiscard]] std::string default_store() const;
    /// The path a session starts with: the alternative path, then the other one; empty when neither is set.
    [[nodiscard]] std::string initial_path() const;
};

/// The vendor's public symbol server, which `srv*` stands for.
inline constexpr std::string_view public_symbol_server = "https://msdl.microsoft.com/download/symbols";

struct SymbolPathElement {
    enum class Kind {
        folder, ///< a plain folder
        store,  ///< a symbol store: its folders are name.pdb/GUIDAGE/name.pdb
        server, ///< a symbol server reached by HTTP
    };
    Kind kind = Kind::folder;
    std::string location = {}; ///< folder or URL
    bool is_cache = false;     ///< a store that is to keep copies of what elements to its right deliver
    unsigned chain = 0;        ///< number of the `srv*...` that it belongs to; 0: of none, then a cache serves all
};

/// A symbol search path in kd's syntax: elements between semicolons; a plain folder, `srv*store*...*server`,
/// `symsrv*dll*store*...`, `cache*folder`, or a server's URL, which is short for `srv*URL`. Words before the first `*`
/// may be in any case. A server without a store in front of it gets the default one. Nothing is asked over a network
/// but what stands on the path.
class SymbolPath {
  public:
    SymbolPath() = default;
    /// Never fails: an element that makes no sense is left out with a note.
    static SymbolPath parse(std::string_view text, const SymbolEnvironment& environment);
    /// The text of `.symfix [folder]`.
    static std::string symfix(std::string_view folder);

    [[nodiscard]] const std::string& text() const { return text_; } ///< as it was given
    /// With defaults filled in, as `.sympath` prints it.
    [[nodiscard]] const std::string& expanded() const { return expanded_; }
    [[nodiscard]] const std::vector<SymbolPathElement>& elements() const { return elements_; } ///< in search order
    [[nodiscard]] const std::vector<std::string>& notes() const { return notes_; }
    /// Where files go that no cache on the path takes.
    [[nodiscard]] const std::string& default_store() const { return default_store_; }
    /// Folders of the caches that keep what element `index` delivers, as on the path: the nearest one last.
    [[nodiscard]] std::vector<std::string> caches_of(std::size_t index) const;

  private:
    void add_element(std::string_view element, const SymbolEnvironment& environment);
    void add_location(std::string_view location, SymbolPathElement element, const SymbolEnvironment& environment);
    void add_chain(std::vector<std::string_view> parts, const SymbolEnvironment& environment);

    std::string text_;
    std::string expanded_;
    std::string default_store_;
    unsigned chains_ = 0;
    std::vector<SymbolPathElement> elements_;
    std::vector<std::string> notes_;
};

} // namespace poolkd::symbols

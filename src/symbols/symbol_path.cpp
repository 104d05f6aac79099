#include "symbols/symbol_path.h"

#include "base/text.h"
#include "symbols/store_pointer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

namespace poolkd::symbols {

namespace {

std::optional<std::string> variable(const char* name) {
    const char* value = std::getenv(name);
    if (!value || *value == '\0') return std::nullopt;
    return value;
}

} // namespace

SymbolEnvironment SymbolEnvironment::of_process() {
    return {variable("_NT_SYMBOL_PATH"), variable("_NT_ALT_SYMBOL_PATH"), variable("_NT_SYMBOL_PROXY"),
            variable("DBGHELP_HOMEDIR"), variable("XDG_CACHE_HOME"),      variable("HOME")};
}

std::string SymbolEnvironment::default_store() const {
    if (home_directory) return *home_directory + "/sym";
    return cache_home.value_or(home.value_or("") + "/.cache") + "/poolkd/sym";
}

std::string SymbolEnvironment::initial_path() const {
    if (alt_symbol_path && symbol_path) return *alt_symbol_path + ";" + *symbol_path;
    return alt_symbol_path.value_or(symbol_path.value_or(""));
}

std::string SymbolPath::symfix(std::string_view folder) {
    folder = trim(folder);
    return folder.empty() ? "srv*" : fmt::format("srv*{}*{}", folder, public_symbol_server);
}

SymbolPath SymbolPath::parse(std::string_view text, const SymbolEnvironment& environment) {
    SymbolPath path;
    path.text_ = trim(text);
    path.default_store_ = environment.default_store();
    for (std::string_view element : split(text, ';'))
        if (!trim(element).empty()) path.add_element(trim(element), environment);
    return path;
}

void SymbolPath::add_element(std::string_view element, const SymbolEnvironment& environment) {
    std::vector<std::string_view> parts = split(element, '*');
    const std::string word = to_lower(trim(parts.front()));
    if (!expanded_.empty()) expanded_ += ';';
    if (parts.size() == 1 && is_url(element)) return add_chain(std::move(parts), environment);
    if (parts.size() == 1) {
        expanded_ += element;
        add_location(element, {.kind = SymbolPathElement::Kind::folder}, environment);
        return;
    }
    parts.erase(parts.begin());
    if (word == "cache") {
        const std::string folder = trim(parts.front()).empty() ? default_store_ : std::string(parts.front());
        expanded_ += "cache*" + folder;
        add_location(folder, {.kind = SymbolPathElement::Kind::store, .is_cache = true}, environment);
    } else if (word == "srv") {
        add_chain(std::move(parts), environment);
    } else if (word == "symsrv") {
        parts.erase(parts.begin()); // the name of the DLL that speaks to the server
        add_chain(std::move(parts), environment);
    } else {
        expanded_ += element;
        notes_.push_back(
            fmt::format("'{}' is not understood: an element with '*' begins with srv, symsrv or cache", element));
    }
}

void SymbolPath::add_chain(std::vector<std::string_view> parts, const SymbolEnvironment& environment) {
    // "srv*" alone: the default store in front of the public server. An empty part: the default store.
    std::ranges::for_each(parts, [](std::string_view& part) { part = trim(part); });
    if (parts.empty() || (parts.size() == 1 && parts.front().empty())) parts = {default_store_, public_symbol_server};
    for (std::string_view& part : parts)
        if (part.empty()) part = default_store_;
    if (is_url(parts.front())) parts.insert(parts.begin(), default_store_);
    ++chains_;
    expanded_ += "srv";
    for (std::size_t i = 0; i < parts.size(); ++i) {
        expanded_ += '*';
        expanded_ += parts[i];
        const bool is_last = i + 1 == parts.size();
        const bool is_server = is_url(parts[i]);
        add_location(parts[i],
                     {.kind = is_server ? SymbolPathElement::Kind::server : SymbolPathElement::Kind::store,
                      .is_cache = !is_server && !is_last,
                      .chain = chains_},
                     environment);
    }
}

void SymbolPath::add_location(std::string_view location, SymbolPathElement element,
                              const SymbolEnvironment& environment) {
    std::string text(trim(location));
    if ((text == "~" || text.starts_with("~/")) && environment.home) text = *environment.home + text.substr(1);
    element.location = std::move(text);
    elements_.push_back(std::move(element));
}

std::vector<std::string> SymbolPath::caches_of(std::size_t index) const {
    std::vector<std::string> caches;
    for (std::size_t i = 0; i < index; ++i)
        if (elements_[i].is_cache && (elements_[i].chain == 0 || elements_[i].chain == elements_[index].chain))
            caches.push_back(elements_[i].location);
    return caches;
}

} // namespace poolkd::symbols

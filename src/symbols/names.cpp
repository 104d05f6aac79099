#include "symbols/names.h"

#include "base/text.h"

#include <fmt/format.h>
#include <llvm/Demangle/Demangle.h>
#include <llvm/Demangle/MicrosoftDemangle.h>

#include <algorithm>
#include <cstdlib>
#include <memory>

namespace poolkd::symbols {

namespace {

// The demanglers recurse; real names stay far below this.
constexpr std::size_t max_mangled = 4096;

/// LLVM prints template arguments as "A<int, B<int>>"; kd prints "A<int,B<int> >".
std::string in_kd_style(std::string_view name) {
    std::string out;
    int depth = 0;
    for (std::size_t i = 0; i < name.size(); ++i) {
        char c = name[i];
        if (c == ' ' && depth > 0 && i > 0 && name[i - 1] == ',') continue;
        const bool in_operator = name.substr(0, i).ends_with("operator") || name.substr(0, i).ends_with("operator<") ||
                                 name.substr(0, i).ends_with("operator>") || (i > 0 && name[i - 1] == '-');
        if (c == '<' && !in_operator) ++depth;
        if (c == '>' && !in_operator) {
            --depth;
            if (out.ends_with('>')) out += ' ';
        }
        out += c;
    }
    return out;
}

std::string demangle_microsoft(std::string_view name) {
    llvm::ms_demangle::Demangler demangler;
    std::string_view rest = name;
    llvm::ms_demangle::SymbolNode* symbol = demangler.parse(rest);
    if (demangler.Error || !symbol) return std::string(name);
    if (symbol->kind() == llvm::ms_demangle::NodeKind::SpecialTableSymbol || !symbol->Name) {
        // "const A::`vftable'": the qualifier is no part of the name.
        std::string text = symbol->toString(llvm::ms_demangle::OF_NoTagSpecifier);
        constexpr std::string_view qualifier = "const ";
        return in_kd_style(text.starts_with(qualifier) ? text.substr(qualifier.size()) : text);
    }
    std::string text = symbol->Name->toString(llvm::ms_demangle::OF_NoTagSpecifier);
    return text.empty() ? std::string(name) : in_kd_style(text);
}

std::string demangle_itanium(std::string_view name) {
    struct Free {
        void operator()(char* p) const { std::free(p); }
    };
    llvm::ItaniumPartialDemangler demangler;
    const std::string terminated(name);
    if (demangler.partialDemangle(terminated.c_str())) return terminated;
    std::size_t size = 0;
    std::unique_ptr<char, Free> text(demangler.isFunction() ? demangler.getFunctionName(nullptr, &size)
                                                            : demangler.finishDemangle(nullptr, &size));
    return text ? in_kd_style(text.get()) : terminated;
}

/// The bytes of parameters that calling conventions write behind a name: not the digits of "__real@40000000".
bool is_parameter_bytes(std::string_view text) {
    return !text.empty() && text.size() <= 3 && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

/// The longest run of characters that every match of the pattern holds as they are, in lower case.
std::string longest_literal(std::string_view pattern) {
    std::string longest;
    std::string run;
    auto end_run = [&] {
        if (run.size() > longest.size()) longest = run;
        run.clear();
    };
    for (std::size_t i = 0; i < pattern.size(); ++i) {
        const char c = pattern[i];
        if (std::string_view("*?]#+[\\").find(c) == std::string_view::npos) {
            run += to_lower(c);
            continue;
        }
        // What stands before `#` or `+` may repeat or be missing.
        if ((c == '#' || c == '+') && !run.empty()) run.pop_back();
        end_run();
        if (c == '\\') ++i;
        if (c == '[' && pattern.find(']', i) != std::string_view::npos) i = pattern.find(']', i);
    }
    end_run();
    return longest;
}

} // namespace

bool is_string_literal(std::string_view name) {
    return name.starts_with("??_C@");
}

bool is_mangled(std::string_view name) {
    return name.starts_with('?') || name.starts_with("_Z");
}

bool is_data_name(std::string_view name) {
    constexpr std::string_view prefixes[] = {"??_7",    "??_8",   "??_C",   "??_R",          "__imp_",
                                             "__real@", "__xmm@", "__ymm@", "__NULL_IMPORT", "__IMPORT_DESCRIPTOR"};
    return std::ranges::any_of(prefixes, [&](std::string_view prefix) { return name.starts_with(prefix); });
}

std::string undecorate(std::string_view name) {
    if (name.size() > max_mangled) return std::string(name);
    if (is_string_literal(name)) return "`string'";
    if (name.starts_with('?')) return demangle_microsoft(name);
    if (name.starts_with("_Z")) return demangle_itanium(name);
    if (name.size() < 2 || name.find('?') != std::string_view::npos) return std::string(name); // "_CT??_R0PEAX@8"
    std::string_view bare = name;
    const bool decorated = name.front() == '_' || name.front() == '@';
    if (decorated) bare.remove_prefix(1);
    if (std::size_t at = bare.rfind('@');
        at != std::string_view::npos && at > 0 && is_parameter_bytes(bare.substr(at + 1))) {
        const bool vectorcall = bare[at - 1] == '@';
        if (decorated || vectorcall) bare = bare.substr(0, vectorcall ? at - 1 : at);
    }
    return bare.empty() ? std::string(name) : std::string(bare);
}

std::optional<std::uint16_t> stack_argument_bytes(std::string_view name) {
    constexpr unsigned in_registers = 8;
    const std::size_t at = name.rfind('@');
    if (name.empty() || at == std::string_view::npos || at < 2 || !is_parameter_bytes(name.substr(at + 1))) return {};
    unsigned bytes = 0;
    for (char c : name.substr(at + 1))
        bytes = 10 * bytes + static_cast<unsigned>(c - '0');
    if (name.front() == '_') return static_cast<std::uint16_t>(bytes);
    if (name.front() == '@') return static_cast<std::uint16_t>(bytes - std::min(bytes, in_registers));
    return {};
}

std::vector<std::string> decorations(std::string_view name, bool stdcall) {
    std::vector<std::string> names{std::string(name), fmt::format("_{}", name)};
    if (!stdcall || name.empty()) return names;
    for (unsigned bytes = 0; bytes <= 128; bytes += 4) {
        names.push_back(fmt::format("_{}@{}", name, bytes));
        names.push_back(fmt::format("@{}@{}", name, bytes));
    }
    return names;
}

std::string_view without_type_keyword(std::string_view type_name) {
    for (std::string_view word : {"struct ", "union ", "enum ", "class "})
        if (type_name.starts_with(word)) return trim(type_name.substr(word.size()));
    return type_name;
}

std::uint32_t hash_ignore_case(std::string_view text) {
    std::uint32_t hash = 2166136261u; // FNV-1a
    for (char c : text)
        hash = (hash ^ static_cast<std::uint8_t>(to_lower(c))) * 16777619u;
    return hash;
}

SymbolPattern::SymbolPattern(std::string_view pattern)
    : any_underscores_(pattern.starts_with('_')), pattern_(pattern.substr(any_underscores_ ? 1 : 0)) {
    std::size_t plain = 0;
    while (plain < pattern_.size() && std::string_view("*?[]#+\\").find(pattern_[plain]) == std::string_view::npos)
        ++plain;
    // What stands before `#` or `+` may repeat or be missing.
    if (plain < pattern_.size() && (pattern_[plain] == '#' || pattern_[plain] == '+') && plain > 0) --plain;
    prefix_ = pattern_.substr(0, plain);
    needle_ = longest_literal(pattern_);
}

bool SymbolPattern::matches(std::string_view name) const {
    if (any_underscores_) name.remove_prefix(std::min(name.find_first_not_of('_'), name.size()));
    if (name.size() < prefix_.size() || !equals_ignore_case(name.substr(0, prefix_.size()), prefix_)) return false;
    if (std::ranges::search(name, needle_, {}, [](char c) { return to_lower(c); }).empty() && !needle_.empty())
        return false;
    return wildcard_match(pattern_, name);
}

} // namespace poolkd::symbols

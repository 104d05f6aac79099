#pragma once

#include "base/text.h"
#include "symbols/module_symbols.h"

#include <algorithm>
#include <map>
#include <string>
#include <vector>

namespace poolkd::testing {

/// An unsigned integer type of `size` bytes.
inline symbols::TypePtr number(std::uint64_t size) {
    auto type = std::make_shared<symbols::Type>();
    type->kind = symbols::TypeKind::integer;
    type->name = "UInt" + std::to_string(size) + "B";
    type->size = size;
    return type;
}

/// Symbols that a test writes down.
class FakeSymbols final : public symbols::ModuleSymbols {
  public:
    void add(std::string name, std::uint32_t rva, bool is_code = false) {
        symbols_.push_back({std::move(name), rva, 0, is_code, symbols::Provenance::pdb_public});
        std::ranges::sort(symbols_, {}, &symbols::Symbol::rva);
    }
    /// A function of x86, with the bytes of stack that its decorated name tells.
    void add_function(std::string name, std::uint32_t rva, std::uint16_t argument_bytes) {
        symbols_.push_back({std::move(name), rva, 0, true, symbols::Provenance::pdb_public, argument_bytes});
        std::ranges::sort(symbols_, {}, &symbols::Symbol::rva);
    }
    void add(symbols::FrameRecord record) { frames_.push_back(std::move(record)); }
    /// The parameters of the function that begins at `rva`, the same everywhere in it.
    void add_parameters(std::uint32_t rva, std::vector<symbols::Variable> parameters) {
        parameters_[rva] = std::move(parameters);
    }
    void add(symbols::StructLayout layout) { layouts_[layout.name] = std::move(layout); }
    void add(symbols::Type type) {
        std::string name = type.name;
        types_[std::move(name)] = std::make_shared<symbols::Type>(std::move(type));
    }

    [[nodiscard]] symbols::Provenance provenance() const override { return symbols::Provenance::pdb_public; }
    [[nodiscard]] std::string file() const override { return "fake.pdb"; }
    [[nodiscard]] bool has_types() const override { return true; }
    std::optional<symbols::Symbol> find(std::string_view name) override {
        auto all = find_all(name);
        return all.empty() ? std::nullopt : std::optional(all.front());
    }
    std::vector<symbols::Symbol> find_all(std::string_view name) override {
        std::vector<symbols::Symbol> found;
        for (const symbols::Symbol& symbol : symbols_)
            if (equals_ignore_case(symbol.name, name)) found.push_back(symbol);
        return found;
    }
    std::optional<symbols::Symbol> nearest(std::uint32_t rva) override {
        std::optional<symbols::Symbol> best;
        for (const symbols::Symbol& symbol : symbols_)
            if (symbol.rva <= rva) best = symbol;
        return best;
    }
    std::optional<symbols::Symbol> next(std::uint32_t rva) override {
        for (const symbols::Symbol& symbol : symbols_)
            if (symbol.rva > rva) return symbol;
        return std::nullopt;
    }
    std::vector<symbols::Symbol> match(std::string_view pattern, std::size_t limit) override {
        std::vector<symbols::Symbol> found;
        for (const symbols::Symbol& symbol : symbols_)
            if (found.size() < limit && wildcard_match(pattern, symbol.name)) found.push_back(symbol);
        return found;
    }
    Result<symbols::StructLayout> layout(std::string_view name) override {
        auto at = layouts_.find(name);
        if (at == layouts_.end()) return fail(ErrorKind::not_found, "no type {}", name);
        return at->second;
    }
    Result<symbols::TypePtr> type(std::string_view name) override {
        auto at = types_.find(name);
        if (at == types_.end()) return fail(ErrorKind::not_found, "no type {}", name);
        return at->second;
    }
    std::optional<symbols::TypePtr> type_of_symbol(std::string_view) override { return std::nullopt; }
    std::vector<std::string> match_types(std::string_view, std::size_t) override { return {}; }
    std::optional<symbols::SourceLine> line(std::uint32_t) override { return std::nullopt; }
    std::optional<std::vector<symbols::Variable>> parameters(std::uint32_t rva) override {
        auto function = nearest(rva);
        auto known = function ? parameters_.find(function->rva) : parameters_.end();
        return known == parameters_.end() ? std::nullopt : std::optional(known->second);
    }
    std::optional<symbols::FrameRecord> frame(std::uint32_t rva) override {
        for (const symbols::FrameRecord& record : frames_)
            if (rva - record.rva < record.size) return record;
        return std::nullopt;
    }

  private:
    std::vector<symbols::Symbol> symbols_;
    std::vector<symbols::FrameRecord> frames_;
    std::map<std::uint32_t, std::vector<symbols::Variable>> parameters_; ///< by the function's rva
    std::map<std::string, symbols::StructLayout, std::less<>> layouts_;
    std::map<std::string, symbols::TypePtr, std::less<>> types_;
};

} // namespace poolkd::testing

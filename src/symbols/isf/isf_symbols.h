#pragma once

#include "pe/image.h"
#include "symbols/isf/isf_table.h"
#include "symbols/isf/isf_types.h"
#include "symbols/module_symbols.h"

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace poolkd::symbols {

/// The symbols of a Volatility symbol table, named as a PDB's would be. Such a table has names, addresses and types,
/// but no sizes of functions, types of variables, statics that share a name, source lines or stack frames. It does not
/// know the image's sections either: those that the image states say what is code. Safe to share between threads.
class IsfSymbols final : public ModuleSymbols {
  public:
    /// `file`: where the table is from. `sections`: of the image, empty when they are not known; then all is one
    /// section of data.
    IsfSymbols(IsfTable table, std::string file, std::vector<pe::Section> sections = {});

    [[nodiscard]] Provenance provenance() const override { return Provenance::isf; }
    [[nodiscard]] std::string file() const override { return file_; }
    [[nodiscard]] bool has_types() const override { return !table_.types().empty(); }

    std::optional<Symbol> find(std::string_view name) override;
    std::vector<Symbol> find_all(std::string_view name) override;
    std::optional<Symbol> nearest(std::uint32_t rva) override;
    std::optional<Symbol> next(std::uint32_t rva) override;
    std::vector<Symbol> match(std::string_view pattern, std::size_t limit) override;
    Result<StructLayout> layout(std::string_view type_name) override;
    Result<TypePtr> type(std::string_view type_name) override;
    std::optional<TypePtr> type_of_symbol(std::string_view symbol_name) override;
    std::vector<std::string> match_types(std::string_view pattern, std::size_t limit) override;
    std::optional<SourceLine> line(std::uint32_t rva) override;

  private:
    struct Hashed {
        std::uint32_t hash;
        std::uint32_t index; ///< into the symbols of the table
    };
    using Index = std::vector<Hashed>; ///< by hash

    void index_names();
    void index_addresses();
    /// Adds those that kd would call `name`, or that have it in the table.
    void collect(const Index& index, std::string_view name, std::string_view hashed, std::vector<Symbol>& found) const;
    [[nodiscard]] const pe::Section* section_of(std::uint32_t rva) const;
    [[nodiscard]] bool is_code(const IsfSymbol& symbol) const;
    [[nodiscard]] Symbol make(const IsfSymbol& symbol) const;

    std::mutex mutex_;
    IsfTable table_;
    std::string file_;
    std::vector<pe::Section> sections_;
    IsfTypes types_;
    // Each is made when the first question needs it.
    Index names_;                          ///< C names as kd shows them
    std::optional<Index> mangled_;         ///< C++ names as kd shows them: taking those apart is slow
    std::vector<std::uint32_t> addresses_; ///< indexes by address
};

} // namespace poolkd::symbols

#pragma once

#include "pe/exports.h"
#include "symbols/module_symbols.h"

#include <memory>
#include <string>
#include <vector>

namespace poolkd::symbols {

/// The exported names of an image, for modules without a PDB. No types, no sizes, no statics: an address may lie in
/// a function that is not exported and gets the name of the export below it, in the same section.
class ExportSymbols final : public ModuleSymbols {
  public:
    /// Reads the image's export table; the image is not needed afterwards. `file`: where it came from, empty for
    /// target memory. Errors: those of ExportTable::read; `not_found` when the image exports nothing by name.
    static Result<std::shared_ptr<ExportSymbols>> read(const pe::Image& image, std::string file = {});

    [[nodiscard]] Provenance provenance() const override { return Provenance::exports; }
    [[nodiscard]] std::string file() const override { return file_; }
    [[nodiscard]] bool has_types() const override { return false; }

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
    struct Entry {
        Symbol symbol;
        std::string stored; ///< as exported, perhaps decorated
        std::size_t section = 0;
    };
    std::string file_;
    std::vector<pe::Section> sections_;
    std::vector<Entry> by_address_;
};

} // namespace poolkd::symbols

#pragma once

#include "symbols/module_symbols.h"
#include "symbols/pdb/file.h"
#include "symbols/pdb/frames.h"
#include "symbols/pdb/lines.h"
#include "symbols/pdb/privates.h"
#include "symbols/pdb/publics.h"
#include "symbols/pdb/type_builder.h"

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace poolkd::symbols {

/// The symbols of a PDB. Opening reads its headers; each table is built when the first question needs it. Safe to
/// share between threads: questions are answered one at a time.
class PdbSymbols final : public ModuleSymbols {
  public:
    /// Errors: those of PdbFile, and `malformed` for a damaged DBI stream.
    static Result<std::shared_ptr<PdbSymbols>> open(std::shared_ptr<PdbFile> file);

    [[nodiscard]] Provenance provenance() const override;
    [[nodiscard]] std::string file() const override { return file_->path(); }
    [[nodiscard]] bool has_types() const override { return types_.has_value(); }
    [[nodiscard]] const pe::PdbIdentity& identity() const { return file_->identity(); }

    std::optional<Symbol> find(std::string_view name) override;
    std::vector<Symbol> find_all(std::string_view name) override;
    std::optional<Symbol> nearest(std::uint32_t rva) override;
    std::optional<Symbol> next(std::uint32_t rva) override;
    std::vector<Symbol> match(std::string_view pattern, std::size_t limit) override;

    Result<StructLayout> layout(std::string_view type_name) override;
    Result<StructLayout> layout_of(const Type& type) override;
    Result<TypePtr> type(std::string_view type_name) override;
    std::optional<TypePtr> type_of_symbol(std::string_view symbol_name) override;
    std::vector<std::string> match_types(std::string_view pattern, std::size_t limit) override;
    std::optional<SourceLine> line(std::uint32_t rva) override;
    std::optional<FrameRecord> frame(std::uint32_t rva) override;
    std::optional<std::vector<Variable>> parameters(std::uint32_t rva) override;

  private:
    PdbSymbols(std::shared_ptr<PdbFile> file, Dbi dbi);
    std::vector<PdbSymbol> find_pdb(std::string_view name);
    [[nodiscard]] std::optional<Symbol> to_symbol(const PdbSymbol& symbol) const;
    /// The number of a type of that name: a definition, else a typedef.
    Result<std::uint32_t> type_index(std::string_view type_name);
    /// Type indexes of the parameters that a function type has, `this` included.
    std::vector<std::uint32_t> declared_parameters(std::uint32_t function_type);

    std::mutex mutex_;
    std::shared_ptr<PdbFile> file_;
    Dbi dbi_;
    Publics publics_;
    Privates privates_;
    Frames frames_;
    std::optional<TypeTable> types_;
    std::optional<Error> no_types_; ///< why there are none
    std::optional<TypeBuilder> builder_;
};

} // namespace poolkd::symbols

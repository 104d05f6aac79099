#pragma once

#include "base/error.h"
#include "symbols/frame_record.h"
#include "symbols/type.h"
#include "symbols/variable.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace poolkd::symbols {

enum class Provenance { none, exports, pdb_public, pdb_private, isf };
std::string_view to_words(Provenance provenance);

struct Symbol {
    std::string name;       ///< undecorated as kd shows it ("PoolHitTag", "KiSystemStartup")
    std::uint32_t rva = 0;  ///< bytes from the image base
    std::uint32_t size = 0; ///< bytes of code; 0 for data and where the symbols do not tell
    bool is_code = false;
    Provenance provenance = Provenance::none;
    /// Bytes of stack that the function removes when it returns, where its decorated name tells ("_Name@12").
    std::optional<std::uint16_t> argument_bytes{};
};

struct SourceLine {
    std::string file;
    std::uint32_t line = 0;
    std::uint32_t displacement = 0; ///< bytes from the start of the line's code
};

/// The symbols of one module, whatever they come from. Names are matched without regard to case, an exact match first.
class ModuleSymbols {
  public:
    virtual ~ModuleSymbols() = default;

    [[nodiscard]] virtual Provenance provenance() const = 0;
    /// The file they come from; empty for exports read from target memory.
    [[nodiscard]] virtual std::string file() const = 0;
    [[nodiscard]] virtual bool has_types() const = 0;

    [[nodiscard]] virtual std::optional<Symbol> find(std::string_view name) = 0;
    /// All with that name (differing in case, or several statics), those in the exact case first, then by address.
    [[nodiscard]] virtual std::vector<Symbol> find_all(std::string_view name) = 0;
    /// The symbol at or nearest below `rva`. For an address in code only code symbols count.
    /// Never a symbol of another section, and never a string literal for code.
    [[nodiscard]] virtual std::optional<Symbol> nearest(std::uint32_t rva) = 0;
    /// The next symbol above `rva`, of any kind.
    [[nodiscard]] virtual std::optional<Symbol> next(std::uint32_t rva) = 0;
    /// All whose names match kd's string wildcards, by address; at most `limit`, those at the lowest addresses (so
    /// ask for one more than you show, to know whether there are more). A leading `_` in the pattern stands for any
    /// number of underscores.
    [[nodiscard]] virtual std::vector<Symbol> match(std::string_view pattern, std::size_t limit) = 0;

    /// Members of a structure or union by name; kind `not_found` or, when the file has no types, a sentence saying so.
    [[nodiscard]] virtual Result<StructLayout> layout(std::string_view type_name) = 0;
    /// Members of a type that came from these symbols (of a field, a variable). Unlike the look-up by name this also
    /// finds the right one of several types that share a name, such as "<unnamed-tag>".
    [[nodiscard]] virtual Result<StructLayout> layout_of(const Type& type);
    /// A structure, union, enumeration or typedef by name, or a pointer to one ("_KTHREAD*").
    [[nodiscard]] virtual Result<TypePtr> type(std::string_view type_name) = 0;
    /// The declared type of a global variable, where the symbols are private.
    [[nodiscard]] virtual std::optional<TypePtr> type_of_symbol(std::string_view symbol_name) = 0;
    [[nodiscard]] virtual std::vector<std::string> match_types(std::string_view pattern, std::size_t limit) = 0;
    [[nodiscard]] virtual std::optional<SourceLine> line(std::uint32_t rva) = 0;
    /// How the code at `rva` uses its stack; x86 only.
    [[nodiscard]] virtual std::optional<FrameRecord> frame(std::uint32_t rva);
    /// The parameters of the function that the code at `rva` belongs to, in their order, with their homes there.
    /// Nothing when the symbols do not tell: public symbols have none.
    [[nodiscard]] virtual std::optional<std::vector<Variable>> parameters(std::uint32_t rva);
};

} // namespace poolkd::symbols

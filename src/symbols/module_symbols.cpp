#include "symbols/module_symbols.h"

namespace poolkd::symbols {

std::string_view to_words(Provenance provenance) {
    switch (provenance) {
    case Provenance::none: return "no symbols";
    case Provenance::exports: return "export symbols";
    case Provenance::pdb_public: return "pdb symbols";
    case Provenance::pdb_private: return "private pdb symbols";
    case Provenance::isf: return "ISF symbols";
    }
    return "unknown symbols";
}

Result<StructLayout> ModuleSymbols::layout_of(const Type& type) {
    return layout(type.name);
}

std::optional<FrameRecord> ModuleSymbols::frame(std::uint32_t) {
    return std::nullopt;
}

std::optional<std::vector<Variable>> ModuleSymbols::parameters(std::uint32_t) {
    return std::nullopt;
}

} // namespace poolkd::symbols

// Any bytes as a PDB, asked everything. Start it with small PDBs as a corpus: the container's header is rarely guessed.
#include "symbols/pdb/pdb_symbols.h"

#include <span>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace poolkd;
    using namespace poolkd::symbols;
    if (size > 4u << 20) return 0;
    auto file = PdbFile::from_bytes(std::as_bytes(std::span(data, size)), "fuzz.pdb");
    if (!file) return 0;
    auto opened = PdbSymbols::open(std::move(*file));
    if (!opened) return 0;
    PdbSymbols& pdb = **opened;
    for (const Symbol& symbol : pdb.match("*", 100)) {
        (void)pdb.find(symbol.name);
        (void)pdb.nearest(symbol.rva + 1);
        (void)pdb.next(symbol.rva);
        (void)pdb.line(symbol.rva);
        (void)pdb.frame(symbol.rva + 1);
        (void)pdb.type_of_symbol(symbol.name);
    }
    for (const std::string& name : pdb.match_types("*", 50)) {
        (void)pdb.type(name);
        if (auto layout = pdb.layout(name))
            for (const Field& field : layout->fields)
                (void)pdb.layout_of(*field.type);
    }
    return 0;
}

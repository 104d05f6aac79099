// Any bytes as a symbol table of Volatility, packed or not, asked everything.
#include "symbols/isf/isf_symbols.h"
#include "symbols/isf/unpack.h"

#include <span>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace poolkd;
    using namespace poolkd::symbols;
    constexpr std::uint64_t most_text = 4u << 20;
    auto text = unpack_text(std::as_bytes(std::span(data, size)), "fuzz.json", most_text);
    if (!text) return 0;
    auto table = IsfTable::parse(std::move(*text), "fuzz.json");
    if (!table) return 0;
    IsfSymbols symbols(std::move(*table), "fuzz.json", {{".text", 0x1000, 0x1000, 0, 0, 0x60000020}});
    for (const Symbol& symbol : symbols.match("*", 100)) {
        (void)symbols.find(symbol.name);
        (void)symbols.nearest(symbol.rva + 1);
        (void)symbols.next(symbol.rva);
    }
    (void)symbols.find("PoolTrackTable");
    for (const std::string& name : symbols.match_types("*", 50)) {
        (void)symbols.type(name);
        if (auto layout = symbols.layout(name))
            for (const Field& field : layout->fields)
                (void)symbols.layout_of(*field.type);
    }
    return 0;
}

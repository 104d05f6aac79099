#pragma once

#include "nt/module_image.h"
#include "symbols/module_symbols.h"
#include "symbols/store_key.h"

#include <memory>
#include <optional>
#include <string>

namespace poolkd::nt {

enum class SymbolState {
    deferred, ///< nobody has asked yet
    loaded,   ///< a PDB (public or private) or an ISF table
    exports,  ///< only the export table of the image
    none,     ///< nothing; `symbol_note` says why
};

/// One loaded image, or the memory of one that was unloaded.
struct Module {
    std::string name;       ///< as symbols are qualified: "nt", "leaky"
    std::string image_name; ///< "ntoskrnl.exe"
    std::string path;       ///< as the loader wrote it
    VirtAddr base;
    std::uint32_t size = 0; ///< bytes
    std::uint32_t timestamp = 0;
    std::uint32_t checksum = 0;
    bool is_kernel = false;

    std::shared_ptr<ModuleImage> image;
    SymbolState symbol_state = SymbolState::deferred;
    std::string symbol_note; ///< what is missing and what to do, in a sentence; empty when all is well
    std::optional<symbols::StoreKey> missing_file; ///< what could be fetched elsewhere to have symbols, or all of them
    std::shared_ptr<symbols::ModuleSymbols> symbols; ///< null while deferred or none

    [[nodiscard]] bool contains(VirtAddr address) const { return address - base < size; }
};

/// A driver that was loaded once: MmUnloadedDrivers keeps the last 50.
struct UnloadedModule {
    std::string name; ///< "late.sys"
    VirtAddr start;
    VirtAddr end;
    std::uint64_t time = 0; ///< NT time of the unload, 100 ns since 1601

    [[nodiscard]] bool contains(VirtAddr address) const { return address >= start && address < end; }
};

/// What lies at an address, as kd would name it.
struct SymbolAt {
    const Module* module = nullptr;
    const UnloadedModule* unloaded = nullptr; ///< when no loaded module holds the address, but an unloaded one did
    std::optional<symbols::Symbol> symbol;
    std::uint64_t displacement = 0; ///< bytes from the symbol, or from the module when there is no symbol

    /// "nt!ExFreePool+0x12", "leaky+0x1210", "<Unloaded_late.sys>+0x12"; empty when nothing is known.
    [[nodiscard]] std::string text() const;
};

} // namespace poolkd::nt

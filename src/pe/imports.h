#pragma once

#include "pe/image.h"

#include <cstdint>
#include <string>
#include <vector>

namespace poolkd::pe {

struct Import {
    std::string module;        ///< "ntoskrnl.exe", as the linker wrote it
    std::string name;          ///< empty when imported by ordinal
    std::uint16_t ordinal = 0; ///< only without a name
    std::uint32_t slot = 0;    ///< RVA of the pointer that the loader fills in
    bool delayed = false;      ///< looked up at the first call
};

/// What an image imports, by its names: those of the lookup table, or, where the linker wrote none, of a file's slots.
class ImportTable {
  public:
    /// Reads both tables of imports. An image without any gives an empty table. What cannot be read is left out and
    /// counted: the names of a loaded driver may lie in pages that were freed after its start.
    static ImportTable read(const Image& image);

    [[nodiscard]] const std::vector<Import>& all() const { return imports_; } ///< in the order of the tables
    [[nodiscard]] const Import* at(std::uint32_t slot) const;
    /// Descriptors, lookups and names that could not be read.
    [[nodiscard]] std::size_t unreadable() const { return unreadable_; }

    static constexpr std::size_t max_modules = 4096;
    static constexpr std::size_t max_imports = 0x10000;
    static constexpr std::uint32_t max_name = 4096;

  private:
    struct Descriptor;
    void read_descriptors(const Image& image);
    void read_delayed(const Image& image);
    void read_module(const Image& image, const Descriptor& descriptor);

    std::vector<Import> imports_;
    std::size_t unreadable_ = 0;
};

} // namespace poolkd::pe

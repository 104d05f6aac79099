#pragma once

#include "base/bytes.h"
#include "code/assemble.h"
#include "code/site_index.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

namespace poolkd::testing {

/// An image file whose code is written in assembler: .text at 0x1000, .rdata with imports at 0x2000, .data at 0x3000,
/// unwind tables at 0x4000. File offsets are RVAs.
///
/// In the code a name of an import is the address of its slot, "L1200" that of RVA 0x1200, numbers are hexadecimal.
class SiteImageFile {
  public:
    explicit SiteImageFile(const Machine& machine, std::vector<std::string> imports)
        : machine_(machine), wide_(machine.pointer_size == 8), bytes_(0x5000) {
        store(bytes_, 0, std::uint16_t{0x5a4d});
        store(bytes_, 0x3c, pe);
        store(bytes_, pe, std::uint32_t{0x4550});
        store(bytes_, pe + 4, machine.image_machine);
        store(bytes_, pe + 6, std::uint16_t{4});
        store(bytes_, pe + 20, static_cast<std::uint16_t>(wide_ ? 240 : 224));
        store(bytes_, pe + 24, static_cast<std::uint16_t>(wide_ ? 0x20b : 0x10b));
        if (wide_)
            store(bytes_, pe + 24 + 24, base());
        else
            store(bytes_, pe + 24 + 28, static_cast<std::uint32_t>(base()));
        store(bytes_, pe + 24 + 32, std::uint32_t{0x1000});
        store(bytes_, pe + 24 + 56, std::uint32_t{0x5000});
        store(bytes_, pe + 24 + 60, std::uint32_t{0x400});
        store(bytes_, pe + 24 + first_directory() - 4, std::uint32_t{16});
        section(0, ".text", 0x1000, 0x60000020);
        section(1, ".rdata", 0x2000, 0x40000040);
        section(2, ".data", 0x3000, 0xc0000040);
        section(3, ".pdata", 0x4000, 0x40000040);
        std::fill(bytes_.begin() + 0x1000, bytes_.begin() + 0x2000, std::byte{0xcc});
        write_imports(imports);
        store(bytes_, plain_unwind, std::uint32_t{1}); // version 1, nothing else
    }

    [[nodiscard]] std::uint64_t base() const { return wide_ ? 0x140000000 : 0x400000; }
    [[nodiscard]] std::uint32_t slot(const std::string& name) const { return slots_.at(name); }

    /// A function with its unwind record, where the machine has such. Returns the RVA behind it.
    std::uint32_t function(std::uint32_t rva, const std::vector<std::string>& lines) {
        const std::uint32_t end = code(rva, lines);
        if (wide_) unwind_entry(rva, end, plain_unwind);
        return end;
    }
    /// Code that no table tells.
    std::uint32_t code(std::uint32_t rva, const std::vector<std::string>& lines) {
        for (const std::string& line : lines) {
            lines_[line] = rva;
            auto instruction = code::assemble(machine_, line, machine_.canonical(base() + rva),
                                              [&](std::string_view text) { return value_of(text); });
            if (!instruction) {
                ADD_FAILURE() << line << ": " << instruction.error().message;
                return rva;
            }
            std::ranges::copy(instruction->bytes(), bytes_.begin() + rva);
            rva += instruction->length;
        }
        return rva;
    }
    void unwind_entry(std::uint32_t begin, std::uint32_t end, std::uint32_t record) {
        store(bytes_, 0x4000 + entries_ * 12, begin);
        store(bytes_, 0x4000 + entries_ * 12 + 4, end);
        store(bytes_, 0x4000 + entries_ * 12 + 8, record);
        ++entries_;
        directory(3, 0x4000, entries_ * 12);
    }
    template <class T>
    void put(std::uint32_t rva, T value) {
        store(bytes_, rva, value);
    }
    void put(std::uint32_t rva, std::initializer_list<unsigned> values) {
        for (unsigned value : values)
            bytes_[rva++] = static_cast<std::byte>(value);
    }
    /// RVA of the line of that text, the last one there is.
    [[nodiscard]] std::uint32_t at(const std::string& line) const { return lines_.at(line); }
    [[nodiscard]] const ByteVector& bytes() const { return bytes_; }

    [[nodiscard]] std::vector<code::PoolSite> sites() const {
        Work work;
        auto index = code::index_file(bytes_, work);
        if (index) return index->sites;
        ADD_FAILURE() << index.error().message;
        return {};
    }

    /// Its one export; the table lies at 0x2600.
    void export_as(const std::string& name, std::uint32_t rva) {
        constexpr std::uint32_t table = 0x2600, addresses = 0x2640, names = 0x2648, ordinals = 0x2650, text = 0x2660;
        directory(0, table, 0x400);
        store(bytes_, table + 0x14, std::uint32_t{1});
        store(bytes_, table + 0x18, std::uint32_t{1});
        store(bytes_, table + 0x1c, addresses);
        store(bytes_, table + 0x20, names);
        store(bytes_, table + 0x24, ordinals);
        store(bytes_, addresses, rva);
        store(bytes_, names, text);
        put_text(text, name);
    }

    static constexpr std::uint32_t pe = 0x80, plain_unwind = 0x2f00;
    void directory(std::uint32_t number, std::uint32_t rva, std::uint32_t size) {
        store(bytes_, pe + 24 + first_directory() + number * 8, rva);
        store(bytes_, pe + 24 + first_directory() + number * 8 + 4, size);
    }

  private:
    [[nodiscard]] std::uint32_t first_directory() const { return wide_ ? 112 : 96; }
    void section(std::uint32_t i, std::string_view name, std::uint32_t rva, std::uint32_t flags) {
        const std::uint32_t at = pe + 24 + (wide_ ? 240 : 224) + i * 40;
        for (std::size_t c = 0; c < name.size(); ++c)
            bytes_[at + c] = static_cast<std::byte>(name[c]);
        for (std::uint32_t field : {8u, 16u})
            store(bytes_, at + field, std::uint32_t{0x1000});
        for (std::uint32_t field : {12u, 20u})
            store(bytes_, at + field, rva);
        store(bytes_, at + 36, flags);
    }
    void write_imports(const std::vector<std::string>& imports) {
        constexpr std::uint32_t lookups = 0x2100, slots = 0x2300, names = 0x2500;
        store(bytes_, 0x2000, lookups);
        store(bytes_, 0x2000 + 12, std::uint32_t{0x2080});
        store(bytes_, 0x2000 + 16, slots);
        directory(1, 0x2000, 40);
        put_text(0x2080, "ntoskrnl.exe");
        std::uint32_t name = names;
        for (std::uint32_t i = 0; i < imports.size(); ++i) {
            const std::uint32_t width = machine_.pointer_size;
            store(bytes_, lookups + i * width, name);
            store(bytes_, slots + i * width, name);
            slots_[imports[i]] = slots + i * width;
            put_text(name + 2, imports[i]);
            name += static_cast<std::uint32_t>(imports[i].size()) + 4;
        }
    }
    void put_text(std::uint32_t rva, std::string_view text) {
        for (char c : text)
            bytes_[rva++] = static_cast<std::byte>(c);
    }
    Result<std::uint64_t> value_of(std::string_view text) const {
        if (auto slot = slots_.find(std::string(text)); slot != slots_.end())
            return machine_.canonical(base() + slot->second).value;
        const bool label = text.starts_with("L");
        const std::uint64_t number = std::stoull(std::string(text.substr(label ? 1 : 0)), nullptr, 16);
        return label ? machine_.canonical(base() + number).value : number;
    }

    const Machine& machine_;
    bool wide_;
    ByteVector bytes_;
    std::map<std::string, std::uint32_t> slots_;
    std::map<std::string, std::uint32_t> lines_;
    std::uint32_t entries_ = 0;
};

} // namespace poolkd::testing

#pragma once

#include "nt/kernel.h"
#include "support/fake_symbols.h"
#include "support/fake_target.h"

#include <filesystem>
#include <fstream>
#include <functional>
#include <initializer_list>
#include <iterator>
#include <map>
#include <memory>
#include <string>

namespace poolkd::testing {

inline ByteVector bytes_of(std::initializer_list<unsigned> values) {
    ByteVector out;
    for (unsigned value : values)
        out.push_back(static_cast<std::byte>(value));
    return out;
}

/// An x64 image as the loader lays it out, written by hand: code from 0x1000, unwind records from 0x6000, the table at
/// 0x8000.
class ImageBuilder {
  public:
    static constexpr std::uint32_t size = 0xa000, first_record = 0x6000, table = 0x8000;

    ImageBuilder() : bytes_(size) {}

    ImageBuilder& put(std::uint32_t rva, const ByteVector& what) {
        std::ranges::copy(what, bytes_.begin() + rva);
        return *this;
    }
    ImageBuilder& put(std::uint32_t rva, std::initializer_list<unsigned> what) { return put(rva, bytes_of(what)); }
    /// Adds a function with its UNWIND_INFO; returns the record's RVA.
    std::uint32_t function(std::uint32_t begin, std::uint32_t end, const ByteVector& record) {
        std::uint32_t at = next_record_;
        put(at, record);
        next_record_ += (static_cast<std::uint32_t>(record.size()) + 3) & ~3u;
        entry(begin, end, at);
        return at;
    }
    std::uint32_t function(std::uint32_t begin, std::uint32_t end, std::initializer_list<unsigned> record) {
        return function(begin, end, bytes_of(record));
    }
    void entry(std::uint32_t begin, std::uint32_t end, std::uint32_t record) { entries_[begin] = {end, record}; }
    std::uint32_t next_record() const { return next_record_; }

    ByteVector build() {
        put(0, {0x4d, 0x5a});
        store(bytes_, 0x3c, std::uint32_t{0x80});
        store(bytes_, 0x80, std::uint32_t{0x4550});
        store(bytes_, 0x84, std::uint16_t{0x8664});
        store(bytes_, 0x98, std::uint16_t{0x20b});
        store(bytes_, 0x80 + 0x50, size);
        store(bytes_, 0x98 + 108, std::uint32_t{16});
        store(bytes_, 0x98 + 112 + 24, table);
        store(bytes_, 0x98 + 112 + 28, static_cast<std::uint32_t>(entries_.size() * 12));
        std::uint32_t at = table;
        for (auto& [begin, rest] : entries_) {
            store(bytes_, at, begin);
            store(bytes_, at + 4, rest.first);
            store(bytes_, at + 8, rest.second);
            at += 12;
        }
        return bytes_;
    }

  private:
    ByteVector bytes_;
    std::uint32_t next_record_ = first_record;
    std::map<std::uint32_t, std::pair<std::uint32_t, std::uint32_t>> entries_;
};

inline ByteVector read_file(const std::filesystem::path& path) {
    std::ifstream in(path, std::ios::binary);
    std::string text{std::istreambuf_iterator<char>(in), {}};
    auto raw = std::as_bytes(std::span(text.data(), text.size()));
    return {raw.begin(), raw.end()};
}

/// The file's sections at their RVAs, not relocated.
inline ByteVector load_image(const std::filesystem::path& path) {
    ByteVector file = read_file(path);
    auto pe = load_or<std::uint32_t>(file, 0x3c);
    ByteVector image(load_or<std::uint32_t>(file, pe + 0x50));
    std::copy_n(file.begin(), std::min<std::size_t>({file.size(), image.size(), 0x400}), image.begin());
    auto sections = load_or<std::uint16_t>(file, pe + 6);
    std::uint32_t table = pe + 24 + load_or<std::uint16_t>(file, pe + 20);
    for (unsigned i = 0; i < sections; ++i) {
        std::uint32_t header = table + 40 * i;
        auto rva = load_or<std::uint32_t>(file, header + 12);
        auto raw_size = load_or<std::uint32_t>(file, header + 16);
        auto offset = load_or<std::uint32_t>(file, header + 20);
        if (offset > file.size() || rva > image.size()) continue;
        std::size_t count = std::min<std::size_t>({raw_size, file.size() - offset, image.size() - rva});
        std::copy_n(file.begin() + offset, count, image.begin() + rva);
    }
    return image;
}

/// A target in memory with a kernel image and drivers, in the loader's list, and a stack.
class CodeMachine {
  public:
    static constexpr VirtAddr kernel_base{0xfffff80000000000};
    static constexpr VirtAddr lists{0xfffff8a000000000};
    static constexpr VirtAddr stack_bottom{0xfffff88000010000};
    static constexpr std::uint64_t stack_size = 0x6000;

    CodeMachine() {
        target.edit_identity().kernel_base = kernel_base;
        target.edit_identity().loaded_module_list = lists;
        memory().map(stack_bottom, stack_size);
    }

    FakeMemory& memory() { return target.virtual_memory(); }

    /// `name` as in the loader's list: "leaky.sys". The first one is the kernel.
    void add_module(std::string name, VirtAddr base, const ByteVector& image) {
        memory().put(base, Bytes(image));
        modules_.push_back({std::move(name), base, static_cast<std::uint32_t>(image.size())});
    }
    void add_symbol(const std::string& module, std::string name, std::uint32_t rva, bool is_code = true) {
        auto& symbols = symbols_[module];
        if (!symbols) symbols = std::make_shared<FakeSymbols>();
        symbols->add(std::move(name), rva, is_code);
    }

    /// Writes the list and reads it as the debugger does.
    nt::Kernel& kernel() {
        if (kernel_) return *kernel_;
        constexpr std::uint64_t entry_size = 0x200;
        memory().map(lists, entry_size * (modules_.size() + 2));
        auto entry_of = [](std::size_t i) { return lists + entry_size * (i + 1); };
        for (std::size_t i = 0; i < modules_.size(); ++i) {
            VirtAddr entry = entry_of(i);
            memory().put_value(entry, i + 1 < modules_.size() ? entry_of(i + 1).value : lists.value);
            memory().put_value(entry + 0x30, modules_[i].base.value);
            memory().put_value(entry + 0x40, modules_[i].size);
            for (std::uint64_t field : {0x48u, 0x58u}) {
                memory().put_value(entry + field, static_cast<std::uint16_t>(2 * modules_[i].name.size()));
                memory().put_value(entry + field + 8, entry.value + 0x100);
            }
            for (std::size_t c = 0; c < modules_[i].name.size(); ++c)
                memory().put_value(entry + 0x100 + 2 * c, static_cast<std::uint16_t>(modules_[i].name[c]));
        }
        memory().put_value(lists, modules_.empty() ? lists.value : entry_of(0).value);
        kernel_ = std::make_unique<nt::Kernel>(target, [this](nt::Module& module) {
            auto found = symbols_.find(module.is_kernel ? "nt" : module.name);
            if (found == symbols_.end()) return;
            module.symbols = found->second;
            module.symbol_state = nt::SymbolState::loaded;
        });
        kernel_->reload();
        return *kernel_;
    }

    void push(VirtAddr at, std::uint64_t value) { memory().put_value(at, value); }

    FakeTarget target;

  private:
    struct Entry {
        std::string name;
        VirtAddr base;
        std::uint32_t size;
    };
    std::vector<Entry> modules_;
    std::map<std::string, std::shared_ptr<FakeSymbols>> symbols_;
    std::unique_ptr<nt::Kernel> kernel_;
};

} // namespace poolkd::testing

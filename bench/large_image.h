// A large driver made of copies of a small one: real drivers and kernels have megabytes of code, the images there are
// have kilobytes. Each copy lies behind the one before, with its own imports, unwind records and relocations.
#pragma once

#include "base/bytes.h"
#include "pe/image.h"

#include <algorithm>
#include <cstring>

namespace poolkd::bench {

class LargeImage {
  public:
    /// An image file of as many copies as the number of sections in an image allows. Empty when `file` is no image.
    static ByteVector of(Bytes file) {
        pe::SpanReader reader(file);
        const auto headers = pe::Image::open(reader, pe::ImageLayout::file);
        if (!headers || headers->sections().empty()) return {};
        return LargeImage(file, *headers).made();
    }

  private:
    LargeImage(Bytes file, const pe::Image& headers) : headers_(headers) {
        unit_.resize((headers.size_of_image + page - 1) & ~(page - 1));
        std::memcpy(unit_.data(), file.data(), std::min<std::size_t>(headers.size_of_headers, file.size()));
        for (const pe::Section& section : headers.sections()) {
            const std::size_t size = std::min(section.size(), section.file_size);
            if (section.rva + size > unit_.size() || section.file_offset + size > file.size()) continue;
            std::memcpy(unit_.data() + section.rva, file.data() + section.file_offset, size);
        }
    }

    ByteVector made() {
        const auto sections = headers_.sections();
        // The table of sections must end before the first of them.
        const std::uint32_t room = (std::ranges::min(sections, {}, &pe::Section::rva).rva - section_table()) / 40;
        copies_ = (std::min<std::size_t>(room, pe::Image::max_sections) - 1) / sections.size();
        for (std::size_t i = 0; i < copies_; ++i) {
            const std::size_t at = out_.size();
            out_.insert(out_.end(), unit_.begin(), unit_.end());
            move(static_cast<std::uint32_t>(at));
        }
        const auto tables = static_cast<std::uint32_t>(out_.size());
        std::uint32_t rva = tables;
        imports_.resize(imports_.size() + 20); // the end of the list
        const std::pair<pe::Directory, const ByteVector*> made[] = {{pe::Directory::imports, &imports_},
                                                                    {pe::Directory::exception, &functions_},
                                                                    {pe::Directory::relocations, &relocations_}};
        for (const auto& [number, bytes] : made) {
            out_.insert(out_.end(), bytes->begin(), bytes->end());
            out_.resize((out_.size() + 15) & ~std::size_t{15});
            const std::uint32_t directory = directories() + 8 * static_cast<std::uint32_t>(number);
            set(directory, bytes->empty() ? 0 : rva);
            set(directory + 4, static_cast<std::uint32_t>(bytes->size()));
            rva = static_cast<std::uint32_t>(out_.size());
        }
        out_.resize((out_.size() + page - 1) & ~std::size_t{page - 1});
        put_headers(tables);
        return std::move(out_);
    }

    /// Makes the copy at `base` one that lies there.
    void move(std::uint32_t base) {
        const auto shift = [&](std::uint32_t rva) { set(base + rva, get(base + rva) + base); };
        const std::uint32_t word = headers_.is_64 ? 8 : 4;
        if (const auto list = headers_.directory(pe::Directory::imports); list.present()) {
            for (std::uint32_t at = list.rva; inside(at + 20) && get(at + 12) != 0; at += 20) {
                for (const std::uint32_t names : {get(at), get(at + 16)})
                    for (std::uint32_t one = names; one != 0 && inside(one + word) && get(one) != 0; one += word)
                        if ((get(one + word - 4) >> 31) == 0) shift(one);
                for (const std::uint32_t field : {0u, 12u, 16u})
                    if (get(at + field) != 0) shift(at + field);
                append(imports_, base + at, 20);
            }
        }
        if (const auto list = headers_.directory(pe::Directory::exception); list.present() && headers_.is_64) {
            for (std::uint32_t at = list.rva; at + 12 <= list.rva + list.size && inside(at + 12); at += 12) {
                if (const std::uint32_t unwind = get(at + 8); inside(unwind + 4)) {
                    // Behind the codes stands the function that it continues, or a handler.
                    const std::uint32_t flags = get(unwind) >> 3 & 0x1f, codes = get(unwind) >> 16 & 0xff;
                    const std::uint32_t behind = unwind + 4 + 2 * (codes + (codes & 1));
                    for (std::uint32_t i = 0; flags != 0 && inside(behind + 12) && i < (flags & 4 ? 3u : 1u); ++i)
                        if (get(base + behind + 4 * i) == get(behind + 4 * i) || base == 0) shift(behind + 4 * i);
                }
                for (const std::uint32_t field : {0u, 4u, 8u})
                    shift(at + field);
                append(functions_, base + at, 12);
            }
        }
        if (const auto list = headers_.directory(pe::Directory::relocations); list.present()) {
            std::uint32_t size = 0;
            for (std::uint32_t at = list.rva; at + 8 <= list.rva + list.size; at += size) {
                size = get(at + 4);
                if (size < 8 || !inside(at + size)) break;
                for (std::uint32_t one = at + 8; one < at + size; one += 2) {
                    const std::uint32_t entry = get(one) & 0xffff, rva = get(at) + (entry & 0xfff);
                    if (entry >> 12 != 0 && inside(rva + word)) shift(rva); // no copy lies over 4 GB away
                }
                shift(at);
                append(relocations_, base + at, size);
            }
        }
    }

    void put_headers(std::uint32_t tables) {
        const std::uint32_t nt = get(0x3c), optional = nt + 24, old_table = section_table();
        const auto sections = headers_.sections();
        ByteVector rows;
        for (std::uint32_t i = 0; i < copies_; ++i)
            for (std::uint32_t n = 0; n < sections.size(); ++n) {
                append(rows, old_table + 40 * n, 40);
                const std::size_t row = rows.size() - 40;
                const std::uint32_t rva = sections[n].rva + i * static_cast<std::uint32_t>(unit_.size());
                store(MutableBytes(rows), row + 8, sections[n].size());
                store(MutableBytes(rows), row + 12, rva);
                store(MutableBytes(rows), row + 16, sections[n].size());
                store(MutableBytes(rows), row + 20, rva); // in the file as in memory
            }
        append(rows, old_table, 40);
        const std::size_t row = rows.size() - 40;
        for (const std::size_t at : {row + 8, row + 16})
            store(MutableBytes(rows), at, static_cast<std::uint32_t>(out_.size() - tables));
        for (const std::size_t at : {row + 12, row + 20})
            store(MutableBytes(rows), at, tables);
        store(MutableBytes(rows), row + 36, std::uint32_t{0x40000040});
        std::memcpy(out_.data() + old_table, rows.data(), rows.size());
        store(MutableBytes(out_), nt + 6, static_cast<std::uint16_t>(rows.size() / 40));
        set(optional + 56, static_cast<std::uint32_t>(out_.size()));
        set(optional + 60, static_cast<std::uint32_t>(page));
    }

    /// Where the data directories begin.
    [[nodiscard]] std::uint32_t directories() const { return get(0x3c) + 24 + (headers_.is_64 ? 112 : 96); }
    [[nodiscard]] std::uint32_t section_table() const { return get(0x3c) + 24 + (get(get(0x3c) + 20) & 0xffff); }
    [[nodiscard]] bool inside(std::uint32_t end) const { return end <= unit_.size(); }
    /// Of the first copy as it was, and of what has been made.
    [[nodiscard]] std::uint32_t get(std::uint32_t at) const {
        std::uint32_t value = 0;
        const ByteVector& bytes = at < unit_.size() ? unit_ : out_;
        std::memcpy(&value, bytes.data() + at, sizeof value);
        return value;
    }
    void set(std::uint32_t at, std::uint32_t value) { std::memcpy(out_.data() + at, &value, sizeof value); }
    void append(ByteVector& table, std::uint32_t at, std::uint32_t size) const {
        table.insert(table.end(), out_.begin() + at, out_.begin() + at + size);
    }

    static constexpr std::size_t page = 0x1000;
    const pe::Image& headers_;
    ByteVector unit_, out_, imports_, functions_, relocations_;
    std::size_t copies_ = 0;
};

} // namespace poolkd::bench

#include "image_builder.h"

#include <algorithm>

namespace poolkd::dumps::testing {

FileBuilder crash_header(bool is_64, std::uint32_t type) {
    FileBuilder file;
    const std::size_t size = is_64 ? 0x2000 : 0x1000;
    for (std::size_t i = 0; i < size; i += 4)
        file.put(i, std::uint32_t{0x45474150});
    file.put(4, std::string_view(is_64 ? "DU64" : "DUMP"));
    file.put(8, std::uint32_t{0xf}).put(0xc, std::uint32_t{is_64 ? 19041u : 7601u});
    file.put_pointer(0x10, is_64 ? 0x1ad002 : 0x185000, is_64);
    file.put_pointer(is_64 ? 0x20 : 0x18, is_64 ? 0xfffff80012345670 : 0x82345670, is_64);
    file.put(is_64 ? 0x30 : 0x20, std::uint32_t{is_64 ? 0x8664u : 0x14cu});
    file.put(is_64 ? 0x34 : 0x24, std::uint32_t{2});
    file.put(is_64 ? 0x38 : 0x28, std::uint32_t{0xc2});
    for (std::uint64_t i = 0; i < 4; ++i)
        file.put_pointer((is_64 ? 0x40 : 0x2c) + i * (is_64 ? 8 : 4), 0x80000000 + i, is_64);
    file.put(is_64 ? 0xf98 : 0xf88, type);
    file.put(is_64 ? 0xfa8 : 0xfc0, std::uint64_t{133000000000000000});
    file.put(is_64 ? 0x1030 : 0xfb8, std::uint64_t{36000000000});
    file.grow(size);
    return file;
}

FileBuilder full_dump(bool is_64, const Pages& pages) {
    FileBuilder file = crash_header(is_64, 1);
    const auto runs = runs_of(pages);
    const std::size_t block = is_64 ? 0x88 : 0x64, word = is_64 ? 8 : 4;
    file.put(block, static_cast<std::uint32_t>(runs.size()));
    file.put_pointer(block + word, pages.size(), is_64);
    for (std::size_t i = 0; i < runs.size(); ++i) {
        file.put_pointer(block + 2 * word + 2 * i * word, runs[i].first, is_64);
        file.put_pointer(block + 3 * word + 2 * i * word, runs[i].second, is_64);
    }
    for (std::uint64_t p : pages)
        file.put_page(file.size(), p);
    return file;
}

namespace {
void put_bitmap(FileBuilder& file, std::size_t at, const Pages& pages, std::uint64_t bits, std::uint64_t first_page) {
    std::vector<std::uint8_t> bitmap(bits / 8 + (bits % 8 != 0));
    for (std::uint64_t p : pages)
        bitmap[p / 8] = static_cast<std::uint8_t>(bitmap[p / 8] | 1u << (p % 8));
    for (std::size_t i = 0; i < bitmap.size(); ++i)
        file.put(at + i, bitmap[i]);
    file.grow(first_page);
    for (std::uint64_t p : pages)
        file.put_page(file.size(), p);
}
std::uint64_t page_up(std::uint64_t value) {
    return (value + page - 1) / page * page;
}
} // namespace

FileBuilder bitmap_dump(bool is_64, std::uint32_t type, const Pages& pages, std::uint64_t bits) {
    FileBuilder file = crash_header(is_64, type);
    const std::size_t body = file.size();
    const std::uint64_t first_page = page_up(body + 0x38 + bits / 8 + 1);
    file.put(body, std::string_view(type == 5 ? "FDMPDUMP" : "SDMPDUMP"));
    file.put(body + 0x20, first_page).put(body + 0x28, std::uint64_t{pages.size()}).put(body + 0x30, bits);
    put_bitmap(file, body + 0x38, pages, bits, first_page);
    return file;
}

FileBuilder summary_dump(bool is_64, const Pages& pages, std::uint64_t bits) {
    FileBuilder file = crash_header(is_64, 2);
    const std::size_t body = file.size();
    const std::size_t start = body + (is_64 ? 0x28 : 0x20);
    const std::uint64_t first_page = page_up(start + bits / 8 + 1);
    file.put(body, std::string_view("SDMPDUMP")).put(body + 8, std::uint32_t{1});
    file.put(body + 0xc, static_cast<std::uint32_t>(first_page)).put(body + 0x10, static_cast<std::uint32_t>(bits));
    file.put(body + 0x14, static_cast<std::uint32_t>(pages.size())).put(body + 0x18, static_cast<std::uint32_t>(bits));
    put_bitmap(file, start, pages, bits, first_page);
    return file;
}

FileBuilder range_dump(std::uint32_t type, const Pages& pages) {
    FileBuilder file = crash_header(true, type);
    const auto runs = runs_of(pages);
    // Some entries more than there are, as writers leave it.
    const std::uint64_t first_page = page_up(0x2030 + 16 * (runs.size() + 3));
    file.put(0x2000, std::uint32_t{0x40}).put(0x2004, std::string_view("RDMPDUMP"));
    file.put(0x2010, first_page - 0x2040 + 0x20).put(0x2018, first_page);
    if (type == 10) file.put(0x2020, std::uint64_t{runs.size()}).put(0x2028, std::uint64_t{pages.size()});
    for (std::size_t i = 0; i < runs.size(); ++i)
        file.put(0x2030 + 16 * i, runs[i].first).put(0x2038 + 16 * i, runs[i].second);
    if (type == 10)
        file.put(0x2030 + 16 * runs.size(), std::uint64_t{77}).put(0x2038 + 16 * runs.size(), std::uint64_t{9});
    file.grow(first_page);
    for (std::uint64_t p : pages)
        file.put_page(file.size(), p);
    return file;
}

FileBuilder small_triage_dump(bool is_64) {
    FileBuilder file = crash_header(is_64, 4);
    const auto body = static_cast<std::uint32_t>(file.size());
    const std::uint64_t somewhere = is_64 ? 0xfffff80012300000 : 0x82400000;
    file.put(is_64 ? 0x1038 : 0xf8c, std::uint32_t{0xfff}).grow(body + 0x800);
    for (std::size_t at = 0; at < 0x80; at += 4)
        file.put(body + at, body + 0x100);
    file.put(body + 0x2c, std::uint32_t{0x40}).put(body + 0x34, std::uint32_t{1}).put(body + 0x3c, std::uint32_t{0x80});
    file.put_pointer(body + 0x48, somewhere, is_64)
        .put_pointer(body + (is_64 ? 0x60 : 0x4c), somewhere + 0x1000, is_64);
    file.put(body + (is_64 ? 0x6c : 0x54), std::uint32_t{0x20});
    file.put(body + (is_64 ? 0x74 : 0x5c), std::uint32_t{0x40}).put(body + (is_64 ? 0x7c : 0x64), std::uint32_t{1});
    file.put(body + 0x100, body + 0x200)
        .put(body + 0x200, std::uint32_t{8})
        .put(body + 0x204, std::string_view("a\0b\0", 4));
    return file;
}

FileBuilder elf_core(bool is_64, const Pages& pages, bool with_processor) {
    FileBuilder file;
    const auto runs = runs_of(pages);
    const std::size_t header = is_64 ? 64 : 52, entry = is_64 ? 56 : 32;
    file.put(0, std::uint32_t{0x464c457f}).put(4, std::uint8_t{is_64 ? std::uint8_t{2} : std::uint8_t{1}});
    file.put(5, std::uint8_t{1}).put(6, std::uint8_t{1}).put(0x10, std::uint16_t{4});
    file.put(0x12, std::uint16_t{is_64 ? std::uint16_t{62} : std::uint16_t{3}});
    file.put_pointer(is_64 ? 0x20 : 0x1c, header, is_64);
    file.put(is_64 ? 0x36 : 0x2a, static_cast<std::uint16_t>(entry));
    file.put(is_64 ? 0x38 : 0x2c, static_cast<std::uint16_t>(runs.size() + 1));
    const std::size_t notes = header + entry * (runs.size() + 1);
    std::size_t at = notes;
    if (with_processor) {
        file.put(at, std::uint32_t{5}).put(at + 4, std::uint32_t{is_64 ? 336u : 144u}).put(at + 8, std::uint32_t{1});
        file.put(at + 12, std::string_view("CORE"));
        at += 20 + (is_64 ? 336 : 144);
        file.put(at, std::uint32_t{5}).put(at + 4, std::uint32_t{0x1b8}).put(at + 8, std::uint32_t{0});
        file.put(at + 12, std::string_view("QEMU"));
        at += 20;
        file.put(at, std::uint32_t{1}).put(at + 4, std::uint32_t{0x1b8});
        for (std::size_t i = 8; i < 0x98; i += 8) // rax to rflags
            file.put(at + i, 0xfffff80000000000 + i);
        file.put(at + 0x98, std::uint32_t{0x10}).put(at + 0x108, 0xfffff80000abc000);
        file.put(at + 0x15c, std::uint32_t{0x57}).put(at + 0x168, 0xfffff80000111000);
        file.put(at + 0x188, std::uint64_t{0x80050033}).put(at + 0x1a0, std::uint64_t{0x1ad000});
        file.put(at + 0x1a8, std::uint64_t{0x6f8}).put(at + 0x1b0, 0xfffff80000def000);
        at += 0x1b8;
    }
    auto segment = [&](std::size_t index, std::uint32_t type, std::uint64_t offset, std::uint64_t physical,
                       std::uint64_t bytes) {
        const std::size_t e = header + index * entry;
        file.put(e, type);
        file.put_pointer(e + (is_64 ? 8 : 4), offset, is_64);
        file.put_pointer(e + (is_64 ? 24 : 12), physical, is_64);
        file.put_pointer(e + (is_64 ? 32 : 16), bytes, is_64);
        file.put_pointer(e + (is_64 ? 40 : 20), bytes, is_64);
    };
    segment(0, 4, notes, 0, at - notes);
    file.grow(at);
    for (std::size_t i = 0; i < runs.size(); ++i) {
        segment(i + 1, 1, file.size(), runs[i].first * page, runs[i].second * page);
        for (std::uint64_t p = 0; p < runs[i].second; ++p)
            file.put_page(file.size(), runs[i].first + p);
    }
    return file;
}

FileBuilder lime_image(const Pages& pages, bool exclusive_ends) {
    FileBuilder file;
    for (auto [first, count] : runs_of(pages)) {
        const std::size_t at = file.size();
        file.put(at, std::uint32_t{0x4c694d45}).put(at + 4, std::uint32_t{1}).put(at + 8, first * page);
        file.put(at + 16, (first + count) * page - (exclusive_ends ? 0 : 1)).put(at + 24, std::uint64_t{0});
        for (std::uint64_t p = 0; p < count; ++p)
            file.put_page(file.size(), first + p);
    }
    return file;
}

FileBuilder vmware_state(std::initializer_list<VmwareRegion> regions, std::uint32_t magic) {
    FileBuilder tags;
    auto tag = [&](std::string_view name, std::initializer_list<std::uint32_t> indices, std::uint32_t value) {
        tags.put(tags.size(), static_cast<std::uint8_t>(4 | indices.size() << 6));
        tags.put(tags.size(), static_cast<std::uint8_t>(name.size()));
        tags.put(tags.size(), name);
        for (std::uint32_t index : indices)
            tags.put(tags.size(), index);
        tags.put(tags.size(), value);
    };
    // A long value before the rest, so that its lengths must be read right.
    tags.put(0, std::uint8_t{62}).put(1, std::uint8_t{4}).put(2, std::string_view("long"));
    if (magic & 0xf) {
        tags.put(6, std::uint64_t{100}).put(14, std::uint64_t{100}).put(22, std::uint16_t{0});
    } else {
        tags.put(6, std::uint32_t{100}).put(10, std::uint32_t{100}).put(14, std::uint16_t{0});
    }
    tags.grow(tags.size() + 100);
    tag("regionsCount", {}, static_cast<std::uint32_t>(regions.size()));
    std::uint32_t index = 0;
    for (const VmwareRegion& region : regions) {
        tag("regionPPN", {index}, static_cast<std::uint32_t>(region.first));
        tag("regionPageNum", {index}, static_cast<std::uint32_t>(region.place));
        tag("regionSize", {index}, static_cast<std::uint32_t>(region.pages));
        ++index;
    }
    tags.put(tags.size(), std::uint16_t{0});
    const std::size_t memory_end = tags.size();
    tag("CR64", {0, 3}, 0x1ad000);
    tags.put(tags.size(), std::uint16_t{0});

    FileBuilder file;
    const std::size_t start = 12 + 2 * 80;
    file.put(0, magic).put(8, std::uint32_t{2});
    file.put(12, std::string_view("memory")).put(12 + 64, std::uint64_t{start}).put(12 + 72, std::uint64_t{memory_end});
    file.put(92, std::string_view("cpu")).put(92 + 64, std::uint64_t{start + memory_end});
    file.put(92 + 72, std::uint64_t{tags.size() - memory_end});
    for (std::size_t i = 0; i < tags.size(); ++i)
        file.put(start + i, tags.bytes()[i]);
    return file;
}

Pages read_pages(const MemoryImage& image, std::uint64_t last) {
    Pages found, walked;
    if (!image.physical) return found;
    std::uint64_t words[page / 8];
    for (std::uint64_t p = 0; p <= last; ++p) {
        const auto got = image.physical->read(PhysAddr(p * page), std::as_writable_bytes(std::span(words)));
        EXPECT_EQ(got.gap.has_value(), got.bytes < page);
        for (std::size_t i = 0; i < got.bytes / 8; ++i)
            if (words[i] != content(p * page + 8 * i)) {
                ADD_FAILURE() << "wrong bytes in page " << p;
                return found;
            }
        if (got.bytes == page) found.insert(p);
    }
    const std::uint64_t end = (last + 1) * page;
    for (std::uint64_t at = 0; at < end;) {
        const Piece piece = image.physical->placement().find(PhysAddr(at), end - at);
        EXPECT_GT(piece.bytes, 0u);
        EXPECT_LE(piece.bytes, end - at);
        if (piece.bytes == 0) break;
        if (piece.offset) {
            EXPECT_EQ(image.physical->view(PhysAddr(at), piece.bytes).size(), piece.bytes);
            for (std::uint64_t p = at / page; (p + 1) * page <= at + piece.bytes; ++p)
                walked.insert(p);
        }
        at += piece.bytes;
    }
    EXPECT_EQ(found, walked);
    return found;
}

} // namespace poolkd::dumps::testing

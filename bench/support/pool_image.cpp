#include "pool_image.h"

#include "support/fake_symbols.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <numeric>
#include <random>

namespace poolkd::bench {

namespace {

using testing::number;

constexpr std::uint64_t page = 4096, header_bytes = 0x2000;
constexpr std::uint64_t root = 0x1000, kernel_page = 0x2000, big_table_page = 0x3000, first_table = 0x8000;
constexpr std::uint32_t unit = 16;
// Variables, by their place in the kernel's page.
constexpr std::uint32_t big_table_at = 0x10, big_entries_at = 0x18, start_at = 0x20, end_at = 0x28,
                        paged_start_at = 0x30, paged_end_at = 0x38;

class Writer {
  public:
    Writer(std::byte* memory, std::uint64_t pool_bytes) : memory_(memory), pool_bytes_(pool_bytes) {}

    void write(PoolImage& image, Placing placing, Contents contents) {
        map(PoolImage::kernel, kernel_page);
        map(PoolImage::kernel + page, big_table_page);
        put(kernel_page + big_table_at, PoolImage::kernel + page);
        put(kernel_page + big_entries_at, std::uint64_t{16});
        put(kernel_page + start_at, PoolImage::pool);
        put(kernel_page + end_at, PoolImage::pool + pool_bytes_);
        const std::uint64_t pages = pool_bytes_ / page, first = PoolImage::first_pool_page(pool_bytes_);
        image.step = placing == Placing::in_order ? 1 : pages * 5 / 8 | 1;
        while (std::gcd(image.step, pages) != 1)
            image.step += 2;
        for (std::uint64_t i = 0; i < pages; ++i) {
            map(PoolImage::pool + i * page, (first + image.place_of_page(i)) * page);
            if (contents == Contents::blocks) fill(memory_ + (first + i) * page, image);
        }
    }

  private:
    template <class T>
    void put(std::uint64_t at, T value) {
        std::memcpy(memory_ + at, &value, sizeof value);
    }
    std::uint64_t get(std::uint64_t at) const {
        std::uint64_t value = 0;
        std::memcpy(&value, memory_ + at, sizeof value);
        return value;
    }

    void map(std::uint64_t address, std::uint64_t physical) {
        std::uint64_t table = root;
        for (const unsigned shift : {39u, 30u, 21u}) {
            const std::uint64_t slot = table + (address >> shift & 511) * 8;
            if (get(slot) == 0) {
                put(slot, next_table_ | 3);
                next_table_ += page;
            }
            table = get(slot) & ~0xfffull;
        }
        put(table + (address >> 12 & 511) * 8, physical | 0x8000000000000063ull);
    }

    void fill(std::byte* at, PoolImage& image) {
        std::uint32_t used = 0, previous = 0;
        while (used < page) {
            std::uint32_t size = (2 + static_cast<std::uint32_t>(random_() % 31)) * unit; // 32 to 512
            if (used + size + 2 * unit > page) size = page - used;
            const bool wanted = random_() % 256 == 0;
            const std::uint32_t first = previous / unit | size / unit << 16 | 2u << 24, // in use, nonpaged
                tag = wanted ? PoolImage::wanted_tag : 0x20204141 + static_cast<std::uint32_t>(random_() % 1000);
            std::memcpy(at + used, &first, 4);
            std::memcpy(at + used + 4, &tag, 4);
            std::memset(at + used + unit, static_cast<int>(random_() & 0xff), size - unit);
            image.wanted += wanted;
            ++image.blocks;
            previous = size;
            used += size;
        }
    }

    std::byte* memory_;
    std::uint64_t pool_bytes_;
    std::uint64_t next_table_ = first_table;
    std::minstd_rand random_{7};
};

/// DUMP_HEADER64 of a complete dump with one run.
void put_header(std::byte* at, std::uint64_t pages) {
    const MutableBytes header(at, header_bytes);
    for (std::size_t i = 0; i < header_bytes; i += 4)
        store(header, i, std::uint32_t{0x45474150});
    auto put = [&](std::size_t offset, auto value) { store(header, offset, value); };
    put(4, std::uint32_t{0x34365544});
    put(8, std::uint32_t{0xf});
    put(0xc, std::uint32_t{9600});
    put(0x10, root);
    put(0x30, std::uint32_t{0x8664});
    put(0x34, std::uint32_t{1});
    put(0x88, std::uint32_t{1});
    put(0x90, pages);
    put(0x98, std::uint64_t{0});
    put(0xa0, pages);
    put(0xf98, std::uint32_t{1});
}

std::shared_ptr<testing::FakeSymbols> symbols_of_image() {
    auto symbols = std::make_shared<testing::FakeSymbols>();
    for (auto [name, rva] : {std::pair{"PoolBigPageTable", big_table_at},
                             {"PoolBigPageTableSize", big_entries_at},
                             {"MmNonPagedPoolStart", start_at},
                             {"MmNonPagedPoolEnd", end_at},
                             {"MmPagedPoolStart", paged_start_at},
                             {"MmPagedPoolEnd", paged_end_at}})
        symbols->add(name, rva);
    symbols->add({"_POOL_TRACKER_BIG_PAGES",
                  0x18,
                  false,
                  {{"Va", 0, 0, 0, number(8)},
                   {"Key", 8, 0, 0, number(4)},
                   {"PoolType", 12, 0, 0, number(4)},
                   {"NumberOfBytes", 16, 0, 0, number(8)}}});
    symbols->add({"_POOL_HEADER",
                  16,
                  false,
                  {{"PreviousSize", 0, 0, 8, number(4)},
                   {"PoolIndex", 0, 8, 8, number(4)},
                   {"BlockSize", 0, 16, 8, number(4)},
                   {"PoolType", 0, 24, 8, number(4)},
                   {"PoolTag", 4, 0, 0, number(4)},
                   {"ProcessBilled", 8, 0, 0, number(8)}}});
    return symbols;
}

} // namespace

PoolImage make_pool_image(const std::filesystem::path& folder, std::uint64_t pool_bytes, Placing placing,
                          Contents contents) {
    PoolImage image;
    image.pool_bytes = pool_bytes;
    const std::filesystem::path file = folder / ("poolkd-bench-" + std::to_string(getpid()) + ".dmp");
    const std::uint64_t size = PoolImage::file_offset(pool_bytes) + pool_bytes;
    const int descriptor = open(file.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (descriptor < 0) return image;
    void* mapped = ftruncate(descriptor, static_cast<off_t>(size)) == 0
                       ? mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0)
                       : MAP_FAILED;
    close(descriptor);
    if (mapped == MAP_FAILED) return image;
    auto* bytes = static_cast<std::byte*>(mapped);
    put_header(bytes, (size - header_bytes) / page);
    Writer(bytes + header_bytes, pool_bytes).write(image, placing, contents);
    munmap(mapped, size);
    image.file = file;
    return image;
}

Result<PoolKernel> open_pool_image(const PoolImage& image) {
    if (image.file.empty()) return fail(ErrorKind::io, "The image could not be written");
    PoolKernel opened;
    POOLKD_TRY(opened.target, target::DumpTarget::open(image.file));
    opened.target->use_kernel(VirtAddr(PoolImage::kernel), {}, {});
    opened.kernel = std::make_unique<nt::Kernel>(*opened.target, [symbols = symbols_of_image()](nt::Module& module) {
        module.symbols = symbols;
        module.symbol_state = nt::SymbolState::loaded;
    });
    return opened;
}

} // namespace poolkd::bench

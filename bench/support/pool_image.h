#pragma once

#include "nt/kernel.h"
#include "target/dump_target.h"

#include <cstdint>
#include <filesystem>
#include <memory>

namespace poolkd::bench {

/// A complete crash dump of a made-up x64 kernel whose nonpaged pool, of headers and blocks of 32 to 512 bytes, has a
/// given size.
struct PoolImage {
    std::filesystem::path file;
    std::uint64_t pool_bytes = 0;
    std::uint64_t blocks = 0; ///< in the whole pool
    std::uint64_t wanted = 0; ///< of these, how many bear `wanted_tag`
    std::uint64_t step = 1;   ///< from one page of the pool to the next one's place in the file

    /// Where a page of the pool lies in the file, counted from the first of them.
    [[nodiscard]] std::uint64_t place_of_page(std::uint64_t page) const { return page * step % (pool_bytes / 4096); }

    static constexpr std::uint32_t wanted_tag = 0x6b61654c; // "Leak"
    static constexpr std::uint64_t pool = 0xfffffa8000000000, kernel = 0xfffff80000000000;
    /// Where the pool begins in the file.
    static constexpr std::uint64_t file_offset(std::uint64_t pool_bytes) {
        return 0x2000 + first_pool_page(pool_bytes) * 4096;
    }
    /// Physical pages in front of the pool's: page tables, the kernel.
    static constexpr std::uint64_t first_pool_page(std::uint64_t pool_bytes) {
        return 64 + pool_bytes / (2u << 20) + pool_bytes / (1u << 30);
    }
};

/// How a pool's pages lie in physical memory: as at the start of a machine, or each anywhere, which is the worst case.
enum class Placing { in_order, scattered };

/// What the pool's pages hold. Of zeros nothing is written: the file has a hole there, which on a disk's file system
/// takes no more than memory of the file cache, that others can have back.
enum class Contents { blocks, zeros };

/// Writes one into `folder`; on an error `file` is empty.
PoolImage make_pool_image(const std::filesystem::path& folder, std::uint64_t pool_bytes, Placing placing,
                          Contents contents = Contents::blocks);

/// The kernel of such an image, with its symbols.
struct PoolKernel {
    std::unique_ptr<target::DumpTarget> target;
    std::unique_ptr<nt::Kernel> kernel;
};
Result<PoolKernel> open_pool_image(const PoolImage& image);

} // namespace poolkd::bench

#include "dumps/crash_writer.h"

#include "dumps/crash_layout.h"
#include "dumps/placement.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <vector>

namespace poolkd::dumps {

namespace {

constexpr std::size_t piece_bytes = 64u << 10; ///< between two looks at Ctrl-C, also over a slow line
constexpr std::uint64_t most_bitmap_pages = 1ull << 34;
constexpr std::size_t bitmap_at = 0x38; ///< behind the header, which it follows

// Where both headers have them, or only one; beside what the reader needs.
constexpr std::size_t required_space = 0xfa0;
constexpr std::size_t writer_status_32 = 0xf9c, writer_status_64 = 0x1048;

const CrashHeaderLayout& layout_of(const ImageFacts& facts) {
    return facts.machine->pointer_size == 8 ? crash_layout_64 : crash_layout_32;
}

/// QEMU, too, uses the padding behind the field for one more; other readers do not expect it.
std::size_t room_for_runs(const CrashHeaderLayout& layout) {
    return layout.is_64 ? 42 : layout.most_runs;
}

std::uint64_t page_aligned(std::uint64_t bytes) {
    return (bytes + page_bytes - 1) / page_bytes * page_bytes;
}

std::uint64_t total_pages(std::span<const PageRun> runs) {
    std::uint64_t pages = 0;
    for (const PageRun& run : runs)
        pages += run.count;
    return pages;
}

std::uint64_t first_page_place(const CrashHeaderLayout& layout, std::span<const PageRun> runs, bool with_bitmap) {
    if (!with_bitmap || runs.empty()) return layout.size;
    const std::uint64_t bits = runs.back().first + runs.back().count;
    return page_aligned(layout.size + bitmap_at + (bits + 7) / 8);
}

class HeaderWriter {
  public:
    explicit HeaderWriter(const CrashHeaderLayout& layout) : layout_(layout), bytes_(layout.size) {
        // Windows fills what it does not set with the signature, and readers take that for "not there".
        for (std::size_t at = 0; at < bytes_.size(); at += sizeof crash_signature)
            u32(at, crash_signature);
    }
    void u32(std::size_t at, std::uint32_t value) { store(MutableBytes(bytes_), at, value); }
    void u64(std::size_t at, std::uint64_t value) { store(MutableBytes(bytes_), at, value); }
    void pointer(std::size_t at, std::uint64_t value) { store_unsigned(bytes_, at, layout_.pointer(), value); }
    void clear(std::size_t at, std::size_t size) {
        std::fill_n(bytes_.begin() + static_cast<std::ptrdiff_t>(at), size, std::byte{0});
    }
    void copy(std::size_t at, Bytes from) { std::memcpy(bytes_.data() + at, from.data(), from.size()); }
    ByteVector take() { return std::move(bytes_); }

  private:
    const CrashHeaderLayout& layout_;
    ByteVector bytes_;
};

void put_context(HeaderWriter& header, const CrashHeaderLayout& layout, const ImageFacts& facts) {
    if (facts.context.empty()) return;
    header.clear(layout.context, layout.context_room);
    const std::size_t size = std::min(facts.context.size(), layout.context_room);
    header.copy(layout.context, Bytes(facts.context).first(size));
    // ContextFlags: readers take a record without them for none. Containers of emulators have no such flags.
    const std::size_t flags_at = layout.is_64 ? 0x30 : 0;
    constexpr std::uint32_t full_x64 = 0x10000b, full_x86 = 0x10007;
    if (load_or<std::uint32_t>(facts.context, flags_at) == 0)
        header.u32(layout.context + flags_at, layout.is_64 ? full_x64 : full_x86);
}

void put_exception(HeaderWriter& header, const CrashHeaderLayout& layout, const ImageFacts& facts) {
    const std::size_t at = layout.exception;
    const unsigned pointer = layout.pointer();
    const std::size_t parameters = at + (layout.is_64 ? 0x20 : 0x14);
    header.clear(at, (parameters - at) + most_exception_parameters * pointer);
    if (!facts.exception) return;
    header.u32(at, facts.exception->code);
    header.u32(at + 4, facts.exception->flags);
    header.pointer(at + 8 + pointer, facts.exception->address.value);
    const std::size_t count = std::min(facts.exception->parameters.size(), most_exception_parameters);
    header.u32(at + 8 + 2 * std::size_t{pointer}, static_cast<std::uint32_t>(count));
    for (std::size_t i = 0; i < count; ++i)
        header.pointer(parameters + i * pointer, facts.exception->parameters[i]);
}

void put_runs(HeaderWriter& header, const CrashHeaderLayout& layout, std::span<const PageRun> runs) {
    header.u32(layout.memory_block, static_cast<std::uint32_t>(runs.size()));
    header.pointer(layout.memory_pages, total_pages(runs));
    std::size_t at = layout.memory_runs;
    for (const PageRun& run : runs) {
        header.pointer(at, run.first);
        header.pointer(at + layout.pointer(), run.count);
        at += std::size_t{2} * layout.pointer();
    }
}

ByteVector header_bytes(const ImageFacts& facts, DumpType type, std::span<const PageRun> runs,
                        std::uint64_t file_bytes) {
    const CrashHeaderLayout& layout = layout_of(facts);
    HeaderWriter header(layout);
    header.u32(4, layout.is_64 ? crash_valid_64 : crash_valid_32);
    header.u32(8, facts.major.value_or(0xf));
    header.u32(0xc, facts.build.value_or(0));
    header.pointer(layout.directory_table_base, facts.directory_table_base.value_or(0));
    header.pointer(layout.pfn_database, facts.pfn_database.value_or(VirtAddr()).value);
    header.pointer(layout.modules, facts.loaded_module_list.value_or(VirtAddr()).value);
    header.pointer(layout.processes, facts.active_process_head.value_or(VirtAddr()).value);
    header.u32(layout.machine, facts.machine->image_machine);
    header.u32(layout.processors, facts.processor_count.value_or(1));
    const BugCheck bug_check = facts.bug_check.value_or(BugCheck{});
    header.u32(layout.bug_check, bug_check.code);
    for (std::size_t i = 0; i < bug_check.parameters.size(); ++i)
        header.pointer(layout.parameters + i * layout.pointer(), bug_check.parameters[i]);
    if (!layout.is_64) {
        header.clear(layout.pae, 1);
        if (facts.pae.value_or(false)) header.copy(layout.pae, std::array{std::byte{1}});
    }
    header.pointer(layout.debugger_data, facts.debugger_data.value_or(VirtAddr()).value);
    put_context(header, layout, facts);
    put_exception(header, layout, facts);
    if (type == DumpType::full) put_runs(header, layout, runs);
    header.u32(layout.type, static_cast<std::uint32_t>(type));
    header.u64(required_space, file_bytes);
    if (facts.system_time) header.u64(layout.system_time, *facts.system_time);
    if (facts.up_time) header.u64(layout.up_time, *facts.up_time);
    if (facts.product_type) header.u32(layout.product_type, *facts.product_type);
    if (facts.suite_mask) header.u32(layout.suite_mask, *facts.suite_mask);
    header.u32(layout.is_64 ? writer_status_64 : writer_status_32, facts.loaded_module_list ? 0 : 1);
    header.clear(layout.comment, comment_bytes);
    header.copy(layout.comment,
                std::as_bytes(std::span(facts.comment).first(std::min(facts.comment.size(), comment_bytes - 1))));
    return header.take();
}

ByteVector bitmap_bytes(std::span<const PageRun> runs, std::uint64_t first_page, std::size_t header_size) {
    ByteVector bytes(first_page - header_size);
    const MutableBytes out(bytes);
    store(out, 0, std::array<char, 8>{'F', 'D', 'M', 'P', 'D', 'U', 'M', 'P'});
    store(out, 0x20, first_page);
    store(out, 0x28, total_pages(runs));
    store(out, 0x30, runs.empty() ? 0 : runs.back().first + runs.back().count);
    for (const PageRun& run : runs)
        for (std::uint64_t page = run.first; page < run.first + run.count; ++page)
            bytes[bitmap_at + page / 8] |= std::byte{1} << (page % 8);
    return bytes;
}

/// Copies pages one after the other behind a header that is written last: only then it is known which could be read.
class PageCopier {
  public:
    PageCopier(memory::PhysicalMemory& memory, DumpOutput& output, Work& work, std::uint64_t first_page)
        : memory_(memory), output_(output), work_(work), first_page_(first_page) {}

    Result<void> copy(std::span<const PageRun> wanted) {
        const std::uint64_t total = total_pages(wanted);
        std::uint64_t done = 0;
        for (const PageRun& run : wanted) {
            for (std::uint64_t page = run.first, left = run.count; left != 0;) {
                if (work_.stop_requested()) return stopped();
                const std::uint64_t pages = std::min<std::uint64_t>(left, piece_bytes / page_bytes);
                POOLKD_TRY(const std::uint64_t passed, copy_piece(page, pages));
                page += passed;
                left -= passed;
                done += passed;
                work_.progress("writing the dump", done, total);
            }
        }
        return {};
    }

    /// Makes room for something larger in front of the pages.
    Result<void> move_pages(std::uint64_t first_page) {
        ByteVector buffer(std::size_t{1} << 20);
        for (std::uint64_t left = pages_ * page_bytes; left != 0;) {
            if (work_.stop_requested()) return stopped();
            const auto piece = static_cast<std::size_t>(std::min<std::uint64_t>(left, buffer.size()));
            left -= piece;
            const MutableBytes bytes = MutableBytes(buffer).first(piece);
            POOLKD_CHECK(output_.read(first_page_ + left, bytes));
            POOLKD_CHECK(output_.write(first_page + left, bytes));
        }
        first_page_ = first_page;
        return {};
    }

    [[nodiscard]] std::span<const PageRun> runs() const { return runs_; }
    [[nodiscard]] std::uint64_t pages() const { return pages_; }
    [[nodiscard]] std::uint64_t end() const { return first_page_ + pages_ * page_bytes; }
    [[nodiscard]] std::uint64_t first_page() const { return first_page_; }
    Coverage coverage;

  private:
    static std::unexpected<Error> stopped() { return fail(ErrorKind::stopped, "Stopped; no dump was written"); }

    /// Pages from `page` on, up to the first that cannot be read, or that one alone. Gives how many it passed.
    Result<std::uint64_t> copy_piece(std::uint64_t page, std::uint64_t pages) {
        const MutableBytes out = MutableBytes(buffer_).first(static_cast<std::size_t>(pages * page_bytes));
        const memory::ReadResult read = memory_.read(PhysAddr(page * page_bytes), out);
        if (read.gap == GapReason::link_lost)
            return fail(ErrorKind::link, "The connection broke at {:#x} of physical memory; no dump was written",
                        page * page_bytes + read.bytes);
        if (read.gap == GapReason::stopped) return stopped();
        const std::uint64_t good = read.bytes / page_bytes;
        if (good == 0) {
            coverage.add_gap(read.gap.value_or(GapReason::unmapped), VirtAddr(page * page_bytes), page_bytes);
            return 1;
        }
        POOLKD_CHECK(output_.write(end(), out.first(static_cast<std::size_t>(good * page_bytes))));
        coverage.add_read(good * page_bytes);
        pages_ += good;
        if (!runs_.empty() && runs_.back().first + runs_.back().count == page) {
            runs_.back().count += good;
        } else {
            runs_.push_back({page, good});
        }
        return good;
    }

    memory::PhysicalMemory& memory_;
    DumpOutput& output_;
    Work& work_;
    std::uint64_t first_page_;
    std::uint64_t pages_ = 0;
    std::vector<PageRun> runs_;
    ByteVector buffer_ = ByteVector(piece_bytes);
};

} // namespace

std::uint64_t crash_dump_bytes(const ImageFacts& facts, std::span<const PageRun> wanted) {
    const CrashHeaderLayout& layout = layout_of(facts);
    return first_page_place(layout, wanted, wanted.size() > room_for_runs(layout)) + total_pages(wanted) * page_bytes;
}

Result<WrittenDump> write_crash_dump(const ImageFacts& facts, std::span<const PageRun> wanted,
                                     memory::PhysicalMemory& memory, DumpOutput& output, Work& work) {
    if (!facts.machine || (facts.machine->pointer_size != 8 && facts.machine->image_machine != 0x14c))
        return fail(ErrorKind::unsupported, "No crash dump is known for this kind of machine");
    const CrashHeaderLayout& layout = layout_of(facts);
    const std::uint64_t last = wanted.empty() ? 0 : wanted.back().first + wanted.back().count;
    if (last > most_bitmap_pages || (!layout.is_64 && last > 0xffffffff))
        return fail(ErrorKind::unsupported, "There is memory at {:#x}: more than a crash dump has room for",
                    last * page_bytes);
    bool with_bitmap = wanted.size() > room_for_runs(layout);
    PageCopier pages(memory, output, work, first_page_place(layout, wanted, with_bitmap));
    POOLKD_CHECK(pages.copy(wanted));
    if (!with_bitmap && pages.runs().size() > room_for_runs(layout)) {
        with_bitmap = true;
        POOLKD_CHECK(pages.move_pages(first_page_place(layout, pages.runs(), true)));
    }
    const DumpType type = with_bitmap ? DumpType::bitmap_full : DumpType::full;
    if (with_bitmap)
        POOLKD_CHECK(output.write(layout.size, bitmap_bytes(pages.runs(), pages.first_page(), layout.size)));
    POOLKD_CHECK(output.write(0, header_bytes(facts, type, pages.runs(), pages.end())));
    return WrittenDump{type, pages.pages(), pages.end(), pages.runs().size(), std::move(pages.coverage)};
}

} // namespace poolkd::dumps

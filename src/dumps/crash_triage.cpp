// Triage dumps (the small ones of \Windows\Minidump). Sources: Windows SDK, mindumpdef.h; rizin; Ghidra; the public
// wdbgexts.h for the drivers, whose records differ from the live kernel's.
#include "dumps/crash_body.h"

#include <algorithm>
#include <utility>

namespace poolkd::dumps {

namespace {

// Offsets from the end of the header, up to the first field whose width differs.
namespace triage_at {
constexpr std::size_t context = 0x0c, memory = 0x14, unloaded = 0x18, processor_block = 0x1c, process = 0x20,
                      thread = 0x24, stack = 0x28, stack_bytes = 0x2c, drivers = 0x30, driver_count = 0x34,
                      strings = 0x38, string_bytes = 0x3c, broken_driver = 0x40, options = 0x44, top_of_stack = 0x48;
}

/// What the width of pointers decides: offsets behind, and in the records.
struct TriageLayout {
    std::size_t page_address, page_offset, page_bytes, debugger_data, debugger_bytes, blocks, block_count;
    std::size_t driver_bytes, driver_base, driver_entry, driver_size, driver_checksum, driver_timestamp;
    std::size_t unloaded_first, unloaded_bytes, unloaded_name, unloaded_start, unloaded_end;
};

constexpr TriageLayout triage_32{
    .page_address = 0x4c,
    .page_offset = 0x50,
    .page_bytes = 0x54,
    .debugger_data = 0x58,
    .debugger_bytes = 0x5c,
    .blocks = 0x60,
    .block_count = 0x64,
    .driver_bytes = 0x4c,
    .driver_base = 4 + 0x18,
    .driver_entry = 4 + 0x1c,
    .driver_size = 4 + 0x20,
    .driver_checksum = 4 + 0x40,
    .driver_timestamp = 4 + 0x44,
    .unloaded_first = 4,
    .unloaded_bytes = 0x28, // UNICODE_STRING 8, 12 characters, two pointers
    .unloaded_name = 8,
    .unloaded_start = 0x20,
    .unloaded_end = 0x24,
};

constexpr TriageLayout triage_64{
    .page_address = 0x60,
    .page_offset = 0x68,
    .page_bytes = 0x6c,
    .debugger_data = 0x70,
    .debugger_bytes = 0x74,
    .blocks = 0x78,
    .block_count = 0x7c,
    .driver_bytes = 0x90,
    .driver_base = 8 + 0x30,
    .driver_entry = 8 + 0x38,
    .driver_size = 8 + 0x40,
    .driver_checksum = 8 + 0x78,
    .driver_timestamp = 8 + 0x80,
    .unloaded_first = 8,
    .unloaded_bytes = 0x38,
    .unloaded_name = 0x10,
    .unloaded_start = 0x28,
    .unloaded_end = 0x30,
};

// MiniDumpFields.
enum TriagePart : std::uint32_t {
    part_context = 0x1,
    part_processor_block = 0x4,
    part_process = 0x8,
    part_thread = 0x10,
    part_stack = 0x20,
    part_drivers = 0x40,
    part_broken_driver = 0x80,
    part_memory = 0x100,
    part_data_page = 0x200,
    part_debugger_data = 0x400,
    part_blocks = 0x800,
};

constexpr std::uint32_t option_overflowed = 0x100;
constexpr std::uint32_t most_drivers = 0x4000;
constexpr std::uint32_t most_unloaded = 64; // the kernel keeps 50
constexpr std::uint32_t most_blocks = 1u << 20;
constexpr std::size_t longest_name = 260;
// The records have no sizes in the file; these are more than any build's.
constexpr std::size_t longest_record = 0x10000;

std::string utf16_name(Bytes bytes, std::size_t offset, std::size_t characters) {
    std::string name;
    for (std::size_t i = 0; i < characters; ++i) {
        const auto c = load<char16_t>(bytes, offset + 2 * i);
        if (!c || *c == 0) break;
        name += *c >= 0x20 && *c < 0x7f ? static_cast<char>(*c) : '?';
    }
    return name;
}

class TriageReader {
  public:
    TriageReader(const CrashHeader& header, Bytes file, MemoryImage& image)
        : header_(header), file_(file), image_(image), layout_(header.is_64 ? triage_64 : triage_32) {}

    void read() {
        image_.triage.emplace();
        TriageRecords& records = *image_.triage;
        if (!image_.facts.image_machine) assume_machine();
        records.overflowed = (field(triage_at::options) & option_overflowed) != 0;
        read_context();
        read_drivers(records);
        read_unloaded(records);
        read_memory_totals(records);
        records.processor_block = record(part_processor_block, triage_at::processor_block);
        records.process = record(part_process, triage_at::process);
        records.thread = record(part_thread, triage_at::thread);
        add_stack(records);
        add_data_page();
        add_debugger_data(records);
        add_thread(records);
        add_blocks();
        image_.pieces = std::make_unique<ImagePieces>(
            image_.file, RunTable<VirtAddr>::build(std::move(pieces_), file_.size(), image_.coverage),
            header_.is_64 ? 8u : 4u);
        // Copies of the same memory, taken for several reasons.
        image_.coverage.twice_the_same += std::exchange(image_.coverage.overlapping, 0);
    }

  private:
    [[nodiscard]] std::uint32_t field(std::size_t at) const { return load_or<std::uint32_t>(file_, header_.size + at); }
    [[nodiscard]] VirtAddr pointer_at(std::size_t file_offset) const {
        return header_.is_64 ? VirtAddr(load_or<std::uint64_t>(file_, file_offset))
                             : x86_machine().canonical(load_or<std::uint32_t>(file_, file_offset));
    }
    [[nodiscard]] VirtAddr pointer_field(std::size_t at) const { return pointer_at(header_.size + at); }
    [[nodiscard]] bool has(TriagePart part) const {
        return !header_.triage_fields || (*header_.triage_fields & part) != 0;
    }
    [[nodiscard]] Bytes record(TriagePart part, std::size_t at) const {
        const std::size_t offset = field(at);
        if (!has(part) || offset < header_.size || offset >= file_.size()) return {};
        return file_.subspan(offset, std::min(longest_record, file_.size() - offset));
    }
    void add(VirtAddr start, std::uint64_t bytes, std::uint64_t offset) {
        if (start && bytes && offset >= header_.size) pieces_.push_back({start, bytes, FileOffset(offset)});
    }

    /// DUMP_STRING: a length, then text up to a NUL. The length is told in bytes or in characters, so it is no help.
    [[nodiscard]] std::string string_at(std::size_t offset) const {
        const std::size_t pool = field(triage_at::strings);
        const std::size_t end =
            std::min<std::size_t>(file_.size(), pool + std::size_t{field(triage_at::string_bytes)} + 8);
        if (offset < header_.size || offset + 4 >= end) return {};
        return utf16_name(file_.first(end), offset + 4, longest_name);
    }

    /// Without page tables nothing else tells it.
    void assume_machine() {
        image_.facts.machine = header_.is_64 ? &x64_machine() : &x86_machine();
        image_.facts.remarks.push_back(
            fmt::format("The header does not state the machine; {} is assumed.", image_.facts.machine->name));
    }

    /// Most writers let it point at the header's own record.
    void read_context() {
        const Machine* machine = image_.facts.machine;
        const std::size_t at = field(triage_at::context);
        if (!machine || !image_.facts.context.empty() || !has(part_context) || at < header_.size ||
            at + machine->context_size > file_.size())
            return;
        const Bytes bytes = file_.subspan(at, machine->context_size);
        image_.facts.context.assign(bytes.begin(), bytes.end());
    }

    void read_drivers(TriageRecords& records) {
        const std::size_t list = field(triage_at::drivers);
        const std::uint32_t count = has(part_drivers) ? field(triage_at::driver_count) : 0;
        if (count > most_drivers) cut("drivers", count, most_drivers);
        for (std::uint32_t i = 0; i < std::min(count, most_drivers); ++i) {
            const std::size_t at = list + i * layout_.driver_bytes;
            if (list < header_.size || at + layout_.driver_bytes > file_.size()) {
                cut("drivers", count, i);
                break;
            }
            TriageDriver driver;
            driver.name = string_at(load_or<std::uint32_t>(file_, at));
            driver.base = pointer_at(at + layout_.driver_base);
            driver.entry_point = pointer_at(at + layout_.driver_entry);
            driver.size = load_or<std::uint32_t>(file_, at + layout_.driver_size);
            driver.checksum = load_or<std::uint32_t>(file_, at + layout_.driver_checksum);
            driver.timestamp = load_or<std::uint32_t>(file_, at + layout_.driver_timestamp);
            records.drivers.push_back(std::move(driver));
        }
        if (has(part_broken_driver)) records.broken_driver = string_at(field(triage_at::broken_driver));
    }

    void read_unloaded(TriageRecords& records) {
        const std::size_t list = field(triage_at::unloaded);
        if (list < header_.size) return;
        const auto count = load_or<std::uint32_t>(file_, list);
        if (count > most_unloaded) cut("unloaded drivers", count, most_unloaded);
        for (std::uint32_t i = 0; i < std::min(count, most_unloaded); ++i) {
            const std::size_t at = list + layout_.unloaded_first + i * layout_.unloaded_bytes;
            if (at + layout_.unloaded_bytes > file_.size()) {
                cut("unloaded drivers", count, i);
                break;
            }
            records.unloaded.push_back({utf16_name(file_, at + layout_.unloaded_name, 12),
                                        pointer_at(at + layout_.unloaded_start),
                                        pointer_at(at + layout_.unloaded_end)});
        }
    }

    void read_memory_totals(TriageRecords& records) {
        const std::size_t at = field(triage_at::memory);
        const unsigned size = header_.is_64 ? 8 : 4; // the width in 32-bit dumps is not confirmed by a file
        if (!has(part_memory) || at < header_.size || at + 0x18 + 7 * size > file_.size()) return;
        auto total = [&](unsigned index) { return *load_unsigned(file_, at + 0x18 + index * size, size); };
        records.memory = TriageMemory{total(0), total(1), total(2), total(3), total(4), total(5), total(6)};
    }

    /// TopOfStack is documented as the highest address, and is the lowest in the files that were looked at. The stack
    /// pointer tells.
    void add_stack(TriageRecords& records) {
        const std::uint64_t bytes = field(triage_at::stack_bytes);
        VirtAddr lowest = pointer_field(triage_at::top_of_stack);
        if (!has(part_stack) || bytes == 0 || !lowest) return;
        const Machine* machine = image_.facts.machine;
        if (machine && !image_.facts.context.empty()) {
            const VirtAddr sp = RegisterFile(*machine, image_.facts.context).sp();
            if (sp < lowest && lowest - sp <= bytes) lowest = lowest - bytes;
        }
        records.stack = lowest;
        records.stack_bytes = bytes;
        add(lowest, bytes, field(triage_at::stack));
    }

    void add_data_page() {
        if (has(part_data_page))
            add(pointer_field(layout_.page_address), field(layout_.page_bytes), field(layout_.page_offset));
    }

    void add_debugger_data(TriageRecords& records) {
        const std::uint64_t bytes = field(layout_.debugger_bytes);
        const std::size_t offset = field(layout_.debugger_data);
        if (!has(part_debugger_data) || offset < header_.size || offset >= file_.size()) return;
        records.debugger_data =
            file_.subspan(offset, static_cast<std::size_t>(std::min<std::uint64_t>(bytes, file_.size() - offset)));
        if (image_.facts.debugger_data) add(*image_.facts.debugger_data, bytes, offset);
    }

    /// The thread's record stands without its address; the processor block names it (KPRCB.CurrentThread: at 8, on x86
    /// at 4). As many bytes of it as lie before the next record.
    void add_thread(const TriageRecords& records) {
        if (records.thread.empty() || records.processor_block.empty()) return;
        const std::size_t block = field(triage_at::processor_block), thread = field(triage_at::thread);
        const VirtAddr address = pointer_at(block + (header_.is_64 ? 8 : 4));
        std::size_t end = thread + records.thread.size();
        for (std::size_t other : {triage_at::processor_block, triage_at::process, triage_at::stack, triage_at::drivers,
                                  triage_at::strings, triage_at::unloaded, triage_at::memory, triage_at::context,
                                  layout_.debugger_data, layout_.blocks, layout_.page_offset})
            if (field(other) > thread) end = std::min<std::size_t>(end, field(other));
        add(address, end - thread, thread);
    }

    void add_blocks() {
        const std::size_t list = field(layout_.blocks);
        const std::uint32_t count = has(part_blocks) ? field(layout_.block_count) : 0;
        if (count == 0 || list < header_.size) return;
        // 32-bit writers are said to use both widths of the address.
        const bool narrow = !header_.is_64 && blocks_fit(list, count, 4) && !blocks_fit(list, count, 8);
        const std::size_t width = narrow ? 4 : 8;
        if (count > most_blocks) cut("data blocks", count, most_blocks);
        for (std::uint32_t i = 0; i < std::min(count, most_blocks); ++i) {
            const std::size_t at = list + i * (width + 8);
            if (at + width + 8 > file_.size()) {
                cut("data blocks", count, i);
                break;
            }
            const std::uint64_t address = *load_unsigned(file_, at, width);
            add(header_.is_64 ? VirtAddr(address) : x86_machine().canonical(address),
                load_or<std::uint32_t>(file_, at + width + 4), load_or<std::uint32_t>(file_, at + width));
        }
    }

    /// Every block of the list lies behind the header and in the file.
    [[nodiscard]] bool blocks_fit(std::size_t list, std::uint32_t count, std::size_t width) const {
        for (std::uint32_t i = 0; i < std::min(count, most_blocks); ++i) {
            const std::size_t at = list + i * (width + 8);
            if (at + width + 8 > file_.size()) return false;
            const std::uint64_t offset = load_or<std::uint32_t>(file_, at + width);
            const std::uint64_t bytes = load_or<std::uint32_t>(file_, at + width + 4);
            if (offset < header_.size || bytes == 0 || offset + bytes > file_.size()) return false;
        }
        return true;
    }

    void cut(std::string_view what, std::uint32_t stated, std::uint32_t used) {
        image_.facts.remarks.push_back(fmt::format("Of {} {} in the dump, {} were read.", stated, what, used));
        image_.coverage.limit_reached = true;
    }

    const CrashHeader& header_;
    Bytes file_;
    MemoryImage& image_;
    const TriageLayout& layout_;
    std::vector<Run<VirtAddr>> pieces_;
};

} // namespace

Result<void> read_triage(const CrashHeader& header, Bytes file, MemoryImage& image) {
    constexpr std::size_t smallest = 0x80; // TRIAGE_DUMP of 64 bits up to the data blocks
    if (file.size() < header.size + smallest)
        return fail(ErrorKind::malformed, "the triage dump ends before its table of contents");
    TriageReader(header, file, image).read();
    return {};
}

} // namespace poolkd::dumps

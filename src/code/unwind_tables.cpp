#include "code/unwind_tables.h"

namespace poolkd::code {

namespace {

constexpr std::uint16_t machine_x64 = 0x8664;
constexpr std::uint16_t pe32_plus = 0x20b;
constexpr std::uint32_t exception_directory = 3;
constexpr std::uint32_t max_header_offset = 0x10000;

} // namespace

Result<UnwindTables> UnwindTables::open(nt::ModuleImage& image) {
    POOLKD_TRY(Bytes dos, image.bytes(0, 0x40));
    auto pe = load_or<std::uint32_t>(dos, 0x3c);
    if (load_or<std::uint16_t>(dos, 0) != 0x5a4d || pe > max_header_offset)
        return fail(ErrorKind::malformed, "The image has no PE header");
    constexpr std::uint32_t directories_end = 24 + 112 + 8 * (exception_directory + 1);
    POOLKD_TRY(Bytes header, image.bytes(pe, directories_end));
    if (load_or<std::uint32_t>(header, 0) != 0x4550) return fail(ErrorKind::malformed, "The image has no PE header");
    if (load_or<std::uint16_t>(header, 4) != machine_x64 || load_or<std::uint16_t>(header, 24) != pe32_plus)
        return fail(ErrorKind::not_found, "The image is not of x64");
    auto table = load_or<std::uint32_t>(header, 24 + 112 + 8 * exception_directory);
    auto size = load_or<std::uint32_t>(header, 24 + 112 + 8 * exception_directory + 4);
    if (load_or<std::uint32_t>(header, 24 + 108) <= exception_directory || table == 0 || size < runtime_function_bytes)
        return fail(ErrorKind::not_found, "The image has no unwind tables");
    if (table > image.size() || size > image.size() - table)
        return fail(ErrorKind::malformed, "The unwind tables lie outside the image");
    return UnwindTables(image, table, size / static_cast<std::uint32_t>(runtime_function_bytes));
}

Result<RuntimeFunction> UnwindTables::entry(std::uint32_t index) const {
    if (index >= count_) return fail(ErrorKind::not_found, "The image has {} unwind entries", count_);
    constexpr auto size = static_cast<std::uint32_t>(runtime_function_bytes);
    POOLKD_TRY(Bytes bytes, image_->bytes(table_ + index * size, size));
    return parse_runtime_function(bytes).value_or(RuntimeFunction{});
}

Result<std::optional<RuntimeFunction>> UnwindTables::at_or_below(std::uint32_t rva) const {
    // The table is sorted by begin.
    std::uint32_t low = 0, high = count_;
    while (low < high) {
        std::uint32_t middle = low + (high - low) / 2;
        POOLKD_TRY(RuntimeFunction here, entry(middle));
        if (here.begin <= rva)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0) return std::optional<RuntimeFunction>();
    POOLKD_TRY(RuntimeFunction found, entry(low - 1));
    return std::optional(found);
}

Result<std::optional<RuntimeFunction>> UnwindTables::find(std::uint32_t rva) const {
    POOLKD_TRY(std::optional<RuntimeFunction> below, at_or_below(rva));
    if (!below) return below;
    RuntimeFunction found = *below;
    if (!found.contains(rva)) return std::optional<RuntimeFunction>();
    for (int i = 0; found.unwind & 1; ++i) {
        if (i == max_chain) return fail(ErrorKind::malformed, "The unwind entries point at each other in a circle");
        POOLKD_TRY(Bytes bytes, image_->bytes(found.unwind & ~1u, runtime_function_bytes));
        found = parse_runtime_function(bytes).value_or(RuntimeFunction{});
    }
    return std::optional(found);
}

Result<UnwindInfo> UnwindTables::info(const RuntimeFunction& function) const {
    POOLKD_TRY(Bytes head, image_->bytes(function.unwind, 4));
    POOLKD_TRY(Bytes record, image_->bytes(function.unwind, static_cast<std::uint32_t>(UnwindInfo::size_of(head))));
    return parse_unwind_info(record);
}

Result<RuntimeFunction> UnwindTables::primary(const RuntimeFunction& function) const {
    RuntimeFunction here = function;
    for (int i = 0; i < max_chain; ++i) {
        POOLKD_TRY(UnwindInfo record, info(here));
        if (!record.chained) return here;
        here = *record.chained;
    }
    return fail(ErrorKind::malformed, "The chain of unwind records does not end");
}

} // namespace poolkd::code

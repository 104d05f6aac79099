#include "render/pool_blocks.h"

#include "base/text.h"
#include "render/coverage.h"

#include <fmt/format.h>

namespace poolkd::render {

namespace {

std::string_view kind_name(pool::PoolKind kind) {
    return kind == pool::PoolKind::paged ? "Paged" : "Nonpaged";
}

std::string_view state(const pool::PoolBlock& block) {
    return block.allocated ? "(Allocated)" : "(Free)     ";
}

} // namespace

std::string stored_tag_text(PoolTag tag) {
    return tag.is_protected() ? tag.bare().text() + " (Protected)" : tag.text();
}

std::string found_block_line(const pool::PoolBlock& block, unsigned pointer_size) {
    std::string address = format_address(block.address.value, pointer_size);
    if (block.big)
        return fmt::format("{} : tag {}, size {:#9x}, {} pool", address, stored_tag_text(block.tag), block.size,
                           kind_name(block.kind));
    return fmt::format("{} size: {:4x} previous size: {:4x}  {} {}", address, block.size, block.previous_size,
                       state(block), stored_tag_text(block.tag));
}

std::string search_heading(const std::optional<pool::PoolRange>& range, const pool::WalkSummary& summary,
                           std::string_view tags, unsigned pointer_size) {
    if (!range)
        return fmt::format("Scanning large pool allocation table for Tag: {} ({} : {})", tags,
                           format_address(summary.big_table.value, pointer_size),
                           format_address(summary.big_table_end.value, pointer_size));
    return fmt::format(
        "Searching {} pool ({} : {}) for Tag: {}", range->kind == pool::PoolKind::paged ? "Paged" : "NonPaged",
        format_address(range->first.value, pointer_size), format_address((range->last + 1).value, pointer_size), tags);
}

nlohmann::json block_json(const pool::PoolBlock& block) {
    return {{"address", json_address(block.address)},
            {"body", json_address(block.body)},
            {"size", block.size},
            {"tag", block.tag.bare().text()},
            {"protected", block.tag.is_protected()},
            {"allocated", block.allocated},
            {"pool", block.kind == pool::PoolKind::paged ? "paged" : "nonpaged"},
            {"big", block.big}};
}

std::string page_block_line(const pool::PoolBlock& block, bool marked, unsigned pointer_size) {
    const char star = marked ? '*' : ' ';
    return fmt::format("{}{} size: {:4x} previous size: {:4x}  {} {}{}", star,
                       format_address(block.address.value, pointer_size), block.size, block.previous_size, state(block),
                       star, stored_tag_text(block.tag));
}

} // namespace poolkd::render

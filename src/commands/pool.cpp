#include "commands/pool.h"

#include "base/text.h"
#include "commands/tag_argument.h"
#include "debugger/session.h"
#include "pool/blocks.h"
#include "pool/heap_backed.h"
#include "pool/tag_pattern.h"
#include "pool/usage.h"
#include "render/coverage.h"
#include "render/pool_blocks.h"
#include "render/pool_usage.h"

#include <algorithm>
#include <charconv>

namespace poolkd::commands {

using debugger::Arguments;
using debugger::Command;
using debugger::Session;

namespace {

constexpr std::uint32_t sort_verbose = 1, sort_nonpaged = 2, sort_paged = 4, sort_session = 8;

std::optional<std::uint32_t> hex_number(std::string_view text) {
    if (text.starts_with("0x")) text.remove_prefix(2);
    std::uint32_t value = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
    if (error != std::errc{} || end != text.data() + text.size() || text.empty()) return std::nullopt;
    return value;
}

Result<void> poolused(Session& session, Arguments& arguments) {
    render::UsageView view;
    std::uint32_t flags = 0;
    bool have_flags = false;
    while (!arguments.done()) {
        if (arguments.take("/t")) {
            std::string_view count = arguments.word();
            auto [end, error] = std::from_chars(count.data(), count.data() + count.size(), view.rows);
            if (error != std::errc{} || end != count.data() + count.size())
                return fail(ErrorKind::usage, "/t takes a number of rows, not '{}'", count);
            continue;
        }
        std::string word = arguments.text();
        // Larger than all flags together: "Abc" is a tag, not the number 0xabc.
        constexpr std::uint32_t all_flags = sort_verbose | sort_nonpaged | sort_paged | sort_session;
        if (auto number = hex_number(word); number && *number <= all_flags && !have_flags) {
            flags = *number;
            have_flags = true;
        } else {
            view.tag_pattern = word; // a single argument that is no number is a tag, as in ReactOS
        }
    }
    if (flags & sort_session) return fail(ErrorKind::unsupported, "Session pool (flag 8) is not read yet");
    if ((flags & sort_nonpaged) && (flags & sort_paged))
        return fail(ErrorKind::usage, "Flags 2 and 4 exclude each other");
    view.verbose = (flags & sort_verbose) != 0;
    view.sort = (flags & sort_paged)      ? render::UsageSort::paged_bytes
                : (flags & sort_nonpaged) ? render::UsageSort::nonpaged_bytes
                                          : render::UsageSort::tag;
    POOLKD_TRY(Answer<pool::UsageTable> usage, pool::read_usage(session.kernel(), session.work()));
    if (arguments.json) {
        session.write_json(render::usage_json(usage, view));
    } else {
        session.write(render::usage_text(usage, view));
    }
    return {};
}

/// What `!poolfind` looks for: patterns of four characters, or tags by number.
struct TagFilter {
    std::vector<pool::TagPattern> patterns;
    std::vector<std::string> texts; ///< as typed, in order

    [[nodiscard]] std::optional<std::size_t> match(PoolTag tag) const {
        const auto found = std::ranges::find_if(patterns, [&](const auto& pattern) { return pattern.matches(tag); });
        return found == patterns.end() ? std::nullopt : std::optional<std::size_t>(found - patterns.begin());
    }
    [[nodiscard]] std::string text() const {
        std::string all;
        for (const std::string& one : texts)
            all += (all.empty() ? "" : " ") + one;
        return all;
    }
};

Result<void> add_tag(TagFilter& filter, const std::string& word) {
    if (word.starts_with("0x")) {
        auto number = hex_number(word);
        if (!number) return fail(ErrorKind::usage, "'{}' is no tag value: 0x and up to eight hexadecimal digits", word);
        filter.patterns.emplace_back(PoolTag(*number));
    } else if (const auto tag = escaped_tag(word)) {
        filter.patterns.emplace_back(*tag);
    } else if (word.size() > 4 && word.find('*') == std::string::npos) {
        return fail(ErrorKind::usage, "'{}' is no tag: a tag has four characters (a pattern may hold * and ?)", word);
    } else {
        filter.patterns.emplace_back(word);
    }
    filter.texts.push_back(word);
    return {};
}

struct FindRequest {
    TagFilter filter;
    pool::WalkOptions walk;
    bool quiet = false;  ///< totals only
    std::string command; ///< of -x: run for every allocated block
};

Result<FindRequest> parse_find(Arguments& arguments) {
    FindRequest request;
    bool nonpaged = false, paged = false, small = false, big = false;
    while (!arguments.done()) {
        if (arguments.take_option("tag")) {
            POOLKD_CHECK(add_tag(request.filter, arguments.text()));
        } else if (arguments.take_option("nonpaged")) {
            nonpaged = true;
        } else if (arguments.take_option("paged")) {
            paged = true;
        } else if (arguments.take_option("small")) {
            small = true;
        } else if (arguments.take_option("large")) {
            big = true;
        } else if (arguments.take_option("global")) {
            // The pool of the whole system is what is walked anyway.
        } else if (arguments.take_option("total")) {
            request.quiet = true;
        } else if (arguments.take_option("x")) {
            request.command = arguments.quoted_commands().value_or("");
            if (request.command.empty()) return fail(ErrorKind::usage, "-x takes commands in quotes");
        } else {
            std::string word = arguments.text();
            // A single digit behind the tags is the classic pool type.
            if (!request.filter.texts.empty() && word.size() == 1 &&
                std::string_view("0124").find(word) != std::string_view::npos) {
                if (word == "2" || word == "4")
                    return fail(ErrorKind::unsupported, "Special and session pool are not read yet");
                (word == "0" ? nonpaged : paged) = true;
            } else {
                POOLKD_CHECK(add_tag(request.filter, word));
            }
        }
    }
    if (request.filter.texts.empty()) return fail(ErrorKind::usage, "Which tag? !poolfind Tag|0xTagValue ... [0|1]");
    if (!nonpaged && !paged) nonpaged = true; // kd's default
    request.walk = {.nonpaged = nonpaged, .paged = paged, .big = big || !small, .small = small || !big};
    return request;
}

struct Totals {
    std::uint64_t blocks = 0, bytes = 0, free_blocks = 0;
    /// What the kernel's own counters say of the tag in the pools that were searched.
    std::optional<std::pair<std::int64_t, std::int64_t>> counted = std::nullopt;
    std::int64_t elsewhere = 0; ///< blocks that the kernel counts in the pool that was not searched
};

/// Fills in the counters, where the kernel keeps them and the whole of a tag's blocks was looked for.
void compare_with_counters(Session& session, const FindRequest& request, std::vector<Totals>& totals) {
    if (!request.walk.big || !request.walk.small) return;
    auto usage = pool::read_usage(session.kernel(), session.work());
    if (!usage || !usage->coverage.complete()) return;
    for (Totals& sum : totals)
        sum.counted = {0, 0};
    for (const pool::TagUsage& row : usage->value.tags) {
        auto which = request.filter.match(row.tag);
        if (!which) continue;
        auto add = [&](const pool::PoolCounts& counts) {
            totals[*which].counted->first += counts.outstanding();
            totals[*which].counted->second += counts.bytes;
        };
        if (request.walk.nonpaged) add(row.nonpaged);
        if (request.walk.paged) add(row.paged);
        if (!request.walk.nonpaged) totals[*which].elsewhere += row.nonpaged.outstanding();
        if (!request.walk.paged) totals[*which].elsewhere += row.paged.outstanding();
    }
}

/// Beside what the kernel's own counters say.
std::string comparison_text(const Totals& found, bool heap_backed) {
    if (!found.counted) return {};
    const auto [blocks, bytes] = *found.counted;
    if (blocks == static_cast<std::int64_t>(found.blocks) && bytes == static_cast<std::int64_t>(found.bytes))
        return ", all that the kernel counts there";
    if (heap_backed)
        return fmt::format("; found {} of {} outstanding; the rest is segment heap, not read yet", found.blocks,
                           blocks);
    return fmt::format("; the kernel counts {} and {}", blocks, bytes);
}

std::string totals_text(const TagFilter& filter, const std::vector<Totals>& totals,
                        const Answer<pool::WalkSummary>& answer) {
    std::string text = "\n";
    for (std::size_t i = 0; i < totals.size(); ++i) {
        text += fmt::format("{}: {} blocks allocated, {} bytes", filter.texts[i], totals[i].blocks, totals[i].bytes);
        text += comparison_text(totals[i], answer.value.heap_backed);
        if (totals[i].elsewhere > 0)
            text += fmt::format("; the other pool holds {} (search it with 0 or 1)", totals[i].elsewhere);
        if (totals[i].free_blocks) text += fmt::format("; {} free blocks still bear the tag", totals[i].free_blocks);
        text += "\n";
    }
    const pool::WalkSummary& summary = answer.value;
    if (summary.absent_pages)
        text += fmt::format("{} pages of pool are not present (paged out or in transition): not searched\n",
                            summary.absent_pages);
    if (!answer.coverage.complete()) text += answer.coverage.sentence() + "\n";
    return text;
}

/// The command of -x for every block, below the block's line; `$extret` is its body.
void run_for_each(Session& session, const FindRequest& request, const std::vector<pool::PoolBlock>& blocks, bool text) {
    for (const pool::PoolBlock& block : blocks) {
        if (text && !request.quiet) session.write(render::found_block_line(block, session.pointer_size()) + "\n");
        session.expressions().set_extension_value(block.body.value);
        if (!session.interpreter().run_round(request.command)) return;
    }
}

Result<void> poolfind(Session& session, Arguments& arguments) {
    POOLKD_TRY(FindRequest request, parse_find(arguments));
    const TagFilter& filter = request.filter;
    request.walk.wanted = [&](PoolTag tag) { return filter.match(tag).has_value(); };
    std::vector<Totals> totals(filter.texts.size());
    nlohmann::json blocks = nlohmann::json::array();
    std::vector<pool::PoolBlock> found; // with -x: commands run behind the search, since they may change what it reads
    const unsigned pointer = session.pointer_size();
    const bool text = !arguments.json;
    auto visit = [&](const pool::PoolBlock& block) {
        auto which = filter.match(block.tag);
        if (!which) return;
        Totals& sum = totals[*which];
        if (block.allocated) {
            ++sum.blocks;
            sum.bytes += block.size;
            if (!request.command.empty()) found.push_back(block);
        } else {
            ++sum.free_blocks;
        }
        if (request.quiet) return;
        if (text && request.command.empty()) {
            session.write(render::found_block_line(block, pointer) + "\n");
        } else if (!text) {
            blocks.push_back(render::block_json(block));
        }
    };
    auto part = [&](const std::optional<pool::PoolRange>& range, const pool::WalkSummary& summary) {
        if (text) session.print("\n{}\n\n", render::search_heading(range, summary, filter.text(), pointer));
    };
    POOLKD_TRY(Answer<pool::WalkSummary> answer,
               pool::walk_blocks(session.kernel(), request.walk, session.work(), visit, part));
    compare_with_counters(session, request, totals);
    if (text) {
        if (answer.coverage.stopped())
            session.print("\n...terminating - searched pool to {}\n", session.address_text(answer.value.reached));
        run_for_each(session, request, found, text);
        session.write(totals_text(filter, totals, answer));
        return {};
    }
    nlohmann::json json{{"coverage", render::to_json(answer.coverage)}};
    json["pages_of_blocks"] = answer.value.pages_of_blocks;
    json["other_pages"] = answer.value.other_pages;
    json["absent_pages"] = answer.value.absent_pages;
    json["empty_pages"] = answer.value.empty_pages;
    json["heap_backed"] = answer.value.heap_backed;
    json["tags"] = nlohmann::json::array();
    for (std::size_t i = 0; i < totals.size(); ++i)
        json["tags"].push_back({{"tag", filter.texts[i]},
                                {"blocks", totals[i].blocks},
                                {"bytes", totals[i].bytes},
                                {"free_blocks", totals[i].free_blocks}});
    for (std::size_t i = 0; i < totals.size(); ++i) {
        if (!totals[i].counted) continue;
        json["tags"][i]["counted_blocks"] = totals[i].counted->first;
        json["tags"][i]["counted_bytes"] = totals[i].counted->second;
    }
    if (!request.quiet) json["blocks"] = std::move(blocks);
    session.write_json(json);
    run_for_each(session, request, found, text);
    return {};
}

std::string region_name(nt::Kernel& kernel, VirtAddr address, Work& work) {
    if (auto ranges = pool::find_ranges(kernel, work))
        for (const pool::PoolRange& range : *ranges)
            if (address >= range.first && address <= range.last)
                return range.kind == pool::PoolKind::paged ? "Paged pool" : "Nonpaged pool";
    return "not in a known pool range";
}

Result<void> pool_page(Session& session, Arguments& arguments) {
    constexpr std::uint64_t only_the_block = 2;
    POOLKD_TRY(VirtAddr address, session.address(arguments));
    std::uint64_t flags = 0;
    if (!arguments.done()) {
        POOLKD_TRY(flags, session.expression(arguments));
    }
    POOLKD_CHECK(session.no_more(arguments));
    nt::Kernel& kernel = session.kernel();
    const unsigned pointer = session.pointer_size();
    const std::string region = region_name(kernel, address, session.work());
    const std::uint32_t page_size = kernel.machine().page_size;
    const VirtAddr page(address.value & ~static_cast<std::uint64_t>(page_size - 1));
    nlohmann::json json{{"address", render::json_address(address)}, {"region", region}};
    json["blocks"] = nlohmann::json::array();
    if (!arguments.json) session.print("Pool page {} region is {}\n", format_address(address.value, pointer), region);

    POOLKD_TRY(Answer<pool::BigPageTable> big, pool::read_big_pages(kernel, session.work()));
    for (const pool::BigPage& entry : big.value.live) {
        if (address - entry.address >= std::max<std::uint64_t>(entry.bytes, 1)) continue;
        json["blocks"].push_back(render::block_json(pool::block_of(entry)));
        if (arguments.json) {
            session.write_json(json);
        } else {
            session.print("*{} : large page allocation, tag is {}, size is {:#x} bytes\n",
                          format_address(entry.address.value, pointer), render::stored_tag_text(entry.tag),
                          entry.bytes);
        }
        return {};
    }

    if (pool::is_heap_backed(kernel))
        return fail_at(
            address, ErrorKind::unsupported,
            "It lies in no large allocation. Small blocks of this kernel are in its segment heaps, which are "
            "not read yet");
    POOLKD_TRY(pool::HeaderReader reader, pool::HeaderReader::create(kernel));
    POOLKD_TRY(ByteVector bytes, memory::read_exact(kernel.memory(), page, page_size));
    std::optional<pool::ChainBreak> broken;
    for (const pool::PoolBlock& block : pool::parse_page_until_break(reader, page, bytes, broken)) {
        const bool holds = address - block.address < block.size;
        if ((flags & only_the_block) && !holds) continue;
        nlohmann::json entry = render::block_json(block);
        entry["holds_address"] = holds;
        json["blocks"].push_back(std::move(entry));
        if (!arguments.json) session.write(render::page_block_line(block, holds, pointer) + "\n");
    }
    if (broken) json["broken"] = {{"at", render::json_address(broken->at)}, {"why", broken->why}};
    if (arguments.json) {
        session.write_json(json);
    } else if (broken) {
        session.print("{} is not a valid pool block: {}. The page is damaged, or no page of small pool blocks.\n",
                      format_address(broken->at.value, pointer), broken->why);
    }
    return {};
}

} // namespace

void add_pool_commands(debugger::CommandTable& table) {
    table.add({.names = {"!poolused"},
               .family = "Pool",
               .summary = "Pool in use by tag, summed over all processors",
               .syntax = "!poolused [/t Rows] [Flags [Tag]] [--json]",
               .help = "Flags: 1 allocations and frees too, 2 sort by nonpaged bytes, 4 sort by paged bytes, 0 by tag. "
                       "Allocs are blocks "
                       "in use, Used their bytes (headers and rounding included).",
               .json = true,
               .run = poolused});
    table.add(
        {.names = {"!poolfind"},
         .family = "Pool",
         .summary = "Every block that bears one of several tags, in one walk",
         .syntax = "!poolfind Tag|0xValue ... [0|1] [-tag \"T  \"] [-nonpaged] [-paged] [-small] [-large] [-total] "
                   "[-x \"Commands\"] [--json]",
         .help =
             "A tag shorter than four characters is padded with blanks unless it holds *. 0 or -nonpaged (default) and "
             "1 or "
             "-paged choose the pool; -total prints the sums alone. -x runs commands for every allocated block, with "
             "$extret as what its driver was given. Ctrl-C ends the search and tells how far it got.",
         .json = true,
         .run = poolfind});
    table.add({.names = {"!pool"},
               .family = "Pool",
               .summary = "The blocks of the pool page that holds an address",
               .syntax = "!pool Address [Flags] [--json]",
               .help = "Flag 2 shows only the block that holds the address.",
               .json = true,
               .run = pool_page});
}

} // namespace poolkd::commands

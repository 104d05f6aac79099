#include "hunt/crash_findings.h"

#include "base/text.h"

#include <algorithm>

namespace poolkd::hunt {

namespace {

std::string_view kind_word(pool::PoolKind kind) {
    return kind == pool::PoolKind::paged ? "paged" : "nonpaged";
}

std::string tag_text(PoolTag tag) {
    return fmt::format("'{}'", tag.bare().text());
}

std::string block_text(const pool::PoolBlock& block, unsigned pointer_size) {
    return fmt::format("{} ({:#x} bytes, tag {}, {})", format_address(block.address.value, pointer_size), block.size,
                       tag_text(block.tag), block.allocated ? "allocated" : "free");
}

/// That the block is free already.
bool is_double_free(const nt::BugCheck& bug_check) {
    return (bug_check.code == 0xc2 && (bug_check.parameters[0] == 6 || bug_check.parameters[0] == 7)) ||
           (bug_check.code == 0xc4 && (bug_check.parameters[0] == 0x13 || bug_check.parameters[0] == 0x14));
}

/// That the header of a free block was written to: its sizes may have stayed right.
bool is_written_after_free(const nt::BugCheck& bug_check) {
    constexpr std::uint64_t subcodes[] = {0xd, 0xe, 0xf, 0x23, 0x24, 0x25};
    return bug_check.code == 0x19 && std::ranges::count(subcodes, bug_check.parameters[0]) != 0;
}

/// That headers are damaged.
bool is_damage(const CrashReport& report) {
    return report.meaning->suspect == pool::Suspect::previous_owner;
}

void tell_damage(CrashReport& report, unsigned pointer_size) {
    const pool::Surroundings& around = *report.surroundings;
    report.findings.push_back(fmt::format("The headers of its page contradict each other at {}: {}.",
                                          format_address(around.broken->at.value, pointer_size), around.broken->why));
    if (!around.overwritten_with.empty())
        report.findings.push_back(
            fmt::format("Text stands where a header should be: \"{}\".", around.overwritten_with));
    if (around.blocks.empty()) return;
    const pool::PoolBlock& last = around.blocks.back();
    report.findings.push_back(fmt::format("The last block in front of that is {}.", block_text(last, pointer_size)));
    if (is_damage(report)) report.tag = last.tag;
}

/// That headers may be believed: what lies outside of both pools may be special pool, whose headers lie elsewhere.
bool is_pool_known(const pool::Surroundings& around) {
    return around.region || !around.ranges_known;
}

/// What the header itself says, against what the parameters say of it.
void compare(CrashReport& report) {
    const pool::Surroundings& around = *report.surroundings;
    const pool::BugCheckMeaning& meaning = *report.meaning;
    const bool in_pool = is_pool_known(around);
    if (is_double_free(report.bug_check) && in_pool && around.header)
        report.evidence_agrees = !around.header->allocated;
    if (meaning.freed_as && in_pool && around.header)
        report.evidence_agrees = around.header->tag.bare() == meaning.tag->bare();
    if (meaning.freed_as && around.holder && around.blocks[*around.holder].big)
        report.evidence_agrees = around.blocks[*around.holder].tag.bare() == meaning.tag->bare();
    if (is_damage(report) && in_pool && around.readable && !around.heap_backed &&
        !(around.holder && around.blocks[*around.holder].big) &&
        (around.broken || !is_written_after_free(report.bug_check)))
        report.evidence_agrees = around.broken.has_value();
    const bool is_large = around.holder && around.blocks[*around.holder].big;
    if (report.bug_check.code == 0x19 && report.bug_check.parameters[0] == 0x22 && (is_large || around.big_known))
        report.evidence_agrees = !is_large;
}

void blame_caller(CrashReport& report) {
    if (!report.first_driver) {
        if (!report.raw_image.empty())
            report.culprit = Culprit{report.raw_image, report.raw_site,
                                     "The frames of the stack cannot be told; it is the first driver that the words of "
                                     "the stack point into."};
        return;
    }
    report.culprit =
        Culprit{report.first_image, report.names[*report.first_driver].site, "It is the first driver on the stack."};
}

} // namespace

void tell_surroundings(CrashReport& report, unsigned pointer_size) {
    pool::BugCheckMeaning& meaning = *report.meaning;
    report.tag = meaning.tag;
    if (meaning.freed_as)
        report.findings.push_back(fmt::format("The block was allocated as {} and freed as {}.", tag_text(*meaning.tag),
                                              tag_text(*meaning.freed_as)));
    if (!report.surroundings) return;
    const pool::Surroundings& around = *report.surroundings;
    const std::string address = format_address(meaning.block.value, pointer_size);
    if (around.region) {
        report.findings.push_back(fmt::format("{} lies in {} pool{}.", address, kind_word(*around.region),
                                              around.readable ? "" : ", and its page cannot be read"));
    } else if (around.ranges_known) {
        report.findings.push_back(fmt::format(
            "{} lies outside of nonpaged and paged pool (special and session pool lie elsewhere).", address));
    }
    if (around.holder) {
        const pool::PoolBlock& block = around.blocks[*around.holder];
        const std::uint64_t inside = meaning.block - block.body;
        const bool begins = meaning.block == block.body || meaning.block == block.address;
        report.findings.push_back(
            fmt::format("The {} there is {}{}.", block.big ? "large block" : "block", block_text(block, pointer_size),
                        begins ? "" : fmt::format(", and the address is {:#x} bytes inside of it", inside)));
        if (!report.tag) report.tag = block.tag;
        if (is_double_free(report.bug_check) && block.size == 0) report.tag.reset();
    } else if (around.header && around.readable && !around.broken && !around.heap_backed) {
        report.findings.push_back(fmt::format("No block begins at {}.", address));
    } else if (around.header && around.readable) {
        const pool::PoolHeader& header = *around.header;
        report.findings.push_back(
            fmt::format("What should be its header says: {:#x} bytes, {:#x} in front, tag {}, {}.", header.size,
                        header.previous_size, tag_text(header.tag), header.allocated ? "allocated" : "free"));
        if (!report.tag && is_pool_known(around) && header.tag.printable()) report.tag = header.tag;
    }
    if (around.holder && *around.holder > 0)
        report.findings.push_back(
            fmt::format("In front of it lies {}.", block_text(around.blocks[*around.holder - 1], pointer_size)));
    if (around.holder && *around.holder + 1 < around.blocks.size())
        report.findings.push_back(
            fmt::format("Behind it lies {}.", block_text(around.blocks[*around.holder + 1], pointer_size)));
    if (around.heap_backed)
        report.missing.emplace_back(
            "The blocks beside it: small blocks of this kernel lie in segment heaps, which are not "
            "read yet.");
    if (around.broken && around.region) tell_damage(report, pointer_size);
    compare(report);
    if (report.evidence_agrees)
        report.findings.emplace_back(
            *report.evidence_agrees ? "Memory shows what the parameters say."
                                    : "Memory does not show what the parameters say: it was changed since, or they "
                                      "are of another place.");
}

void draw_conclusions(CrashReport& report, unsigned pointer_size) {
    const auto proven = std::ranges::find(report.owners, true, &TagOwner::proven);
    const pool::Suspect suspect = report.meaning ? report.meaning->suspect : pool::Suspect::caller;
    switch (suspect) {
    case pool::Suspect::caller: blame_caller(report); break;
    case pool::Suspect::unloaded_driver:
        if (!report.unloaded_driver.empty())
            report.culprit = Culprit{report.unloaded_driver, {}, "It was unloaded with blocks outstanding."};
        break;
    case pool::Suspect::owner:
    case pool::Suspect::previous_owner:
        if (!report.owners.empty())
            report.culprit = Culprit{(proven != report.owners.end() ? *proven : report.owners.front()).image,
                                     {},
                                     suspect == pool::Suspect::owner
                                         ? "The damaged block is its own."
                                         : "The block in front of the damage is its own: whoever writes past the "
                                           "end of a block damages what follows."};
        if (!report.culprit) blame_caller(report);
        break;
    case pool::Suspect::nobody:
    case pool::Suspect::unknown: break;
    }
    if (!report.meaning) {
        report.how_sure =
            report.culprit ? "Not sure: this bug check is not about pool, and the first driver on the stack need not "
                             "be the one at fault."
                           : "Nothing points at a driver.";
    } else if (suspect == pool::Suspect::nobody) {
        report.how_sure = "Memory ran out; who holds it, the counters tell.";
    } else if (suspect == pool::Suspect::unknown) {
        report.how_sure = "Nothing points at a driver: whoever damaged the pool did it earlier; Driver Verifier with "
                          "special pool catches it in the act.";
    } else if (!report.culprit) {
        report.how_sure = "Nothing points at a driver.";
    } else if (suspect == pool::Suspect::caller && !report.first_driver) {
        report.how_sure = "A guess: such a word may be left from an earlier call.";
    } else if (suspect == pool::Suspect::unloaded_driver) {
        report.how_sure = "Sure: the kernel counted the blocks.";
    } else if (suspect == pool::Suspect::caller) {
        const bool owns = proven != report.owners.end() && proven->image == report.first_image;
        report.how_sure = report.evidence_agrees.value_or(true) && (owns || report.evidence_agrees)
                              ? "Rather sure: memory and stack say the same."
                              : "Likely, by the stack alone.";
    } else {
        report.how_sure = proven != report.owners.end()
                              ? "Likely. Whoever damaged the block did it earlier, and may be somebody else: Driver "
                                "Verifier with special pool catches it in the act."
                              : "A guess. Whoever damaged the block did it earlier: Driver Verifier with special pool "
                                "catches it in the act.";
    }
    auto advise = [&](std::string command, std::string why) {
        report.advice.push_back({std::move(command), std::move(why)});
    };
    const bool pool_there = report.surroundings && report.surroundings->readable;
    if (pool_there)
        advise("!pool " + format_address(report.meaning->block.value, pointer_size), "all blocks of the page");
    if (report.tag && report.tag->bare().value != 0 && pool_there)
        advise(fmt::format("!poolused 1 {}", report.tag->bare().text()), "how much there is of the tag");
    if (suspect == pool::Suspect::nobody && report.meaning && report.missing.empty()) {
        advise("!poolused 2", "nonpaged pool by tag");
        advise("!poolused 4", "paged pool by tag");
    }
}

} // namespace poolkd::hunt

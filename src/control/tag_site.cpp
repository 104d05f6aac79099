#include "control/tag_site.h"

#include "base/text.h"
#include "code/decoder.h"
#include "code/namer.h"
#include "control/in_flight.h"
#include "pool/usage.h"

#include <algorithm>

namespace poolkd::control {

namespace {

constexpr int max_instructions = 16; // between the constant and the call that gets it
constexpr std::size_t tag_bytes = 4;

/// The function that an instruction calls or jumps to: a direct target, or the content of an import slot.
std::optional<VirtAddr> destination(nt::Kernel& kernel, const code::Instruction& instruction) {
    if (instruction.target) return instruction.target;
    if (!instruction.slot) return std::nullopt;
    auto pointer = kernel.read_pointer(*instruction.slot);
    return pointer ? std::optional(*pointer) : std::nullopt;
}

TagSiteKind kind_of(std::string_view callee) {
    const std::string name = to_lower(callee.substr(callee.find('!') + 1));
    if (name.find("free") != std::string::npos || name.find("release") != std::string::npos)
        return TagSiteKind::release;
    if (name.find("alloc") != std::string::npos) return TagSiteKind::allocation;
    return TagSiteKind::unknown;
}

/// True when the four bytes at `address` are the constant of an instruction that ends with them.
bool is_constant_of_an_instruction(nt::Kernel& kernel, VirtAddr address) {
    const nt::SymbolAt at = kernel.modules().at(address);
    if (at.symbol && !at.symbol->is_code) return false;
    // From the shortest instruction (an opcode and the constant) to the longest.
    constexpr std::size_t longest = code::max_instruction_bytes - tag_bytes;
    ByteVector bytes(longest + tag_bytes);
    if (kernel.memory().read(address - longest, bytes).bytes != bytes.size()) return false;
    for (std::size_t before = 1; before <= longest; ++before) {
        auto instruction = code::decode(kernel.machine(), Bytes(bytes).subspan(longest - before), address - before);
        if (instruction && instruction->length == before + tag_bytes && instruction->immediate &&
            instruction->immediate->offset == before && instruction->immediate->size == tag_bytes)
            return true;
    }
    return false;
}

/// A write of four bytes into a module's image that replaces one tag constant by another.
std::optional<TagSite> site_of(nt::Kernel& kernel, const JournalEntry& entry) {
    if (entry.breakpoint_handle || entry.after.size() != tag_bytes) return std::nullopt;
    auto site = find_tag_site(kernel, entry.address);
    if (!entry.tag_site) return site;
    if (!site) site = TagSite{}; // in data
    site->kind = *entry.tag_site;
    return site;
}

constexpr std::int64_t looks_leaked = 64; // blocks of a tag, none ever freed: fewer may just be young

PoolTag tag_of(const ByteVector& bytes) {
    return PoolTag(load_or<std::uint32_t>(bytes, 0)).bare();
}

/// What blocks may bear that come to a free site, and where code may hold such a tag.
struct NewTags {
    std::vector<PoolTag> tags;
    std::vector<TagWindow> windows;
};

NewTags new_tags_before(nt::Kernel& kernel, const Journal& journal, const JournalEntry& release) {
    NewTags found;
    const PoolTag old = tag_of(release.before);
    auto add = [&](PoolTag tag) {
        if (tag.value != 0 && tag != old && std::ranges::find(found.tags, tag) == found.tags.end())
            found.tags.push_back(tag);
    };
    const nt::Module* module = kernel.modules().containing(release.address);
    for (const JournalEntry& other : journal.entries()) {
        auto site = site_of(kernel, other);
        if (!site || site->kind == TagSiteKind::release || tag_of(other.after) == tag_of(other.before)) continue;
        if (kernel.modules().containing(other.address) != module && tag_of(other.before) != old) continue;
        // Undone allocation sites count too: their blocks outlive them.
        add(tag_of(other.after));
        if (site->next.value != 0) found.windows.push_back({other.address + tag_bytes, site->next});
    }
    add(tag_of(release.after));
    return found;
}

} // namespace

std::optional<TagSite> find_tag_site(nt::Kernel& kernel, VirtAddr address) {
    const nt::Module* module = kernel.modules().containing(address);
    if (!module || !is_constant_of_an_instruction(kernel, address)) return std::nullopt;
    // The constant is the last part of its instruction, so the next instruction starts right behind it.
    VirtAddr at = address + tag_bytes;
    ByteVector bytes(max_instructions * code::max_instruction_bytes);
    bytes.resize(kernel.memory().read(at, bytes).bytes);
    auto name = code::namer_of(kernel);
    std::size_t offset = 0;
    for (int i = 0; i < max_instructions && offset < bytes.size(); ++i) {
        auto instruction = code::decode(kernel.machine(), Bytes(bytes).subspan(offset), at + offset);
        if (!instruction) break;
        offset += instruction->length;
        const bool leaves =
            instruction->kind == code::InstructionKind::call || instruction->kind == code::InstructionKind::jump;
        if (leaves) {
            auto to = destination(kernel, *instruction);
            if (!to) break;
            std::string callee = name(*to);
            if (kind_of(callee) == TagSiteKind::unknown && instruction->kind == code::InstructionKind::jump &&
                instruction->target) {
                // A jump inside the function: follow it, once more from there.
                if (module->contains(*to) && *to - at < bytes.size()) {
                    offset = *to - at;
                    continue;
                }
            }
            return TagSite{kind_of(callee), std::move(callee), at + offset};
        }
        if (instruction->kind == code::InstructionKind::ret) break;
    }
    return TagSite{};
}

Result<ReasonToWait> reason_to_wait(nt::Kernel& kernel, const Journal& journal, const JournalEntry& entry, Work& work) {
    auto site = site_of(kernel, entry);
    if (!site || site->kind == TagSiteKind::allocation) return ReasonToWait{};
    const std::string who = fmt::format("free site ({})", site->callee.empty() ? "unknown callee" : site->callee);
    const NewTags tags = new_tags_before(kernel, journal, entry);
    if (tags.tags.empty()) return ReasonToWait{};
    ReasonToWait reason;
    POOLKD_TRY(Answer<pool::UsageTable> usage, pool::read_usage(kernel, work));
    std::string outstanding;
    for (const pool::TagUsage& row : usage.value.tags) {
        if (std::ranges::find(tags.tags, row.tag) == tags.tags.end()) continue;
        const std::int64_t blocks = row.nonpaged.outstanding() + row.paged.outstanding();
        if (blocks == 0) continue;
        const bool none_freed = row.nonpaged.frees == 0 && row.paged.frees == 0;
        reason.none_ever_freed = reason.none_ever_freed && none_freed && blocks >= looks_leaked;
        outstanding +=
            fmt::format("{}{} block{} tagged '{}'{}", outstanding.empty() ? "" : ", ", blocks, blocks == 1 ? "" : "s",
                        row.tag.text(), none_freed ? " (none of that tag was ever freed)" : "");
    }
    if (!outstanding.empty()) {
        reason.why =
            fmt::format("{}: {} outstanding; a free there with the old tag would bug check (C2/0A)", who, outstanding);
        return reason;
    }
    reason.none_ever_freed = false;
    if (!usage.coverage.complete()) {
        reason.why = fmt::format("the tag table could not be read whole ({})", usage.coverage.sentence());
    } else if (std::string thread = allocation_in_flight(kernel, tags.windows, work); !thread.empty()) {
        reason.why = fmt::format("{}: {}", who, thread);
    }
    return reason;
}

Result<UndoOutcome> undo_safely(nt::Kernel& kernel, Journal& journal, std::vector<std::uint32_t> ids, bool force,
                                Work& work) {
    UndoOutcome outcome;
    struct Item {
        std::uint32_t id;
        bool release;
    };
    std::vector<Item> items;
    for (const JournalEntry& entry : journal.entries()) {
        if (std::ranges::find(ids, entry.id) == ids.end() || entry.undone || entry.breakpoint_handle) continue;
        auto site = site_of(kernel, entry);
        items.push_back({entry.id, site && site->kind != TagSiteKind::allocation});
    }
    std::ranges::sort(items,
                      [](const Item& a, const Item& b) { return a.release != b.release ? b.release : a.id > b.id; });
    bool only_leaked = true;
    for (const Item& item : items) {
        if (item.release && !force) {
            auto entry = std::ranges::find(journal.entries(), item.id, &JournalEntry::id);
            POOLKD_TRY(ReasonToWait reason, reason_to_wait(kernel, journal, *entry, work));
            if (!reason.why.empty()) {
                only_leaked = only_leaked && reason.none_ever_freed;
                outcome.kept.push_back({item.id, std::move(reason.why)});
                continue;
            }
        }
        if (auto undone = journal.undo(item.id)) {
            outcome.undone.push_back(item.id);
        } else {
            only_leaked = false;
            outcome.kept.push_back({item.id, undone.error().message});
        }
    }
    outcome.only_leaked_left = only_leaked && !outcome.kept.empty();
    return outcome;
}

} // namespace poolkd::control

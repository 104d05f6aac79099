#include "hunt/retag.h"

#include "code/site_name.h"

#include <algorithm>
#include <ranges>
#include <set>

namespace poolkd::hunt {

namespace {

constexpr std::string_view note_begin = "!retag '";
constexpr std::string_view note_middle = "': ";

PoolTag tag_in(const ByteVector& bytes) {
    return PoolTag(load_or<std::uint32_t>(bytes, 0));
}

bool is_retag(const control::JournalEntry& entry) {
    return entry.tag_site && entry.note.starts_with(note_begin) && entry.after.size() == tag_bytes;
}

bool has_old_tag(const code::PoolSite& site, PoolTag tag) {
    return site.tag && site.tag->bare() == tag.bare();
}

bool stands_at(const control::Journal& journal, VirtAddr address) {
    return std::ranges::any_of(journal.entries(), [&](const control::JournalEntry& entry) {
        return is_retag(entry) && !entry.undone && entry.address == address;
    });
}

/// Sites that have a tag which is retagged elsewhere.
void add_others(RetagState& state, const control::Journal& journal, const code::ModuleSites& module) {
    for (const code::PoolSite& site : module.index.sites) {
        if (!has_old_tag(site, state.tag) || (site.tag_rva && stands_at(journal, module.base + *site.tag_rva)))
            continue;
        (site.kind == code::SiteKind::release ? state.other_releases : state.other_allocations)
            .push_back(RetagPlace::of(module, site));
    }
}

/// Earlier rounds at the same place, of whose tag nothing is left.
void leave_out_past(std::vector<RetagSite>& sites) {
    std::vector<RetagSite> kept;
    for (RetagSite& site : sites) {
        const bool again = std::ranges::any_of(
            sites, [&](const RetagSite& other) { return other.address == site.address && other.id > site.id; });
        const bool empty = site.usage.nonpaged.outstanding() == 0 && site.usage.paged.outstanding() == 0;
        if (!again || !site.undone || !empty) kept.push_back(site);
    }
    sites = std::move(kept);
}

std::string note_of(PoolTag tag, const RetagPatch& patch) {
    std::string places;
    for (const RetagPlace& place : patch.places)
        places += (places.empty() ? "" : ", ") + place.text;
    return fmt::format("{}{}{}{}", note_begin, tag.text(), note_middle, places);
}

/// What stands behind the tag in a note.
std::string places_in(std::string_view note) {
    const std::size_t at = note_begin.size() + tag_bytes + note_middle.size();
    return at < note.size() ? std::string(note.substr(at)) : std::string();
}

Result<std::uint32_t> write_patch(nt::Kernel& kernel, control::Journal& journal, PoolTag tag, const RetagPatch& patch) {
    const bool release = patch.kind == code::SiteKind::release;
    ByteVector wanted(tag_bytes);
    store(MutableBytes(wanted), 0, patch.new_tag.value);
    POOLKD_CHECK(journal.write(patch.address, wanted, note_of(tag, patch),
                               release ? control::TagSiteKind::release : control::TagSiteKind::allocation));
    const std::uint32_t id = journal.entries().back().id;
    POOLKD_TRY(const ByteVector now, memory::read_exact(kernel.memory(), patch.address, tag_bytes));
    if (now != wanted)
        return fail_at(patch.address, ErrorKind::unwritable, "The target took the write and did not change its memory");
    return id;
}

pool::TagUsage row_of(const pool::UsageTable& usage, PoolTag tag) {
    auto row = std::ranges::find(usage.tags, tag.bare(), &pool::TagUsage::tag);
    if (row != usage.tags.end()) return *row;
    pool::TagUsage none;
    none.tag = tag.bare();
    return none;
}

/// What piles up: sites of whose blocks none was ever freed, then by bytes in use.
auto rank_of(const RetagSite& site) {
    const bool none_freed = site.usage.nonpaged.frees == 0 && site.usage.paged.frees == 0;
    const std::int64_t bytes = site.usage.nonpaged.bytes + site.usage.paged.bytes;
    return std::pair(none_freed && bytes > 0, bytes);
}

} // namespace

Result<std::vector<std::uint32_t>> apply_retag(nt::Kernel& kernel, control::Journal& journal, const RetagPlan& plan,
                                               bool force) {
    if (!plan.possible(force)) return fail(ErrorKind::refused, "{}", plan.refusal(force));
    const std::size_t before = journal.entries().size();
    std::vector<std::uint32_t> written;
    std::optional<Error> error;
    for (const std::vector<RetagPatch>* part : {&plan.releases, &plan.allocations}) {
        for (const RetagPatch& patch : *part) {
            auto id = write_patch(kernel, journal, plan.tag, patch);
            if (!id) {
                error = std::move(id).error();
                break;
            }
            written.push_back(*id);
        }
        if (error) break;
    }
    if (!error) return written;
    // The target has not run since, so the reverse order is the safe one: allocation sites first.
    std::string left;
    std::vector<std::uint32_t> open;
    for (const control::JournalEntry& entry : journal.entries().subspan(before))
        if (!entry.undone) open.push_back(entry.id);
    for (std::uint32_t id : open | std::views::reverse)
        if (auto undone = journal.undo(id); !undone)
            left += fmt::format(". Write {} stays: {}", id, undone.error().message);
    error->message += left.empty() ? "; nothing was changed" : left;
    return std::unexpected(*std::move(error));
}

RetagPlace RetagPlace::of(const code::ModuleSites& module, const code::PoolSite& site) {
    RetagPlace place;
    place.text = code::site_name(module.module, site);
    place.source = site.source;
    place.api = site.api;
    place.via = site.via;
    return place;
}

RetagState::Count RetagState::count(std::span<const RetagSite> sites) {
    std::set<VirtAddr> all, standing;
    for (const RetagSite& site : sites) {
        all.insert(site.address);
        if (!site.undone) standing.insert(site.address);
    }
    return {all.size(), standing.size()};
}

bool is_any_retagged(const control::Journal& journal) {
    return std::ranges::any_of(journal.entries(),
                               [](const control::JournalEntry& entry) { return is_retag(entry) && !entry.undone; });
}

bool RetagState::open() const {
    auto stands = [](const RetagSite& site) { return !site.undone; };
    return std::ranges::any_of(allocations, stands) || std::ranges::any_of(releases, stands);
}

Result<Answer<std::vector<RetagState>>> read_retags(nt::Kernel& kernel, const control::Journal& journal,
                                                    std::span<const code::ModuleSites* const> modules, Work& work) {
    Answer<std::vector<RetagState>> answer;
    if (std::ranges::none_of(journal.entries(), is_retag)) return answer;
    POOLKD_TRY(Answer<pool::UsageTable> usage, pool::read_usage(kernel, work));
    answer.coverage = usage.coverage;
    for (const control::JournalEntry& entry : journal.entries()) {
        if (!is_retag(entry)) continue;
        const PoolTag tag = tag_in(entry.before).bare();
        auto state = std::ranges::find(answer.value, tag, &RetagState::tag);
        if (state == answer.value.end()) {
            state = answer.value.insert(answer.value.end(), RetagState{});
            state->tag = tag;
            state->old = row_of(usage.value, tag);
            for (const pool::TagUsage& row : usage.value.tags)
                if (row.overflow && (row.nonpaged.touched() || row.paged.touched())) state->overflow = row;
        }
        RetagSite site;
        site.id = entry.id;
        site.address = entry.address;
        site.places = places_in(entry.note);
        site.release = entry.tag_site == control::TagSiteKind::release;
        site.undone = entry.undone;
        site.new_tag = tag_in(entry.after);
        if (!site.release) site.usage = row_of(usage.value, site.new_tag);
        state->since = entry.time;
        (site.release ? state->releases : state->allocations).push_back(std::move(site));
    }
    for (RetagState& state : answer.value) {
        leave_out_past(state.allocations);
        leave_out_past(state.releases);
        std::ranges::stable_sort(state.allocations, std::ranges::greater{}, rank_of);
        if (!state.open()) continue;
        for (const code::ModuleSites* module : modules)
            add_others(state, journal, *module);
    }
    std::ranges::reverse(answer.value);
    return answer;
}

std::string retag_warning(const control::Journal& journal, const code::ModuleSites& module) {
    std::set<PoolTag> tags;
    for (const control::JournalEntry& entry : journal.entries())
        if (is_retag(entry) && !entry.undone) tags.insert(tag_in(entry.before).bare());
    std::string text;
    for (PoolTag tag : tags) {
        RetagState state;
        state.tag = tag;
        add_others(state, journal, module);
        const std::size_t releases = state.other_releases.size();
        if (state.other_allocations.empty() && releases == 0) continue;
        text +=
            fmt::format("{} was loaded while '{}' is retagged, and its call sites are not: {} allocate{} with the old "
                        "tag, {} free{} with it{}.",
                        module.module, tag.text(), state.other_allocations.size(),
                        state.other_allocations.size() == 1 ? "s" : "", releases, releases == 1 ? "s" : "",
                        releases == 0 ? ""
                                      : fmt::format(" (the first: {}). Where a block with a new tag comes to such a "
                                                    "free, that is bug check C2/0A: !retag /undo",
                                                    state.other_releases.front().text));
        text += '\n';
    }
    return text;
}

Result<control::UndoOutcome> undo_retags(nt::Kernel& kernel, control::Journal& journal, std::optional<PoolTag> tag,
                                         bool force, Work& work) {
    std::vector<std::uint32_t> ids;
    for (const control::JournalEntry& entry : journal.entries())
        if (is_retag(entry) && !entry.undone && (!tag || tag_in(entry.before).bare() == tag->bare()))
            ids.push_back(entry.id);
    if (ids.empty()) return fail(ErrorKind::not_found, "There is nothing to undo");
    return control::undo_safely(kernel, journal, std::move(ids), force, work);
}

} // namespace poolkd::hunt

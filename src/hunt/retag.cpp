#include "hunt/retag.h"

#include <algorithm>
#include <ranges>

namespace poolkd::hunt {

namespace {

constexpr std::string_view note_begin = "!retag '";
constexpr std::string_view note_middle = "': ";

PoolTag tag_in(const ByteVector& bytes) {
    return PoolTag(load_or<std::uint32_t>(bytes, 0));
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

bool is_retag(const control::JournalEntry& entry) {
    return entry.tag_site && entry.note.starts_with(note_begin) && entry.after.size() == tag_bytes;
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

bool RetagState::open() const {
    auto stands = [](const RetagSite& site) { return !site.undone; };
    return std::ranges::any_of(allocations, stands) || std::ranges::any_of(releases, stands);
}

Result<Answer<std::vector<RetagState>>> read_retags(nt::Kernel& kernel, const control::Journal& journal, Work& work) {
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
    for (RetagState& state : answer.value)
        std::ranges::stable_sort(state.allocations, std::ranges::greater{}, rank_of);
    std::ranges::reverse(answer.value);
    return answer;
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

#include "control/journal.h"

#include "base/text.h"
#include "control/journal_file.h"

#include <algorithm>
#include <cstdlib>

namespace poolkd::control {

namespace {

/// Each byte is the old one or the written one: nobody else wrote there.
bool is_ours(const JournalEntry& entry, Bytes now) {
    for (std::size_t i = 0; i < now.size(); ++i)
        if (now[i] != entry.before[i] && now[i] != entry.after[i]) return false;
    return true;
}

/// An allocation site that has its old tag again, of a tag whose free sites still have another: blocks with the new tag
/// may be left, and reason_to_wait asks for them.
bool outlived_by_a_free_site(const JournalEntry& entry, const std::vector<JournalEntry>& standing) {
    return entry.undone && entry.tag_site == TagSiteKind::allocation &&
           std::ranges::any_of(standing, [&](const JournalEntry& other) {
               return other.tag_site == TagSiteKind::release && other.before == entry.before;
           });
}

} // namespace

Journal::Journal(nt::Kernel& kernel, std::filesystem::path directory)
    : kernel_(kernel), directory_(std::move(directory)) {}

std::filesystem::path Journal::default_directory() {
    if (const char* state = std::getenv("XDG_STATE_HOME"); state && *state)
        return std::filesystem::path(state) / "poolkd" / "journal";
    if (const char* home = std::getenv("HOME"); home && *home)
        return std::filesystem::path(home) / ".local" / "state" / "poolkd" / "journal";
    return {};
}

std::filesystem::path Journal::file_of_boot() const {
    const nt::Module& nt = kernel_.modules().kernel();
    auto file_of = [&](std::uint64_t boot_time) {
        return directory_ / fmt::format("{:08x}-{:x}-{:x}-{:x}.jsonl", nt.timestamp, nt.size, nt.base.value, boot_time);
    };
    // KeBootTime moves only with the clock that somebody sets, and its bias with it; both are as in ReactOS's
    // KeSetSystemTime. Without it the kernel's base address and the check of the bytes have to do.
    const std::uint64_t boot_time =
        kernel_.read_global("KeBootTime", 8).value_or(0) - kernel_.read_global("KeBootTimeBias", 8).value_or(0);
    std::filesystem::path file = file_of(boot_time);
    // At the first stops of a boot the kernel does not know its time yet. What a debugger began there is taken over;
    // should it be of another boot, its bytes tell.
    std::error_code error;
    if (const auto early = file_of(0);
        boot_time != 0 && std::filesystem::exists(early, error) && !std::filesystem::exists(file, error))
        std::filesystem::rename(early, file, error);
    return file;
}

Result<std::size_t> Journal::attach() {
    entries_.clear();
    breakpoint_places_.clear();
    next_id_ = 1;
    next_breakpoint_id_ = first_breakpoint_id;
    file_ = directory_.empty() ? std::filesystem::path{} : file_of_boot();
    if (file_.empty()) return std::size_t{0};
    POOLKD_TRY(std::vector<JournalEntry> recorded, read_journal_file(file_));
    for (const JournalEntry& entry : recorded) {
        std::uint32_t& counter = entry.breakpoint_handle ? next_breakpoint_id_ : next_id_;
        counter = std::max(counter, entry.id + 1);
        if (entry.breakpoint_handle) breakpoint_places_.insert(entry.address);
    }
    // Two writes to one place: only the last can still be in memory, and undoing goes from the last to the first, so
    // an entry stands when its bytes are in the target or under a later entry that stands.
    std::vector<JournalEntry> standing;
    for (auto it = recorded.rbegin(); it != recorded.rend(); ++it) {
        if (it->undone) continue;
        it->inherited = true;
        bool holds = it->breakpoint_handle.has_value();
        if (!holds) {
            auto now = memory::read_exact(kernel_.memory(), it->address, it->after.size());
            // That nothing can be read now says nothing about the entry.
            if (!now && (now.error().kind == ErrorKind::link || now.error().kind == ErrorKind::stopped))
                return std::unexpected(now.error());
            bool covered = std::ranges::any_of(standing, [&](const JournalEntry& later) {
                return !later.breakpoint_handle && later.address < it->address + it->after.size() &&
                       it->address < later.address + later.before.size();
            });
            holds = covered || (now && *now != it->before && is_ours(*it, *now));
        }
        if (holds) standing.push_back(std::move(*it));
    }
    for (JournalEntry& entry : recorded)
        if (outlived_by_a_free_site(entry, standing)) standing.push_back(std::move(entry));
    std::ranges::sort(standing, {}, &JournalEntry::id);
    entries_ = std::move(standing);
    remove_inherited_breakpoints();
    return open_writes().size();
}

void Journal::remove_inherited_breakpoints() {
    removed_breakpoints_ = 0;
    target::BreakpointSlots* slots = kernel_.target().breakpoints();
    for (JournalEntry& entry : entries_) {
        if (!entry.breakpoint_handle) continue;
        // Kernels drop breakpoints near a stop themselves: a handle that is gone is as good as cleared.
        if (slots && slots->clear_breakpoint(*entry.breakpoint_handle)) ++removed_breakpoints_;
        (void)mark_undone(entry);
    }
    std::erase_if(entries_, [](const JournalEntry& entry) { return entry.breakpoint_handle.has_value(); });
}

Result<void> Journal::append_line(const std::string& line) {
    if (file_.empty()) return {};
    return append_journal_line(file_, line);
}

Result<void> Journal::record(JournalEntry entry) {
    std::uint32_t& counter = entry.breakpoint_handle ? next_breakpoint_id_ : next_id_;
    entry.id = counter;
    entry.time = std::chrono::system_clock::now();
    POOLKD_CHECK(append_line(journal_line(entry)));
    ++counter;
    entries_.push_back(std::move(entry));
    return {};
}

Result<void> Journal::write(VirtAddr address, Bytes bytes, std::string note, std::optional<TagSiteKind> tag_site) {
    target::Writable* writable = kernel_.target().writable();
    if (!writable)
        return fail(ErrorKind::unsupported, "The target ({}) cannot be written", kernel_.target().identity().kind);
    JournalEntry entry;
    entry.address = address;
    POOLKD_TRY(entry.before, memory::read_exact(kernel_.memory(), address, bytes.size()));
    entry.after.assign(bytes.begin(), bytes.end());
    entry.note = std::move(note);
    entry.tag_site = tag_site;
    if (entry.before == entry.after) return {};
    POOLKD_CHECK(record(std::move(entry)));
    auto written = writable->write(address, bytes);
    // Part of the bytes may be there: the old ones are put back. Where that fails too, the entry stays to be undone.
    if (!written && restore(address, entries_.back().before)) POOLKD_CHECK(mark_undone(entries_.back()));
    return written;
}

Result<void> Journal::restore(VirtAddr address, Bytes wanted) {
    POOLKD_TRY(ByteVector now, memory::read_exact(kernel_.memory(), address, wanted.size()));
    const auto [differs, unused] = std::ranges::mismatch(now, wanted);
    if (differs == now.end()) return {};
    const auto first = static_cast<std::size_t>(differs - now.begin());
    std::size_t end = now.size();
    while (now[end - 1] == wanted[end - 1])
        --end;
    return kernel_.target().writable()->write(address + first, wanted.subspan(first, end - first));
}

JournalEntry* Journal::find(std::uint32_t id) {
    auto it = std::ranges::find(entries_, id, &JournalEntry::id);
    return it == entries_.end() ? nullptr : &*it;
}

Result<void> Journal::mark_undone(JournalEntry& entry) {
    entry.undone = true;
    return append_line(undo_line(entry.id));
}

Result<void> Journal::undo(std::uint32_t id) {
    JournalEntry* entry = find(id);
    if (!entry || entry->breakpoint_handle)
        return fail(ErrorKind::not_found, "There is no write {} in the journal", id);
    if (entry->undone) return fail(ErrorKind::usage, "Write {} is undone already", id);
    target::Writable* writable = kernel_.target().writable();
    if (!writable) return fail(ErrorKind::unsupported, "The target cannot be written");
    POOLKD_TRY(ByteVector now, memory::read_exact(kernel_.memory(), entry->address, entry->after.size()));
    if (!is_ours(*entry, now))
        return fail_at(
            entry->address, ErrorKind::refused,
            fmt::format("Write {} at {}: the bytes there are no longer the ones that were written; left alone "
                        "(undo later writes to the same place first)",
                        id, format_address(entry->address.value, kernel_.machine().pointer_size)));
    POOLKD_CHECK(restore(entry->address, entry->before));
    return mark_undone(*entry);
}

Result<void> Journal::note_breakpoint(VirtAddr address, std::uint32_t handle) {
    breakpoint_places_.insert(address);
    const bool noted = std::ranges::any_of(entries_, [&](const JournalEntry& entry) {
        return entry.breakpoint_handle == handle && entry.address == address;
    });
    if (noted) return {};
    JournalEntry entry;
    entry.address = address;
    entry.breakpoint_handle = handle;
    entry.note = "breakpoint";
    return record(std::move(entry));
}

Result<void> Journal::forget_breakpoints() {
    for (JournalEntry& entry : entries_)
        if (entry.breakpoint_handle) POOLKD_CHECK(mark_undone(entry));
    std::erase_if(entries_, [](const JournalEntry& entry) { return entry.breakpoint_handle.has_value(); });
    return {};
}

std::vector<std::uint32_t> Journal::open_writes() const {
    std::vector<std::uint32_t> ids;
    for (const JournalEntry& entry : entries_)
        if (!entry.undone && !entry.breakpoint_handle) ids.push_back(entry.id);
    return ids;
}

} // namespace poolkd::control

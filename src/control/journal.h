#pragma once

#include "nt/kernel.h"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <set>
#include <span>
#include <string>
#include <vector>

namespace poolkd::control {

enum class TagSiteKind {
    allocation,
    release,
    unknown, ///< a constant in code, but the call it goes to is not recognised
};

/// One change that was made to the target's memory.
struct JournalEntry {
    std::uint32_t id = 0;
    VirtAddr address;
    ByteVector before;
    ByteVector after;
    std::chrono::system_clock::time_point time;
    std::string note; ///< the command that made it
    bool undone = false;
    bool inherited = false; ///< made by an earlier poolkd that did not undo it
    /// Set by who knows that the four bytes are the tag that a call gets; else find_tag_site looks at the code.
    std::optional<TagSiteKind> tag_site = std::nullopt;
    /// Set for a breakpoint that the target keeps in its own table; `before` and `after` are empty then.
    std::optional<std::uint32_t> breakpoint_handle = std::nullopt;
};

/// Every write to the target, with the old bytes, also on disk: the line is in the file before the bytes are in the
/// target, so that a debugger that was killed can restore on its next attach. One file a boot of a kernel; the name
/// is made of the kernel's identity and, where the kernel tells it, its boot time.
class Journal {
  public:
    /// `directory` is created when the first entry is made. An empty path keeps the journal in memory only.
    Journal(nt::Kernel& kernel, std::filesystem::path directory);

    /// Takes over what an earlier poolkd left in this boot of the target. Entries whose bytes are no longer what that
    /// poolkd wrote are dropped: the target was restarted, or somebody else changed them. Breakpoints that it left
    /// planted are taken out at once: nobody would know what to do at their hits. Tags that allocation sites had are
    /// remembered while a free site of the same tag stands: their blocks may outlive them. Returns how many writes
    /// remain to be undone.
    Result<std::size_t> attach();

    /// Breakpoints of an earlier poolkd that `attach` took out.
    [[nodiscard]] std::size_t removed_breakpoints() const { return removed_breakpoints_; }

    /// Writes memory and journals it. Nothing is written when the old bytes cannot be read or the file not be kept.
    Result<void> write(VirtAddr address, Bytes bytes, std::string note,
                       std::optional<TagSiteKind> tag_site = std::nullopt);
    /// Puts the old bytes back, also after a write or an undo that got only half way. Kind `refused` when a byte of the
    /// target is neither the old one nor the one that was written.
    Result<void> undo(std::uint32_t id);

    /// A breakpoint was put into the target's own table. Only the target gives the handle to take it out with, so this
    /// line, unlike a write's, comes after the fact: a debugger that is killed in between leaves the breakpoint. What
    /// the file says already costs no write: a breakpoint that is hit often comes back with the same handle.
    Result<void> note_breakpoint(VirtAddr address, std::uint32_t handle);
    /// None of the noted breakpoints is in the target any more. Should we die before, the next debugger clears handles
    /// that are gone, which does no harm.
    Result<void> forget_breakpoints();
    /// A breakpoint of poolkd, of this one or an earlier one, was there at some time in this boot.
    [[nodiscard]] bool had_breakpoint(VirtAddr address) const { return breakpoint_places_.contains(address); }
    [[nodiscard]] bool had_breakpoints() const { return !breakpoint_places_.empty(); }

    [[nodiscard]] std::span<const JournalEntry> entries() const { return entries_; }
    /// Memory writes that still stand, oldest first; breakpoints are not among them.
    [[nodiscard]] std::vector<std::uint32_t> open_writes() const;
    [[nodiscard]] const std::filesystem::path& file() const { return file_; }

    /// $XDG_STATE_HOME/poolkd/journal, or the same below ~/.local/state.
    static std::filesystem::path default_directory();

  private:
    /// The file of this boot of this kernel; there need not be one yet.
    [[nodiscard]] std::filesystem::path file_of_boot() const;
    Result<void> append_line(const std::string& line);
    JournalEntry* find(std::uint32_t id);
    void remove_inherited_breakpoints();
    Result<void> record(JournalEntry entry);
    Result<void> mark_undone(JournalEntry& entry);
    /// Makes the bytes at `address` those of `wanted` by writing the stretch in which they differ.
    Result<void> restore(VirtAddr address, Bytes wanted);

    nt::Kernel& kernel_;
    std::filesystem::path directory_;
    std::filesystem::path file_;
    std::vector<JournalEntry> entries_;
    std::set<VirtAddr> breakpoint_places_;
    /// Breakpoints are numbered apart, so that writes are numbered without gaps.
    static constexpr std::uint32_t first_breakpoint_id = 1u << 30;
    std::uint32_t next_id_ = 1;
    std::size_t removed_breakpoints_ = 0;
    std::uint32_t next_breakpoint_id_ = first_breakpoint_id;
};

} // namespace poolkd::control

#pragma once

#include "control/journal.h"

namespace poolkd::control {

// The journal's file: a line of JSON for each write or breakpoint, and one for each that was undone. Lines are only
// ever appended, and each is on disk before the next step is taken; a last line cut short by a crash is ignored.

std::string journal_line(const JournalEntry& entry);
std::string undo_line(std::uint32_t id);
/// Appends and syncs. Creates the folder (mode 0700).
Result<void> append_journal_line(const std::filesystem::path& file, const std::string& line);
/// Entries in order, `undone` filled in. An absent file is an empty journal.
Result<std::vector<JournalEntry>> read_journal_file(const std::filesystem::path& file);

} // namespace poolkd::control

#pragma once

#include "hunt/evidence.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace poolkd::hunt::imports {

/// What a text gives: all snapshots and the notes.
struct Imported {
    std::vector<Snapshot> snapshots;
    std::vector<std::string> notes;

    [[nodiscard]] bool noted(std::string_view part) const {
        return std::ranges::any_of(notes, [&](const std::string& note) { return note.contains(part); });
    }
};

inline Result<Imported> try_import(std::string text, const EvidenceOptions& options = {}) {
    Work work;
    POOLKD_TRY(auto source, open_evidence_bytes("test", std::move(text), options, work));
    Imported imported;
    POOLKD_TRY(imported.snapshots, read_all(*source, work));
    imported.notes = source->notes();
    return imported;
}

inline Imported import_text(std::string text, const EvidenceOptions& options = {}) {
    auto imported = try_import(std::move(text), options);
    EXPECT_TRUE(imported.has_value()) << (imported ? "" : imported.error().message);
    return imported.value_or(Imported{});
}

inline TagKey key(std::string_view tag, PoolKind kind = PoolKind::nonpaged) {
    return {*PoolTag::from_text(tag), kind};
}

/// The row, or one of all zeros with tag 0 when it is missing.
inline TagCounts row(const Snapshot& snapshot, std::string_view tag, PoolKind kind = PoolKind::nonpaged) {
    for (const TagCounts& counts : snapshot.rows)
        if (counts.key == key(tag, kind)) return counts;
    return {};
}

inline TagCounts counts(std::string_view tag, PoolKind kind, std::uint64_t allocs, std::uint64_t frees,
                        std::int64_t bytes) {
    return {.key = key(tag, kind), .allocs = allocs, .frees = frees, .bytes = bytes};
}

inline Time at(std::int64_t milliseconds) {
    return Time(std::chrono::milliseconds(milliseconds));
}

/// The same characters as UTF-16 with a byte order mark.
inline std::string utf16(std::string_view ascii) {
    std::string out = "\xff\xfe";
    for (char c : ascii) {
        out += c;
        out += '\0';
    }
    return out;
}

} // namespace poolkd::hunt::imports

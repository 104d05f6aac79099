#pragma once

#include "hunt/snapshot.h"

#include <string>
#include <string_view>
#include <vector>

namespace poolkd::render {

/// One line of CSV (RFC 4180, with a bare newline): quotes where a comma, a quote, a line break or a blank at an end
/// needs them.
[[nodiscard]] std::string csv_line(const std::vector<std::string>& fields);

/// A tag as our CSV reader takes it back: its text, or its number when it holds bytes that cannot be printed.
[[nodiscard]] std::string csv_tag(PoolTag tag);

/// The first line of a table of snapshots; with activity `time,tag,type,allocs,frees,bytes`, else
/// `time,tag,type,outstanding,bytes`.
[[nodiscard]] std::string snapshot_csv_header(bool activity);
/// Adds one row of it. Without a time its field is empty.
void add_snapshot_csv_row(std::string& out, const hunt::Snapshot& snapshot, const hunt::TagCounts& row, bool activity);

} // namespace poolkd::render

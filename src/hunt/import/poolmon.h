#pragma once

#include "hunt/import/reader.h"

namespace poolkd::hunt::import {

/// PoolMon's text: files of `poolmon -n`, redirected screens and captures of the window, one after the other. A screen
/// begins with the line of `Memory:` or, where that is missing, with the names of the columns.
///
/// A screen counts as whole when it has at least 200 rows of both pools and no "...": the window shows some fifty rows,
/// a machine has hundreds of tags. A file with one screen whose changes are not all zero gives two snapshots, since a
/// change is that of PoolMon's refresh, which is every five seconds.
Result<std::unique_ptr<Reader>> open_poolmon(const Input& input);

} // namespace poolkd::hunt::import

#pragma once

#include "hunt/tag_list.h"
#include "hunt/verdict.h"

#include <functional>
#include <string>

namespace poolkd::hunt {

/// Divides the groups of a report by what the code says. On one layer nobody holds the blocks of another driver, so
/// members on the layer of the likely owner that are of other drivers only happen to grow like it: those of one driver
/// make a group of their own, and one that is left alone is in none. `owner_of` gives the image that a row (an index in
/// `Report::rows`) is of, empty where that is not known. The advice is given anew.
void divide_groups(Report& report, const TagLists* tags, const std::function<std::string(std::size_t row)>& owner_of);

} // namespace poolkd::hunt

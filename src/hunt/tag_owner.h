#pragma once

#include "base/coverage.h"
#include "base/tag.h"
#include "nt/kernel.h"

#include <span>
#include <string>
#include <vector>

namespace poolkd::hunt {

/// Why a driver is taken for the owner of a tag.
struct TagOwner {
    std::string image;    ///< "leaky.sys"
    std::string evidence; ///< a sentence
    bool proven = false;  ///< its code has the tag; else a table says so
};

/// Drivers whose code gives the tag to an allocation or a free, and what the tables say of the tag. `on_stack` are
/// names of modules, looked through first; the others only in an image of memory, where that costs no request.
/// Coverage: what of their code could not be read.
Answer<std::vector<TagOwner>> find_tag_owners(nt::Kernel& kernel, PoolTag tag, std::span<const std::string> on_stack,
                                              Work& work);

} // namespace poolkd::hunt

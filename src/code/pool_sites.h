#pragma once

#include "base/coverage.h"
#include "base/machine.h"
#include "base/tag.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace poolkd::code {

enum class SiteKind {
    allocation,
    release,
    lookaside, ///< initialises a lookaside list: blocks of the tag come from the allocator when the list is empty
};

/// How the tag of a site is known.
enum class TagSource {
    constant,   ///< an immediate that reaches the argument, in the function of the site
    data,       ///< read from a variable of the image; where that is writable, it may have changed since it was linked
    fixed,      ///< the routine has its own tag: 'None' of ExAllocatePool, 'Mdl ' of IoAllocateMdl
    none,       ///< the routine takes none: ExFreePool
    parameter,  ///< the function passes its own argument on: it is a wrapper, and its callers are sites
    unresolved, ///< cannot be told; `note` says why
};

/// One call, jump or thunk to a pool routine, or to a function that wraps one.
struct PoolSite {
    std::uint32_t rva = 0;        ///< of the call or jump
    std::uint32_t return_rva = 0; ///< of the instruction after a call; 0 for a jump
    std::uint32_t function_rva = 0;
    std::string function; ///< its name without the module; empty when none is known
    std::string source;   ///< "report.cpp:12" where the symbols tell; else empty
    SiteKind kind = SiteKind::allocation;
    std::string api;                     ///< the routine in the end: "ExAllocatePoolWithTag"
    std::vector<std::string> via;        ///< wrappers between the site and the routine, the one called here first
    std::vector<std::uint32_t> via_rvas; ///< where these functions begin
    std::optional<PoolTag> tag;          ///< as passed: may carry the protected bit
    TagSource tag_source = TagSource::unresolved;
    /// Where the four bytes of the tag lie: in an instruction, or in data. Absent when they do not lie together.
    std::optional<std::uint32_t> tag_rva;
    std::optional<std::uint64_t> size;      ///< bytes, where constant
    std::optional<std::uint64_t> pool_type; ///< POOL_TYPE or, for ExAllocatePool2 and 3, POOL_FLAGS; where constant
    std::optional<bool> paged;              ///< what `pool_type` says
    std::string note;                       ///< why the tag is not known
};

/// Four bytes of an image.
struct ImageWord {
    std::uint32_t rva = 0;
    std::uint32_t value = 0;
    auto operator<=>(const ImageWord&) const = default;
};

/// What of the first four bytes of an instruction is the same wherever its image lies: images move by whole pages,
/// which leaves the twelve lower bits of the addresses and distances that follow the opcode.
inline constexpr std::uint32_t unmoved_bits = 0x000fffff;

/// What the code of one image says. Sites by RVA.
struct SiteIndex {
    std::vector<PoolSite> sites;
    /// What was read of the image for the tags, by RVA: constants in its code, and variables, also those that held
    /// nothing. Where one of them holds something else, the tags may be others.
    std::vector<ImageWord> tag_words;
    /// How each call or jump begins, of that the `unmoved_bits`. Where another stands there, this is of other code.
    std::vector<ImageWord> site_words;
    std::uint64_t code_bytes = 0; ///< looked through
    Coverage coverage;            ///< what of the code could not be read
};

} // namespace poolkd::code

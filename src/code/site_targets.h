#pragma once

#include "code/flat_image.h"
#include "code/pool_routines.h"
#include "code/site_index.h"
#include "code/value_flow.h"
#include "pe/exports.h"

#include <cstdint>
#include <map>
#include <set>
#include <vector>

namespace poolkd::code {

/// Something whose calls are sites: a pool routine, or a function that wraps one. Where its arguments lie is said as
/// the function finds them at its begin: `entry_register` and `entry_stack`.
struct Callee {
    const PoolRoutine* routine = nullptr;
    std::vector<std::uint32_t> via; ///< wrappers from here to the routine
    Value tag;                      ///< unknown: there is none to be passed
    Value size;                     ///< where it lies, or constant, or unknown
    Value type;                     ///< the same
    Value selector;                 ///< of a routine with one
    std::uint32_t variable = 0;     ///< that it is reached through, of `SiteTargets::told`

    [[nodiscard]] bool takes_tag() const {
        return tag.is(Value::Kind::entry_register) || tag.is(Value::Kind::entry_stack);
    }
    /// Calls of both are one and the same site.
    [[nodiscard]] bool same_site(const Callee& other) const {
        return routine->kind == other.routine->kind && tag == other.tag;
    }
};

/// A pool routine as its callers see it.
Callee callee_of(const PoolRoutine& routine, const Machine& machine);

/// What an image calls the pool by: slots of its import table, pointers that hold a routine's address, routines of its
/// own, and addresses outside.
struct SiteTargets {
    std::map<std::uint32_t, const PoolRoutine*> slots; ///< by RVA of the pointer
    std::map<std::uint32_t, const PoolRoutine*> own;   ///< by RVA of the code
    std::map<std::uint64_t, const PoolRoutine*> outside;
    /// KMDF's functions: the pointer to their table, and those of interest by their distance from its begin.
    std::optional<std::uint32_t> table;
    std::map<std::uint64_t, const PoolRoutine*> table_entries;
    /// How it is known what a slot leads to, in a sentence, where it is none of the import table.
    std::map<std::uint32_t, std::string> told;
    std::set<std::uint32_t> dispatchers; ///< pointers to routines that jump to what rax holds (control flow guard)

    static SiteTargets find(const SiteImage& image, const pe::Image& headers, const Machine& machine);
    static SiteTargets find(const SiteImage& image, const pe::Image& headers, const pe::ExportTable& exports,
                            const Machine& machine);
    /// Adds variables that routines are called through, and KMDF's functions.
    void add_variables(const SiteImage& image, const pe::Image& headers, const pe::ExportTable& exports,
                       const Machine& machine, std::span<const Extent> code, Work& work);
    [[nodiscard]] bool empty() const { return slots.empty() && own.empty() && outside.empty() && !table; }
};

} // namespace poolkd::code

#pragma once

#include "base/tag.h"
#include "code/pool_sites.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace poolkd::code {

/// One routine that allocates from the pool, frees to it, or prepares a lookaside list. Arguments are counted from 1;
/// where they lie follows from that: x64 in rcx, rdx, r8, r9, then on the stack; x86 on the stack, see `stack_word`.
struct PoolRoutine {
    enum class Type : std::uint8_t {
        none,       ///< nothing states it
        pool_type,  ///< argument `type` is a POOL_TYPE
        pool_flags, ///< argument `type` is POOL_FLAGS, 64 bits wide
        non_paged,  ///< always
        paged,      ///< always
    };

    std::string_view name;
    SiteKind kind = SiteKind::allocation;
    std::uint8_t stack_words = 0; ///< that the routine takes from the stack of x86
    std::uint8_t tag = 0;         ///< number of the argument; 0: none
    std::uint8_t size = 0;        ///< the same, bytes
    std::uint8_t type = 0;        ///< the same
    Type type_kind = Type::none;
    std::optional<PoolTag> fixed_tag{}; ///< of a routine that has a tag of its own
    std::uint8_t selector = 0;          ///< number of the argument that says which routine is meant: `selected_routine`
    /// Where the tag lies in the record that argument `tag` is the address of, in pointers' and in other bytes; zero:
    /// the argument is the tag.
    std::uint8_t record_pointers = 0, record_bytes = 0;
    bool sets_default = false;     ///< such a tag is that of others with `default_for_zero`; zero states none
    bool default_for_zero = false; ///< tag 0 stands for a default that is set elsewhere
};

/// By its name as imported ("ExFreePool") or as the linker decorates it ("_ExFreePool@4", "__imp__ExFreePool@4"). Case
/// counts. Null for a routine that has nothing to do with the pool.
const PoolRoutine* find_pool_routine(std::string_view name);

/// All of them, by name.
std::span<const PoolRoutine> pool_routines();

/// What is no routine that an image can import, but reached in another way: functions of KMDF, and those of StorPort
/// that have one entry in common. By name.
const PoolRoutine* find_other_routine(std::string_view name);

/// The routine that one with a selector stands for. Null for one that has nothing to do with the pool.
const PoolRoutine* selected_routine(const PoolRoutine& entry, std::uint64_t selector);

/// A function of KMDF that takes a tag, and its number in the table of functions.
struct WdfRoutine {
    std::uint32_t index;
    std::string_view name; ///< see `find_other_routine`
};
std::span<const WdfRoutine> wdf_routines();

/// Which word of the stack of x86 an argument begins at, counted from 1.
unsigned stack_word(const PoolRoutine& routine, unsigned argument);

/// Whether a type or flags mean paged pool; nothing where they do not say.
std::optional<bool> is_paged(const PoolRoutine& routine, std::optional<std::uint64_t> type);

} // namespace poolkd::code

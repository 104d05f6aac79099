#include "pool/bug_check_meaning.h"

#include "pool/heap_failure.h"

#include <algorithm>
#include <utility>

namespace poolkd::pool {

namespace {

constexpr std::uint64_t any = ~0ull;

/// What a parameter is beside its words.
enum class Use { nothing, header, body, tag, freed_as };

struct Argument {
    std::string_view words;
    Use use = Use::nothing;
};

struct Row {
    std::uint32_t code;
    std::uint64_t subcode; ///< the first parameter, of 0xC1 the fourth; `any`: it is none
    std::string_view what;
    Suspect suspect;
    Argument second, third, fourth;
    std::string_view first = {}; ///< of rows without a subcode
};

constexpr std::string_view freed_twice = "A block of pool was freed that is free already.";
constexpr std::string_view size_corrupt = "The size in the header of a pool block is damaged.";
constexpr std::string_view left_behind =
    "A driver was unloaded without freeing all that it had allocated from pool (Driver Verifier, pool tracking).";

// Subcodes that differ in what the kernel was about when it noticed.
// As a rule it was not the one who freed the block, but whoever wrote past the end of the one in front.
constexpr Row written_after_free(std::uint64_t subcode) {
    return {0x19,
            subcode,
            "The header of a free pool block was written to after the block was freed.",
            Suspect::previous_owner,
            {"the header", Use::header},
            {},
            {}};
}
constexpr Row damaged_header(std::uint64_t subcode) {
    return {0xc2,
            subcode,
            "The header of a pool block is damaged.",
            Suspect::previous_owner,
            {"the header", Use::header},
            {"the first part of the header"},
            {}};
}
// The driver on the stack freed the block; where its own end was written past, it did that too, as a rule.
constexpr Row damaged_special_pool(std::uint64_t subcode, std::string_view what) {
    return {0xc1,
            subcode,
            what,
            Suspect::caller,
            {"where damaged bytes are"},
            {},
            {"what went wrong"},
            "the address that was freed"};
}
constexpr Row damaged_quota(std::uint64_t subcode) {
    return {0xc2,
            subcode,
            "A block that was charged to a process has a damaged quota pointer.",
            Suspect::owner,
            {"the block", Use::body},
            {"its tag", Use::tag},
            {"the damaged quota pointer"}};
}

// Source: Microsoft's public bug check code reference, in our words.
constexpr Row rows[] = {
    // BAD_POOL_HEADER
    {0x19,
     0x2,
     "The pattern around a block of special pool was written over.",
     Suspect::owner,
     {"the pool entry", Use::header},
     {"the size of the block"},
     {}},
    {0x19,
     0x3,
     "The list of free pool blocks is damaged: a free block was written to.",
     Suspect::owner,
     {"the pool entry whose links were checked", Use::header},
     {"the forward link as read back"},
     {"the backward link as read back"}},
    {0x19,
     0x5,
     "The headers of two neighbouring pool blocks contradict each other: at least one is damaged.",
     Suspect::previous_owner,
     {"one of the two", Use::header},
     {},
     {"the other one", Use::header}},
    {0x19,
     0x6,
     "The size of the previous block in the header of a pool block is too large.",
     Suspect::previous_owner,
     {"the entry that was calculated wrong", Use::header},
     {},
     {"the damaged entry that led there", Use::header}},
    {0x19, 0x7, size_corrupt, Suspect::previous_owner, {}, {}, {"the damaged entry", Use::header}},
    {0x19,
     0x8,
     "The size in the header of a pool block is zero.",
     Suspect::previous_owner,
     {},
     {},
     {"the damaged entry", Use::header}},
    {0x19,
     0x9,
     "The size in the header of a pool block is too large.",
     Suspect::previous_owner,
     {"the entry that was calculated wrong", Use::header},
     {},
     {"the damaged entry that led there", Use::header}},
    {0x19,
     0xa,
     size_corrupt,
     Suspect::previous_owner,
     {"the entry that should have been found", Use::header},
     {},
     {"the page that should have held it"}},
    written_after_free(0xd),
    written_after_free(0xe),
    written_after_free(0xf),
    {0x19,
     0x20,
     "The header of a pool block contradicts its neighbour: its size, or what follows it, is damaged.",
     Suspect::previous_owner,
     {"the pool entry that was looked for", Use::header},
     {"the next pool entry"},
     {}},
    {0x19,
     0x21,
     "What follows a block of pool was written over: its owner wrote past its end.",
     Suspect::owner,
     {"the block that was freed", Use::body},
     {"the bytes that were allocated"},
     {"the damaged value behind the block"}},
    {0x19,
     0x22,
     "A large block was freed that the kernel has no record of: it is free already, or never was allocated.",
     Suspect::caller,
     {"the address that was freed", Use::body},
     {},
     {}},
    written_after_free(0x23),
    written_after_free(0x24),
    written_after_free(0x25),
    // BAD_POOL_CALLER
    {0xc2, 0x0, "A block of no bytes was asked for.", Suspect::caller, {}, {"the pool type"}, {"the tag", Use::tag}},
    damaged_header(0x1),
    damaged_header(0x2),
    damaged_header(0x4),
    {0xc2, 0x6, freed_twice, Suspect::caller, {}, {"the header", Use::header}, {"what the header holds"}},
    {0xc2, 0x7, freed_twice, Suspect::caller, {}, {"what the header holds"}, {"the block", Use::body}},
    {0xc2,
     0x8,
     "Pool was asked for at an IRQL at which that is not allowed.",
     Suspect::caller,
     {"the IRQL"},
     {"the pool type"},
     {"the bytes that were asked for"}},
    {0xc2,
     0x9,
     "Pool was freed at an IRQL at which that is not allowed.",
     Suspect::caller,
     {"the IRQL"},
     {"the pool type"},
     {"the block", Use::body}},
    {0xc2,
     0xa,
     "A block of pool was freed under another tag than the one it was allocated with.",
     Suspect::caller,
     {"the block", Use::body},
     {"its tag", Use::tag},
     {"the tag it was to be freed under", Use::freed_as}},
    damaged_quota(0xb),
    damaged_quota(0xc),
    damaged_quota(0xd),
    {0xc2,
     0x40,
     "An address of user space was freed as pool.",
     Suspect::caller,
     {"the address", Use::body},
     {"where system space begins"},
     {}},
    {0xc2,
     0x41,
     "A page of nonpaged pool was freed that is not allocated.",
     Suspect::caller,
     {"the address", Use::body},
     {"its page frame"},
     {"the highest page frame"}},
    {0xc2, 0x42, "An address was freed that lies in no pool.", Suspect::caller, {"the address", Use::body}, {}, {}},
    {0xc2, 0x43, "An address was freed that lies in no pool.", Suspect::caller, {"the address", Use::body}, {}, {}},
    {0xc2,
     0x44,
     "A page of nonpaged pool was freed that is not allocated.",
     Suspect::caller,
     {"the address", Use::body},
     {},
     {}},
    {0xc2,
     0x46,
     "An address was freed at which no block of pool can begin.",
     Suspect::caller,
     {"the address", Use::body},
     {},
     {}},
    {0xc2,
     0x47,
     "A page of nonpaged pool was freed that is not allocated.",
     Suspect::caller,
     {"the address", Use::body},
     {"its page frame"},
     {"the highest page frame"}},
    {0xc2,
     0x48,
     "A page of paged pool was freed that is not allocated.",
     Suspect::caller,
     {"the address", Use::body},
     {},
     {}},
    {0xc2,
     0x50,
     "A page of paged pool was freed that is not allocated.",
     Suspect::caller,
     {"the address", Use::body},
     {"pages from the start of paged pool"},
     {"the bytes of paged pool"}},
    {0xc2,
     0x60,
     "Contiguous memory was freed at an address where none was allocated.",
     Suspect::caller,
     {"the address", Use::body},
     {},
     {}},
    {0xc2, // not in Microsoft's reference; what Windows 10 checks of large blocks
     0x62,
     "What lies behind the bytes that were asked for of a large block was written over: its owner wrote past its end.",
     Suspect::owner,
     {},
     {},
     {}},
    {0xc2,
     0x99,
     "An address was freed that is no block of pool, or whose header is damaged.",
     Suspect::caller,
     {"the address", Use::body},
     {},
     {}},
    {0xc2,
     0x9a,
     "Pool was asked for as MUST_SUCCEED, which is no longer supported.",
     Suspect::caller,
     {"the pool type"},
     {"the bytes that were asked for"},
     {"the tag", Use::tag}},
    {0xc2,
     0x9b,
     "Pool was asked for with a tag of zero.",
     Suspect::caller,
     {"the pool type"},
     {"the bytes that were asked for"},
     {"the caller's address"}},
    {0xc2,
     0x9c,
     "Pool was asked for with the tag BIG.",
     Suspect::caller,
     {"the pool type"},
     {"the bytes that were asked for"},
     {"the caller's address"}},
    {0xc2,
     0x9d,
     "Pool was asked for with a tag without letters and digits.",
     Suspect::caller,
     {"the tag", Use::tag},
     {"the pool type"},
     {"the caller's address"}},
    {0xc2,
     0x41286,
     "An address in the middle of an allocation of paged pool was freed.",
     Suspect::caller,
     {},
     {},
     {"pages from the start of paged pool"}},
    // DRIVER_VERIFIER_DETECTED_VIOLATION
    {0xc4, 0x0, "A driver asked for a block of no bytes.", Suspect::caller, {"the IRQL"}, {"the pool type"}, {}},
    {0xc4,
     0x1,
     "A driver asked for paged pool above APC_LEVEL.",
     Suspect::caller,
     {"the IRQL"},
     {"the pool type"},
     {"the bytes that were asked for"}},
    {0xc4,
     0x2,
     "A driver asked for nonpaged pool above DISPATCH_LEVEL.",
     Suspect::caller,
     {"the IRQL"},
     {"the pool type"},
     {"the bytes that were asked for"}},
    {0xc4,
     0x10,
     "A driver freed an address that no allocation returned.",
     Suspect::caller,
     {"the address", Use::body},
     {},
     {}},
    {0xc4,
     0x11,
     "A driver freed paged pool above APC_LEVEL.",
     Suspect::caller,
     {"the IRQL"},
     {"the pool type"},
     {"the block", Use::body}},
    {0xc4,
     0x12,
     "A driver freed nonpaged pool above DISPATCH_LEVEL.",
     Suspect::caller,
     {"the IRQL"},
     {"the pool type"},
     {"the block", Use::body}},
    {0xc4, 0x13, freed_twice, Suspect::caller, {}, {"the header", Use::header}, {"what the header holds"}},
    {0xc4, 0x14, freed_twice, Suspect::caller, {}, {"the header", Use::header}, {"what the header holds"}},
    {0xc4,
     0x15,
     "A driver freed pool that holds an active timer.",
     Suspect::caller,
     {"the timer"},
     {"the pool type"},
     {"the block", Use::body}},
    {0xc4,
     0x16,
     "A driver freed pool at a wrong address, or gave wrong parameters to a memory routine.",
     Suspect::caller,
     {},
     {"the address", Use::body},
     {}},
    {0xc4,
     0x17,
     "A driver freed pool that holds an active resource (ERESOURCE).",
     Suspect::caller,
     {"the resource"},
     {"the pool type"},
     {"the block", Use::body}},
    {0xc4,
     0x60,
     left_behind,
     Suspect::unloaded_driver,
     {"bytes of paged pool that it left"},
     {"bytes of nonpaged pool that it left"},
     {"the blocks that it left, of both pools"}},
    {0xc4,
     0x61,
     "A thread of a driver allocated pool while the driver was being unloaded.",
     Suspect::unloaded_driver,
     {"bytes of paged pool"},
     {"bytes of nonpaged pool"},
     {"the blocks, of both pools"}},
    {0xc4,
     0x62,
     left_behind,
     Suspect::unloaded_driver,
     {"the driver's name"},
     {"the verifier's record of the driver"},
     {"the blocks that it left, of both pools"}},
    {0xc4,
     0xcc,
     "A driver freed pool that holds an active lookaside list.",
     Suspect::caller,
     {"the lookaside list"},
     {"the block", Use::body},
     {"its bytes"}},
    {0xc4,
     0xd2,
     "A driver freed pool that holds an active resource (ERESOURCE).",
     Suspect::caller,
     {"the resource"},
     {"the block", Use::body},
     {"its bytes"}},
    {0xc4,
     0x2000,
     "A driver asked for pool that can be executed.",
     Suspect::caller,
     {"the code that asked"},
     {"the pool type"},
     {"the tag", Use::tag}},
    // SPECIAL_POOL_DETECTED_MEMORY_CORRUPTION
    damaged_special_pool(0x20, "A driver freed an address of special pool that is not allocated."),
    damaged_special_pool(0x21, "A driver freed an address at which no block of special pool begins."),
    damaged_special_pool(0x22, "A driver freed a block of special pool whose page was written to outside of it."),
    damaged_special_pool(0x23, "A driver freed a block of special pool whose page was written to outside of it."),
    damaged_special_pool(0x24, "A driver freed a block of special pool past whose end was written."),
    {0xc1,
     0x30,
     "Special pool was asked for at an IRQL at which that is not allowed.",
     Suspect::caller,
     {"the pool type"},
     {"the bytes that were asked for"},
     {"what went wrong"},
     "the IRQL"},
    {0xc1,
     0x31,
     "Special pool was freed at an IRQL at which that is not allowed.",
     Suspect::caller,
     {"the pool type"},
     {"the block", Use::body},
     {"what went wrong"},
     "the IRQL"},
    {0xc1,
     0x32,
     "Special pool was freed at an IRQL at which that is not allowed.",
     Suspect::caller,
     {"the pool type"},
     {"the block", Use::body},
     {"what went wrong"},
     "the IRQL"},
    // Others
    {0x41,
     any,
     "Pool that must not fail was asked for, and there was none.",
     Suspect::nobody,
     {"pages of nonpaged pool in use"},
     {"requests of a page and more"},
     {"free pages"},
     "the bytes asked for"},
    {0x3f,
     any,
     "The system has no page table entries left: they are used up or in fragments.",
     Suspect::nobody,
     {"the entries that were asked for"},
     {"the entries that are free"},
     {"all entries"},
     "what they were for"},
    {0x50,
     any,
     "System memory was accessed that is not there.",
     Suspect::caller,
     {"the kind of access"},
     {"the instruction that did it"},
     {},
     "the address that was accessed"},
    {0xc5,
     any,
     "The pool was found damaged: its own code accessed memory that is not there.",
     Suspect::unknown,
     {"the IRQL"},
     {"the kind of access"},
     {"the instruction that did it"},
     "the address that was accessed"},
    {0xd0,
     any,
     "The pool was found damaged: the code that manages its pages accessed memory that is not there.",
     Suspect::unknown,
     {"the IRQL"},
     {"the kind of access"},
     {"the instruction that did it"},
     "the address that was accessed"},
    {0xc6,
     any,
     "A driver wrote to pool that is free.",
     Suspect::caller,
     {"the kind of access"},
     {"the processor's mode: 0 kernel, 1 user"},
     {},
     "the address that was written to"},
    {0xcc,
     any,
     "Special pool was accessed after it was freed.",
     Suspect::caller,
     {"the kind of access"},
     {"the instruction that did it"},
     {},
     "the address that was accessed"},
    {0xcd,
     any,
     "Memory behind the end of a block of special pool was accessed.",
     Suspect::caller,
     {"the kind of access"},
     {"the instruction that did it"},
     {},
     "the address that was accessed"},
    {0xd5,
     any,
     "A driver accessed special pool after it was freed.",
     Suspect::caller,
     {"the kind of access"},
     {"the instruction that did it"},
     {},
     "the address that was accessed"},
    {0xd6,
     any,
     "A driver accessed memory behind the end of a block of special pool.",
     Suspect::caller,
     {"the kind of access"},
     {"the instruction that did it"},
     {},
     "the address that was accessed"},
    {0x13a,
     any,
     "The kernel's heap found itself damaged.",
     Suspect::unknown,
     {"the heap that found it"},
     {"where the damage was found", Use::body},
     {},
     "the kind of damage"},
};

/// What 0x50 says of the page; before Windows 10 the parameter is reserved.
constexpr std::pair<std::uint64_t, std::string_view> page_faults[] = {
    {0x0, "the entry of the page says that it is free, on Windows 10 and later (0)"},
    {0x2, "no page table maps the address, on Windows 10 and later (2)"},
    {0x3, "the address is of a session, and the process has none (3)"},
    {0x4, "the address is not canonical (4)"},
    {0xf, "user memory was accessed in a way that does not go with how it is mapped (f)"},
};

std::string_view first_argument(const Row& row, std::uint64_t value) {
    if (row.code == 0x3f && value == 0) return "they were for the system (0)";
    if (row.code == 0x3f && value == 1) return "they were for nonpaged pool to grow (1)";
    return row.first.empty() ? "what went wrong" : row.first;
}

/// The first parameter, or of 0xC1 the fourth.
std::uint64_t subcode_of(const nt::BugCheck& bug_check) {
    return bug_check.parameters[bug_check.code == 0xc1 ? 3 : 0];
}

/// The bug checks whose first parameter is the address that they are about.
bool begins_with_address(const nt::BugCheck& bug_check) {
    switch (bug_check.code) {
    case 0x50:
    case 0xc5:
    case 0xc6:
    case 0xcc:
    case 0xcd:
    case 0xd0:
    case 0xd5:
    case 0xd6: return true;
    case 0xc1: return bug_check.parameters[3] < 0x30; // else it is an IRQL
    default: return false;
    }
}

const Row* row_of(const nt::BugCheck& bug_check) {
    const auto* row = std::ranges::find_if(rows, [&](const Row& candidate) {
        return candidate.code == bug_check.code &&
               (candidate.subcode == any || candidate.subcode == subcode_of(bug_check));
    });
    return row != std::end(rows) ? row : nullptr;
}

void point_at(BugCheckMeaning& meaning, VirtAddr block, Pointee pointee) {
    if (!block) return;
    meaning.block = block;
    meaning.pointee = pointee;
}

} // namespace

std::optional<BugCheckMeaning> meaning_of(const nt::BugCheck& bug_check, nt::Kernel& kernel) {
    const Row* row = row_of(bug_check);
    if (!row) return std::nullopt;
    BugCheckMeaning meaning;
    meaning.what = row->what;
    meaning.suspect = row->suspect;
    meaning.arguments[0] = first_argument(*row, bug_check.parameters[0]);
    const Argument arguments[] = {row->second, row->third, row->fourth};
    for (std::size_t i = 0; i < std::size(arguments); ++i) {
        const std::uint64_t value = bug_check.parameters[i + 1];
        meaning.arguments[i + 1] = arguments[i].words;
        switch (arguments[i].use) {
        case Use::nothing: break;
        case Use::header: point_at(meaning, kernel.machine().canonical(value), Pointee::header); break;
        case Use::body: point_at(meaning, kernel.machine().canonical(value), Pointee::body); break;
        case Use::tag: meaning.tag = PoolTag(static_cast<std::uint32_t>(value)); break;
        case Use::freed_as: meaning.freed_as = PoolTag(static_cast<std::uint32_t>(value)); break;
        }
    }
    if (begins_with_address(bug_check))
        point_at(meaning, kernel.machine().canonical(bug_check.parameters[0]), Pointee::body);
    if (row->code == 0x50) {
        const auto* fault = std::ranges::find(page_faults, bug_check.parameters[3], [](auto& f) { return f.first; });
        if (fault != std::end(page_faults)) meaning.arguments[3] = fault->second;
    }
    if (row->code == 0x13a) {
        if (const HeapFailure* failure = heap_failure(kernel, bug_check.parameters[0])) {
            meaning.arguments[0] = failure->words;
            meaning.suspect = failure->suspect;
        }
    }
    return meaning;
}

} // namespace poolkd::pool

#pragma once

#include "code/stack.h"
#include "code/stack_names.h"
#include "hunt/tag_owner.h"
#include "hunt/verdict.h"
#include "nt/bug_check.h"
#include "pool/bug_check_meaning.h"
#include "pool/surroundings.h"

#include <optional>
#include <string>
#include <vector>

namespace poolkd::hunt {

/// Whom a crash points at.
struct Culprit {
    std::string image; ///< "leaky.sys"
    std::string site;  ///< "leaky!LeakyFree+0x1f"; empty where only the driver is known
    std::string why;   ///< a sentence
};

/// What is known of a bug check: from its parameters, from the pool around the block they name, and from the stack.
struct CrashReport {
    nt::BugCheck bug_check;
    std::string_view name;                        ///< "BAD_POOL_CALLER"; empty: not known
    std::optional<pool::BugCheckMeaning> meaning; ///< nothing: it is not about pool, or its subcode is not known
    std::optional<pool::Surroundings> surroundings;
    std::optional<PoolTag> tag; ///< of the block that it is about
    std::vector<TagOwner> owners;
    std::string unloaded_driver; ///< 0xC4: the one that left blocks behind
    Answer<code::StackTrace> stack;
    std::vector<code::FrameName> names;
    std::optional<std::size_t> first_driver; ///< the first frame past the kernel's own
    std::string first_image;                 ///< of it: "leaky.sys"
    /// Where no frame is a driver's and the walk broke off: what the words of the stack point at first.
    std::string raw_image, raw_site;
    std::vector<std::string> findings;   ///< sentences on what the evidence shows
    std::optional<bool> evidence_agrees; ///< memory shows what the parameters say; nothing: it could not tell
    std::optional<Culprit> culprit;
    std::string how_sure;             ///< a sentence on `culprit`
    std::vector<std::string> missing; ///< sentences on what could not be read
    std::vector<Advice> advice;
    Coverage coverage; ///< of the pool and of the drivers' code; the stack has its own
};

/// Looks into the bug check of a kernel, from the registers of one processor where they are known.
CrashReport examine_crash(nt::Kernel& kernel, const nt::BugCheck& bug_check, const Result<RegisterFile>& registers,
                          Work& work);

} // namespace poolkd::hunt

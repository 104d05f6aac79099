#pragma once

#include "base/coverage.h"
#include "code/frame.h"
#include "code/stack_reader.h"
#include "nt/kernel.h"

#include <memory>

namespace poolkd::code {

/// Finds the callers of functions on one kind of machine. Lives for one walk, from the innermost frame outwards: what
/// it learned of a function may help with its caller.
class Unwinder {
  public:
    virtual ~Unwinder() = default;

    /// The registers one frame up. Sets the warning of `frame` and what the symbols say of it. Kinds: `unreadable` with
    /// the address (stack or tables), `malformed` (the evidence contradicts itself, or there is none), `unsupported`.
    virtual Result<CallerState> caller_of(Frame& frame) = 0;
};

/// What an unwinder works with; all of it outlives the unwinder.
struct UnwindEvidence {
    nt::Kernel& kernel;
    StackReader& stack;
    Coverage& coverage; ///< tables that could not be used
    Work* work = nullptr;
};

/// Null for a machine whose stacks cannot be followed. Another machine is a file of its own beside unwinder_x64.cpp,
/// and a name here.
std::unique_ptr<Unwinder> make_unwinder(const UnwindEvidence& evidence, const Machine& machine);
std::unique_ptr<Unwinder> make_unwinder_x64(const UnwindEvidence& evidence);
std::unique_ptr<Unwinder> make_unwinder_x86(const UnwindEvidence& evidence);

} // namespace poolkd::code
